//! BLS secret keys and what they sign; the public keys of the network layer.
//!
//! Secrets follow from the seed, so they protect nothing: a network of these keys is for
//! development only. Never sign for a real network with them.

use blstrs_plus::group::Group as _;
use blstrs_plus::{G1Affine, G1Projective, G2Affine, G2Projective, Scalar};
use p256::elliptic_curve::sec1::ToEncodedPoint as _;
use weir_protocol::bls::{Native, SIGNATURE_LEN};
use weir_protocol::codec::sha3_256;
use weir_protocol::model::{BlsPublicKey, Identifier, NETWORK_KEY_LEN};

/// A secret key, or a sum of such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretKey(Scalar);

/// A signature that can still be added to others.
#[derive(Clone, Copy, Debug)]
pub struct SignaturePoint(G1Affine);

/// A message as a point of the curve, for any number of keys to sign.
#[derive(Clone, Debug)]
pub struct MessagePoint {
    /// The point times 0 to 8.
    multiples: [G1Projective; 9],
}

impl SecretKey {
    /// The key that a hash stands for.
    ///
    /// It has 40 bits only: it protects nothing, and a short key signs in half the time. So many
    /// are enough for all nodes of a network to have different ones.
    #[must_use]
    pub fn derive(hash: &Identifier) -> Self {
        let digest = sha3_256(&[b"secret key", &hash.0]);
        let number = digest.0[..5].iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
        // Never zero.
        Self(Scalar::from(number | 1))
    }

    /// The sum of keys; its signature is the aggregate of theirs.
    #[must_use]
    pub fn sum<'a>(keys: impl IntoIterator<Item = &'a Self>) -> Self {
        Self(keys.into_iter().fold(Scalar::ZERO, |sum, key| sum + key.0))
    }

    /// The public key in Flow's compressed form: the halves of x swapped, flags in the first byte.
    #[must_use]
    pub fn public_key(&self) -> BlsPublicKey {
        let usual = G2Affine::from(G2Projective::generator() * self.0).to_compressed();
        let (imaginary, real) = usual.split_at(BLS_HALF_LEN);
        let mut bytes = [0; 2 * BLS_HALF_LEN];
        bytes[..BLS_HALF_LEN].copy_from_slice(real);
        bytes[BLS_HALF_LEN..].copy_from_slice(imaginary);
        bytes[0] |= imaginary[0] & FLAGS;
        bytes[BLS_HALF_LEN] &= !FLAGS;
        bytes
    }

    /// Signs a message under a domain tag.
    #[must_use]
    pub fn sign(&self, tag: &str, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        self.sign_point(tag, message).to_bytes()
    }

    /// As [`Self::sign`], to be added to other signatures.
    #[must_use]
    pub fn sign_point(&self, tag: &str, message: &[u8]) -> SignaturePoint {
        self.sign_message(&MessagePoint::new(tag, message))
    }

    /// As [`Self::sign_point`], of a message that is hashed already.
    #[must_use]
    pub fn sign_message(&self, message: &MessagePoint) -> SignaturePoint {
        SignaturePoint(message.multiply(&self.0).into())
    }
}

impl MessagePoint {
    /// Hashes a message to the curve under a domain tag.
    #[must_use]
    pub fn new(tag: &str, message: &[u8]) -> Self {
        Self::of(Native::hash_to_curve(tag, message))
    }

    fn of(point: G1Projective) -> Self {
        let mut multiples = [G1Projective::identity(); 9];
        multiples[1] = point;
        for index in 2..multiples.len() {
            let half = multiples[index / 2].double();
            multiples[index] = if index % 2 == 0 { half } else { half + point };
        }
        Self { multiples }
    }

    /// Double and add over four bits at a time, from the first that are set.
    ///
    /// Takes as long as the factor is; a key that protects something must not be used like this.
    fn multiply(&self, factor: &Scalar) -> G1Projective {
        let mut product = G1Projective::identity();
        for digit in signed_digits(factor).into_iter().rev().skip_while(|digit| *digit == 0) {
            for _ in 0..4 {
                product = product.double();
            }
            let multiple = self.multiples[usize::from(digit.unsigned_abs())];
            product += if digit < 0 { -multiple } else { multiple };
        }
        product
    }
}

impl SignaturePoint {
    /// The aggregate of two signatures.
    #[must_use]
    pub fn add(&self, other: &Self) -> Self {
        Self((G1Projective::from(self.0) + other.0).into())
    }

    /// The usual compressed form.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; SIGNATURE_LEN] {
        self.0.to_compressed()
    }
}

/// Key shares of a random beacon: a polynomial over the group secret (Shamir), one share a member.
#[must_use]
pub fn beacon_shares(hash: &Identifier, members: usize) -> (SecretKey, Vec<SecretKey>) {
    // As many shares as flow-go needs to sign: more than half (`signature.RandomBeaconThreshold`).
    let degree = members.saturating_sub(1) / 2;
    let coefficients: Vec<Scalar> = (0..=degree as u64)
        .map(|index| {
            let name = sha3_256(&[b"beacon coefficient", &hash.0, &index.to_be_bytes()]);
            SecretKey::derive(&name).0
        })
        .collect();
    let share = |index: u64| {
        let x = Scalar::from(index + 1);
        SecretKey(coefficients.iter().rev().fold(Scalar::ZERO, |sum, factor| sum * x + factor))
    };
    let shares = (0..members as u64).map(share).collect();
    (SecretKey(coefficients[0]), shares)
}

