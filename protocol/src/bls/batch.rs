//! Many claims in one multi-pairing.
//!
//! Each claim is multiplied by a factor that nobody could predict when making the signatures. The
//! pure core has no random source, so the factors are a hash of all inputs under a domain.

use super::{Backend, PublicKey, Signature};
use crate::codec::sha3_256;
use crate::model::Identifier;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// A key's signature over a message.
#[derive(Clone, Debug)]
pub struct Claim<'a, B: Backend> {
    /// The key, and a name for it: claims with equal names have equal keys.
    pub key: (KeyName, PublicKey<B>),
    /// The signature.
    pub signature: Signature<B>,
    /// Domain tag.
    pub tag: &'a str,
    /// Message.
    pub message: Vec<u8>,
}

/// Names a key, by a hash of what it is made from.
pub type KeyName = Identifier;

/// Whether all claims hold.
///
/// Wrong with a probability of about 2^-128. Claims with the same key cost one pairing together.
#[must_use]
pub fn verify_batch<B: Backend>(claims: &[Claim<'_, B>]) -> bool {
    // The identity would contribute nothing to the product, and so pass unseen.
    if claims.iter().any(|claim| claim.key.1.is_identity()) {
        return false;
    }
    let factors = factors(claims);
    let signatures: Vec<_> = claims
        .iter()
        .zip(&factors)
        .map(|(claim, factor)| (claim.signature.point.clone(), *factor))
        .collect();
    let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, claim) in claims.iter().enumerate() {
        groups.entry(claim.key.0).or_default().push(index);
    }
    let terms: Vec<_> = groups
        .values()
        .map(|group| {
            let hashes: Vec<_> = group
                .iter()
                .map(|index| {
                    let claim = &claims[*index];
                    (B::hash_to_g1(claim.tag, &claim.message), factors[*index])
                })
                .collect();
            (B::g1_sum_of_products(&hashes), claims[group[0]].key.1.point.clone())
        })
        .collect();
    B::pairing_holds(&B::g1_sum_of_products(&signatures), &terms)
}

/// One factor a claim; the first is 1, for only their ratios matter.
fn factors<B: Backend>(claims: &[Claim<'_, B>]) -> Vec<u128> {
    let mut transcript = DOMAIN.to_vec();
    for claim in claims {
        let inputs: [&[u8]; 4] =
            [&claim.key.0.0, &claim.signature.bytes, claim.tag.as_bytes(), &claim.message];
        transcript.extend(sha3_256(&inputs).0);
    }
    let seed = sha3_256(&[&transcript]);
    let factor = |index: usize| {
        let hash = sha3_256(&[&seed.0, &(index as u64).to_be_bytes()]);
        let (half, _) = hash.0.split_at(16);
        u128::from_be_bytes(half.try_into().expect("half of 32 bytes is 16 bytes"))
    };
    (0..claims.len()).map(|index| if index == 0 { 1 } else { factor(index) | 1 }).collect()
}

const DOMAIN: &[u8] = b"weir-bls-batch-v1";
