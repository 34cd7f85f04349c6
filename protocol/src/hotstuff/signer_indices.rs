//! Signer indices: which committee members signed.
//!
//! Four bytes of checksum over the committee, then a bit vector, most significant bit first, padded
//! with zeros to whole bytes (flow-go `module/signature/signer_indices.go`, `checksum.go`).

use crate::model::Identifier;
use alloc::vec::Vec;

/// Members that signed, by their position in the committee.
///
/// # Errors
/// When the checksum is of another committee, the length differs, or a padding bit is set.
pub fn decode(
    indices: &[u8],
    committee_checksum: [u8; CHECKSUM_LEN],
    committee_len: usize,
) -> Result<Vec<bool>, SignerIndicesError> {
    let expected = CHECKSUM_LEN + committee_len.div_ceil(8);
    if indices.len() != expected {
        return Err(SignerIndicesError::Length { expected, found: indices.len() });
    }
    let (checksum, bits) = indices.split_at(CHECKSUM_LEN);
    if checksum != committee_checksum {
        return Err(SignerIndicesError::Checksum {
            expected: u32::from_be_bytes(committee_checksum),
            found: checksum.iter().fold(0, |sum, byte| (sum << 8) | u32::from(*byte)),
        });
    }
    if !is_bit_vector(bits, committee_len) {
        return Err(SignerIndicesError::Padding);
    }
    Ok((0..committee_len).map(|position| bit(bits, position)).collect())
}

/// Whether `bytes` are just long enough for this many bits, and padded with zeros
/// (flow-go `validPadding`).
pub(super) fn is_bit_vector(bytes: &[u8], bits: usize) -> bool {
    bytes.len() == bits.div_ceil(8) && !(bits..bytes.len() * 8).any(|position| bit(bytes, position))
}

fn bit(bytes: &[u8], position: usize) -> bool {
    bytes[position / 8] & (0x80 >> (position % 8)) != 0
}

/// CRC32 (IEEE) of the members' IDs in canonical order, big-endian.
#[must_use]
pub fn checksum(members: &[Identifier]) -> [u8; CHECKSUM_LEN] {
    let mut crc = u32::MAX;
    for byte in members.iter().flat_map(|member| member.0) {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            let mask = (crc & 1).wrapping_neg();
            crc = (crc >> 1) ^ (POLYNOMIAL & mask);
        }
    }
    (!crc).to_be_bytes()
}

/// Why signer indices are not those of a committee.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignerIndicesError {
    /// The checksum of another committee.
    #[error(
        "signer indices are of another committee: expected checksum {expected:08x}, found {found:08x}"
    )]
    Checksum {
        /// The committee's checksum.
        expected: u32,
        /// Checksum found.
        found: u32,
    },
    /// The wrong length.
    #[error("signer indices: expected {expected} bytes, found {found}")]
    Length {
        /// Bytes expected.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// A padding bit that is set.
    #[error("signer indices have a padding bit set")]
    Padding,
}

/// Length of the checksum in bytes.
pub const CHECKSUM_LEN: usize = 4;

/// The IEEE polynomial, reflected.
const POLYNOMIAL: u32 = 0xedb8_8320;

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKSUM: [u8; 4] = [1, 2, 3, 4];

    #[bounded::test]
    fn reads_bits_from_the_most_significant() {
        let signed = decode(&[1, 2, 3, 4, 0b1010_0000], CHECKSUM, 5).unwrap();
        assert_eq!(signed, [true, false, true, false, false]);
    }

    #[bounded::test]
    fn rejects_every_other_form() {
        let reject = |bytes: &[u8]| decode(bytes, CHECKSUM, 5).unwrap_err();
        assert_eq!(reject(&[1, 2, 3, 4, 0b1010_0001]), SignerIndicesError::Padding);
        assert_eq!(reject(&[1, 2, 3, 4]), SignerIndicesError::Length { expected: 5, found: 4 });
        assert_eq!(
            reject(&[1, 2, 3, 4, 0, 0]),
            SignerIndicesError::Length { expected: 5, found: 6 }
        );
        assert_eq!(
            reject(&[1, 2, 3, 5, 0]),
            SignerIndicesError::Checksum { expected: 0x0102_0304, found: 0x0102_0305 }
        );
    }
}