/// Returns the network key of a node: a point of P-256, as x and y (flow-go decodes it as an ECDSA
/// key, and refuses other numbers).
#[must_use]
pub fn network_key(node_id: &Identifier) -> [u8; NETWORK_KEY_LEN] {
    let point = network_secret(node_id).public_key().to_encoded_point(false);
    let mut key = [0; NETWORK_KEY_LEN];
    // The first byte says that both coordinates follow.
    key.copy_from_slice(&point.as_bytes()[1..]);
    key
}

/// The secret key of [`network_key`].
pub(crate) fn network_secret(node_id: &Identifier) -> p256::SecretKey {
    let mut digest = sha3_256(&[b"network key", &node_id.0]);
    // A hash is no secret key once in 2^32 times.
    loop {
        match p256::SecretKey::from_slice(&digest.0) {
            Ok(secret) => return secret,
            Err(_) => digest = sha3_256(&[&digest.0]),
        }
    }
}

/// The digits of a number to base 16, from -8 to 7, the lowest first.
///
/// With a sign, half as many multiples of a point are needed.
fn signed_digits(number: &Scalar) -> [i8; 65] {
    let bytes = number.to_be_bytes();
    let digits = bytes.iter().rev().flat_map(|byte| [byte & 0x0f, byte >> 4]);
    let mut signed = [0; 65];
    for (index, digit) in digits.enumerate() {
        let digit = signed[index] + digit.cast_signed();
        let carry = i8::from(digit > 7);
        signed[index] = digit - 16 * carry;
        signed[index + 1] = carry;
    }
    signed
}

const BLS_HALF_LEN: usize = 48;
/// Compression, infinity and sign, in the first byte of a compressed point.
const FLAGS: u8 = 0b1110_0000;

#[cfg(test)]
mod tests {
    use super::*;
    use weir_protocol::bls::{PublicKey, Signature, tag, verify, verify_aggregate};

    fn key(number: u8) -> SecretKey {
        SecretKey::derive(&Identifier([number; 32]))
    }

    fn public(key: &SecretKey) -> PublicKey {
        PublicKey::from_bytes(&key.public_key()).unwrap()
    }

    #[bounded::test]
    fn a_signature_holds_under_its_key_tag_and_message_only() {
        for number in 0..8 {
            let signature = key(number).sign(tag::CONSENSUS_VOTE, b"message");
            let signature: Signature = Signature::from_bytes(&signature).unwrap();
            let holds = |key: &SecretKey, tag, message: &[u8]| {
                verify(&public(key), &signature, tag, message)
            };
            assert!(holds(&key(number), tag::CONSENSUS_VOTE, b"message"));
            assert!(!holds(&key(number + 1), tag::CONSENSUS_VOTE, b"message"));
            assert!(!holds(&key(number), tag::RANDOM_BEACON, b"message"));
            assert!(!holds(&key(number), tag::CONSENSUS_VOTE, b"massage"));
        }
    }

    #[bounded::test]
    fn long_keys_sign_as_the_curve_library_does() {
        let factor = Scalar::from(7u64) - Scalar::from(8u64);
        let point = G1Projective::generator();
        let multiply = |factor: &Scalar| MessagePoint::of(point).multiply(factor);
        assert_eq!(multiply(&factor), point * factor);
        for number in 0..300u64 {
            let factor = Scalar::from(number * number * number);
            assert_eq!(multiply(&factor), point * factor);
        }
        assert_eq!(multiply(&Scalar::ZERO), G1Projective::identity());
    }

    #[bounded::test]
    fn the_sum_of_keys_signs_as_the_aggregate() {
        let (a, b) = (key(1), key(2));
        let sum = SecretKey::sum([&a, &b]).sign(tag::COLLECTOR_VOTE, b"message");
        let single = |key: &SecretKey| key.sign_point(tag::COLLECTOR_VOTE, b"message");
        assert_eq!(sum, single(&a).add(&single(&b)).to_bytes());
        let signature: Signature = Signature::from_bytes(&sum).unwrap();
        let terms: [(&[u8], &PublicKey); 2] =
            [(b"message", &public(&a)), (b"message", &public(&b))];
        assert!(verify_aggregate(&signature, tag::COLLECTOR_VOTE, &terms));
    }

    #[bounded::test]
    fn a_network_key_is_a_point_of_its_curve() {
        let is_point =
            |key: &[u8]| p256::PublicKey::from_sec1_bytes(&[&[4][..], key].concat()).is_ok();
        let key = network_key(&Identifier([1; 32]));
        assert!(is_point(&key));
        assert_ne!(key, network_key(&Identifier([2; 32])));
        let mut other = key;
        other[NETWORK_KEY_LEN - 1] ^= 1;
        assert!(!is_point(&other));
    }

    #[bounded::test]
    fn beacon_shares_reconstruct_the_group_key() {
        let (group, shares) = beacon_shares(&Identifier([9; 32]), 3);
        assert_eq!(group, beacon_shares(&Identifier([9; 32]), 1).0);
        // Degree 1: the secret at 0 is twice the share at 1 less the share at 2.
        assert_eq!(group.0, shares[0].0 + shares[0].0 - shares[1].0);
        assert_eq!(group.0, shares[1].0.mul3() - shares[2].0 - shares[2].0);
    }
}
