//! Bits of keys: single bits, common prefixes, and left-aligned stretches.

/// A stretch of a key: `len` bits, left-aligned, padded with zero bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    bytes: [u8; PATH_BYTES_MAX],
    len: u16,
}

impl Path {
    /// The bits of `key` from `from` on, `len` of them.
    ///
    /// `from + len` is at most the key's number of bits; callers have checked.
    pub(crate) fn of_key(key: &[u8], from: u16, len: u16) -> Self {
        let mut bytes = [0; PATH_BYTES_MAX];
        let (skip, shift) = (usize::from(from / 8), from % 8);
        for (at, out) in bytes.iter_mut().take(byte_count(len)).enumerate() {
            let high = key.get(skip + at).copied().unwrap_or(0);
            let low = key.get(skip + at + 1).copied().unwrap_or(0);
            *out = (u16::from_be_bytes([high, low]) << shift).to_be_bytes()[0];
        }
        if !len.is_multiple_of(8) {
            bytes[byte_count(len) - 1] &= 0xff << (8 - len % 8);
        }
        Self { bytes, len }
    }

    /// The path written as `bytes`, if they have the right number and the padding is zero.
    pub(crate) fn from_bytes(bytes: &[u8], len: u16) -> Option<Self> {
        if bytes.len() > PATH_BYTES_MAX || bytes.len() != byte_count(len) {
            return None;
        }
        let mut key = [0; PATH_BYTES_MAX];
        key[..bytes.len()].copy_from_slice(bytes);
        let path = Self::of_key(&key, 0, len);
        (path.bytes == key).then_some(path)
    }

    /// Number of bits.
    pub(crate) fn len(&self) -> u16 {
        self.len
    }

    /// The bits, left-aligned, in as few bytes as hold them.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..byte_count(self.len)]
    }
}

/// Whether bit `index` of `key` is set, counted from the most significant.
pub(crate) fn bit(key: &[u8], index: u16) -> bool {
    key[usize::from(index / 8)] & (0x80 >> (index % 8)) != 0
}

/// Number of leading bits in which the keys, of equal length, agree.
pub(crate) fn common_prefix(a: &[u8], b: &[u8]) -> u16 {
    let mut bits = 0;
    for (x, y) in a.iter().zip(b) {
        let differing = x ^ y;
        if differing != 0 {
            return bits + u16::from(differing.leading_zeros().to_be_bytes()[3]);
        }
        bits += 8;
    }
    bits
}

/// Bytes that hold so many bits.
pub(crate) fn byte_count(bits: u16) -> usize {
    usize::from(bits.div_ceil(8))
}

/// Bytes of the longest keys: those of the snapshot tree by role, a role before a node ID.
const PATH_BYTES_MAX: usize = 33;

#[cfg(test)]
mod tests {
    use super::*;

    #[bounded::test]
    fn takes_a_stretch_left_aligned_and_padded() {
        let mut key = [0; 32];
        key[..3].copy_from_slice(&[0b1010_1100, 0b1111_0000, 0b1000_0001]);
        let check = |from, len, expected: &[u8]| {
            assert_eq!(Path::of_key(&key, from, len).as_bytes(), expected);
        };
        check(0, 3, &[0b1010_0000]);
        check(2, 6, &[0b1011_0000]);
        check(4, 13, &[0b1100_1111, 0b0000_1000]);
        check(16, 8, &[0b1000_0001]);
        check(5, 0, &[]);
    }

    #[bounded::test]
    fn rejects_padding_and_wrong_lengths() {
        assert!(Path::from_bytes(&[0b1010_0000], 3).is_some());
        assert!(Path::from_bytes(&[0b1011_0000], 3).is_none());
        assert!(Path::from_bytes(&[0b1010_0000, 0], 3).is_none());
        assert!(Path::from_bytes(&[], 3).is_none());
        assert!(Path::from_bytes(&[0; 32], 257).is_none());
        assert!(Path::from_bytes(&[0; 34], 265).is_none());
    }

    #[bounded::test]
    fn counts_common_bits() {
        let mut other = [0; 32];
        assert_eq!(common_prefix(&[0; 32], &other), 256);
        other[31] = 1;
        assert_eq!(common_prefix(&[0; 32], &other), 255);
        other[0] = 0x40;
        assert_eq!(common_prefix(&[0; 32], &other), 1);
        assert!(bit(&other, 1) && bit(&other, 255) && !bit(&other, 0));
    }
}
