//! BLS encodings, signer indices and certificates.

use std::sync::{Arc, LazyLock};

use weir_conformance::Task;
use weir_protocol::bls::{Native, Portable, PublicKey, Signature, tag, verify};
use weir_protocol::codec::Entity as _;
use weir_protocol::codec::rlp::Decoder;
use weir_protocol::hotstuff::{Committee, signer_indices};
use weir_protocol::model::{Identifier, QuorumCertificate};
use weir_verifier::TrustedState;

use crate::codecs::whole;
use crate::input::Input;
use crate::rlp_tree::Item;
use crate::{files, known};

/// Keys and signatures: both backends accept the same bytes, and the same signatures.
pub fn bls(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let kind = input.byte() % 3;
    let rest = input.rest();
    let signature = rest.get(..48).unwrap_or(rest);
    let signatures = (Signature::<Native>::from_bytes(signature), Signature::from_bytes(signature));
    assert_eq!(signatures.0.is_ok(), signatures.1.is_ok(), "one backend refuses a signature");
    if kind == 0 {
        return;
    }
    let Some((key, message)) = rest.get(48..).and_then(<[u8]>::split_first_chunk::<96>) else {
        return;
    };
    let keys = (PublicKey::<Native>::from_bytes(key), PublicKey::from_bytes(key));
    assert_eq!(keys.0.is_ok(), keys.1.is_ok(), "one backend refuses a key");
    if let (1, Ok(key), Ok(other), Ok(signature), Ok(twin)) =
        (kind, keys.0, keys.1, signatures.0, signatures.1)
    {
        let native = verify::<Native>(&key, &signature, tag::CONSENSUS_VOTE, message);
        let portable = verify::<Portable>(&other, &twin, tag::CONSENSUS_VOTE, message);
        assert_eq!(native, portable, "one backend accepts what the other refuses");
    }
}

/// Signer indices: what is accepted is written again byte for byte.
pub fn indices(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let checksum = [input.byte(), input.byte(), input.byte(), input.byte()];
    let members = input.number();
    let Ok(signed) = signer_indices::decode(input.rest(), checksum, members) else { return };
    assert_eq!(signed.len(), members);
    let mut written = checksum.to_vec();
    written.resize(checksum.len() + members.div_ceil(8), 0);
    for (place, _) in signed.iter().enumerate().filter(|(_, signed)| **signed) {
        written[checksum.len() + place / 8] |= 0x80 >> (place % 8);
    }
    assert_eq!(written, input.rest(), "other bytes for the same signers");
}

/// Certificates under a known committee: only those that its chain has are accepted, whatever is
/// written where flow-go does not look.
pub fn certificate(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let honest = &*CERTIFICATES;
    let own = input.choose(&honest.items);
    let rlp = if !input.is_raw() {
        let mut item = own.clone();
        item.edit(&mut input, &honest.items.iter().collect::<Vec<_>>());
        item.to_bytes()
    } else {
        input.rest().to_vec()
    };
    let Ok(qc) = whole(&rlp, QuorumCertificate::decode) else { return };
    if honest.committee.verify_qc(&qc).is_ok() {
        let known = honest.qcs.iter().any(|known| signed(known) == signed(&qc));
        assert!(known, "a certificate that nobody signed: {qc:?}");
    }
}

/// A certificate's view, block and signers, and the two signatures that are checked.
type Signed<'a> = (u64, Identifier, &'a [u8], &'a [u8], &'a [u8]);

fn signed(qc: &QuorumCertificate) -> Signed<'_> {
    let signatures = Decoder::new(&qc.sig_data).list(|d| {
        let (_types, staking, _aggregated_beacon) = (d.bytes()?, d.bytes()?, d.bytes()?);
        Ok((staking, d.bytes()?))
    });
    let (staking, beacon) = signatures.expect("signature data that was accepted");
    (qc.view, qc.block_id, &qc.signer_indices, staking, beacon)
}

struct Certificates {
    committee: Arc<Committee>,
    qcs: Vec<QuorumCertificate>,
    items: Vec<Item>,
}

/// Certificates of the first epoch of a chain whose keys nobody has.
static CERTIFICATES: LazyLock<Certificates> = LazyLock::new(|| {
    let group = files::group("blocks");
    let case = group.case("blocks/finalized").expect("a case of the suite");
    let Task::Answer { trusted_state, .. } = &case.task else { panic!("an answer") };
    let bytes = group.blob(trusted_state).expect("a blob of the group");
    let trusted = TrustedState::from_bytes(&bytes).expect("an honest state");
    let epoch = trusted.oldest_epoch();
    let committee = Arc::clone(trusted.committee(epoch.counter()).expect("a kept committee"));
    let (first_view, final_view) = epoch.views();
    let qcs: Vec<_> = files::rows(known::EXPECTED[0])
        .iter()
        .filter_map(|row| known::certificate(&row["certifying_qc"]))
        .filter(|qc| (first_view..=final_view).contains(&qc.view))
        .collect();
    let item = |qc: &QuorumCertificate| Item::parse(&qc.to_rlp()).expect("a certificate's RLP");
    let items = qcs.iter().take(8).map(item).collect();
    Certificates { committee, qcs, items }
});

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise the target would assert nothing.
    #[bounded::test]
    fn honest_certificates_are_accepted() {
        let honest = &*CERTIFICATES;
        assert!(honest.items.len() == 8, "{}", honest.items.len());
        for qc in honest.qcs.iter().take(8) {
            honest.committee.verify_qc(qc).expect("an honest certificate");
        }
    }
}
