//! BLS signatures on BLS12-381, as Flow uses them.
//!
//! Signatures are points of G1 (48 bytes compressed), public keys points of G2 (96 bytes). Messages
//! are hashed to G1 by KMAC128 under a domain tag (flow-go `onflow/crypto/bls.go`). Two backends do
//! the arithmetic behind one interface: [`Native`] (blst) and [`Portable`] (pure Rust).

mod batch;
mod kmac;
#[cfg(feature = "native")]
mod native;
mod portable;
pub mod tag;

pub use batch::{Claim, KeyName, verify_batch};
pub use kmac::expand_message;
#[cfg(feature = "native")]
pub use native::Native;
pub use portable::Portable;

use crate::model::BlsPublicKey;
use alloc::vec::Vec;
use core::fmt;

/// The backend used where none is named.
#[cfg(feature = "native")]
pub type DefaultBackend = Native;
/// The backend used where none is named.
#[cfg(not(feature = "native"))]
pub type DefaultBackend = Portable;

/// Length of a signature, in bytes.
pub const SIGNATURE_LEN: usize = 48;

/// Arithmetic on the curve.
pub trait Backend: Clone + Copy + fmt::Debug {
    /// A point of G1.
    type G1: Clone + fmt::Debug;
    /// A point of G2.
    type G2: Clone + fmt::Debug;

    /// Reads a point of G1 in the usual compressed form; `None` when it is not on the curve or
    /// outside the subgroup.
    fn g1_from_compressed(bytes: &[u8; 48]) -> Option<Self::G1>;

    /// As [`Self::g1_from_compressed`], for G2.
    fn g2_from_compressed(bytes: &[u8; 96]) -> Option<Self::G2>;

    /// Whether a point of G2 is the identity.
    fn g2_is_identity(point: &Self::G2) -> bool;

    /// Hashes a message to G1, see [`expand_message`].
    fn hash_to_g1(tag: &str, message: &[u8]) -> Self::G1;

    /// The sum of points of G1, each multiplied by a factor.
    fn g1_sum_of_products(points: &[(Self::G1, u128)]) -> Self::G1;

    /// The sum of `plus` less the sum of `minus`.
    fn g2_sum(plus: &[&Self::G2], minus: &[&Self::G2]) -> Self::G2;

    /// Whether e(signature, generator of G2) equals the product of e(hash, key).
    fn pairing_holds(signature: &Self::G1, terms: &[(Self::G1, Self::G2)]) -> bool;
}

/// A public key: a point of G2's subgroup, or a sum of such.
///
/// The identity is a key, as in onflow/crypto, under which no signature is valid.
#[derive(Clone, Debug)]
pub struct PublicKey<B: Backend = DefaultBackend> {
    point: B::G2,
}

/// A signature: a point of G1's subgroup.
#[derive(Clone, Debug)]
pub struct Signature<B: Backend = DefaultBackend> {
    point: B::G1,
    bytes: [u8; SIGNATURE_LEN],
}

impl<B: Backend> PublicKey<B> {
    /// Reads a key in Flow's compressed form: the usual one with the two halves of x swapped, real
    /// part first; flags stay in the first byte.
    ///
    /// # Errors
    /// When the bytes are no point of the subgroup.
    pub fn from_bytes(bytes: &BlsPublicKey) -> Result<Self, BlsError> {
        let (real, imaginary) = bytes.split_at(48);
        // The identity has one form; a backend may not look at the bytes behind its flag.
        let is_other_identity = real[0] & INFINITY != 0
            && (real[0] != FLAGS & !SIGN || bytes[1..].iter().any(|byte| *byte != 0));
        if imaginary[0] & FLAGS != 0 || is_other_identity {
            return Err(BlsError::PublicKey);
        }
        let mut usual = [0; 96];
        usual[..48].copy_from_slice(imaginary);
        usual[48..].copy_from_slice(real);
        usual[0] |= real[0] & FLAGS;
        usual[48] &= !FLAGS;
        B::g2_from_compressed(&usual).map(|point| Self { point }).ok_or(BlsError::PublicKey)
    }

    /// Whether this is the identity.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        B::g2_is_identity(&self.point)
    }

    /// The sum of `plus` less the sum of `minus`.
    #[must_use]
    pub fn sum(plus: &[&Self], minus: &[&Self]) -> Self {
        let points = |keys: &[&Self]| keys.iter().map(|key| key.point.clone()).collect::<Vec<_>>();
        let (plus, minus) = (points(plus), points(minus));
        let point = B::g2_sum(&plus.iter().collect::<Vec<_>>(), &minus.iter().collect::<Vec<_>>());
        Self { point }
    }
}

impl<B: Backend> Signature<B> {
    /// Reads a signature in the usual compressed form.
    ///
    /// # Errors
    /// When the length is not 48, or the bytes are no point of the subgroup or the identity, which
    /// no key signs with.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BlsError> {
        let length = BlsError::SignatureLength { found: bytes.len() };
        let bytes: [u8; SIGNATURE_LEN] = bytes.try_into().map_err(|_| length)?;
        if bytes[0] & INFINITY != 0 {
            return Err(BlsError::Signature);
        }
        let point = B::g1_from_compressed(&bytes).ok_or(BlsError::Signature)?;
        Ok(Self { point, bytes })
    }
}

/// Whether `signature` is that of `key` over `message`.
#[must_use]
pub fn verify<B: Backend>(
    key: &PublicKey<B>,
    signature: &Signature<B>,
    tag: &str,
    message: &[u8],
) -> bool {
    !key.is_identity() && verify_aggregate(signature, tag, &[(message, key)])
}

/// Whether `signature` is the aggregate of each key's over its message.
///
/// The caller sums the keys of equal messages; keys must come with proofs of possession, as Flow's
/// staking keys do.
#[must_use]
pub fn verify_aggregate<B: Backend>(
    signature: &Signature<B>,
    tag: &str,
    messages: &[(&[u8], &PublicKey<B>)],
) -> bool {
    let terms: Vec<_> = messages
        .iter()
        .map(|(message, key)| (B::hash_to_g1(tag, message), key.point.clone()))
        .collect();
    B::pairing_holds(&signature.point, &terms)
}

/// Why bytes are not a key or signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlsError {
    /// No public key.
    #[error("public key is not a point of the subgroup")]
    PublicKey,
    /// A signature of the wrong length.
    #[error("a signature has {SIGNATURE_LEN} bytes, found {found}")]
    SignatureLength {
        /// Bytes found.
        found: usize,
    },
    /// No signature.
    #[error("signature is not a point of the subgroup, or is the identity")]
    Signature,
}

/// The flag of the identity.
const INFINITY: u8 = 0b0100_0000;
/// The flag of the greater of two points with one x.
const SIGN: u8 = 0b0010_0000;
/// Compression, infinity and sign, in the first byte of a compressed point.
const FLAGS: u8 = 0b1110_0000;
