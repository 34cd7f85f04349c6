//! The expansion step of hashing to the curve: KMAC128 (NIST SP 800-185).

use alloc::vec::Vec;
use tiny_keccak::{Hasher as _, Kmac};

/// Expands a message to two 64-byte big-endian numbers, each to be reduced to a field element.
///
/// The key is the domain tag followed by Flow's cipher suite, the customizer `H2C`.
#[must_use]
pub fn expand_message(tag: &str, message: &[u8]) -> [u8; 128] {
    let key: Vec<u8> = [tag.as_bytes(), CIPHER_SUITE].concat();
    let mut kmac = Kmac::v128(&key, CUSTOMIZER);
    kmac.update(message);
    let mut output = [0; 128];
    kmac.finalize(&mut output);
    output
}

const CIPHER_SUITE: &[u8] = b"BLS_SIG_BLS12381G1_XOF:KMAC128_SSWU_RO_POP_";
const CUSTOMIZER: &[u8] = b"H2C";
