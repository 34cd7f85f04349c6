//! Lists of byte strings that nobody looks into.

use crate::codec::rlp::{Decoder, Encoder, RlpError};
use alloc::vec::Vec;

/// Byte strings, kept as their RLP one after the other.
///
/// How many proofs of knowledge a receipt has, and how long they are, no consensus node checks. So
/// there may be millions of empty ones, which take a byte each here and 24 as lists of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByteStrings {
    rlp: Vec<u8>,
    len: usize,
}

impl ByteStrings {
    /// Appends a byte string.
    pub fn push(&mut self, bytes: &[u8]) {
        let needed = bytes.len() + HEADER_LEN_MAX;
        if self.rlp.capacity() - self.rlp.len() < needed {
            // By half, where a list doubles: it is the memory that counts.
            self.rlp.reserve_exact(needed.max(self.rlp.len() / 2));
        }
        let mut encoder = Encoder::after(core::mem::take(&mut self.rlp));
        encoder.bytes(bytes);
        self.rlp = encoder.finish();
        self.len += 1;
    }

    /// Number of byte strings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The byte strings, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut decoder = Decoder::own(&self.rlp);
        core::iter::from_fn(move || decoder.bytes().ok())
    }

    /// Removes all byte strings.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Appends an RLP list of the byte strings.
    pub fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| e.raw(&self.rlp));
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// When the next item is no list of byte strings.
    pub fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| {
            let (rlp, mut len) = (d.rest(), 0);
            while !d.is_empty() {
                d.bytes()?;
                len += 1;
            }
            Ok(Self { rlp: rlp.to_vec(), len })
        })
    }
}

impl<T: AsRef<[u8]>> FromIterator<T> for ByteStrings {
    fn from_iter<I: IntoIterator<Item = T>>(strings: I) -> Self {
        let mut all = Self::default();
        strings.into_iter().for_each(|bytes| all.push(bytes.as_ref()));
        all
    }
}

/// Most bytes of the RLP header of a byte string.
const HEADER_LEN_MAX: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[bounded::test]
    fn keeps_what_it_is_given() {
        let strings = [vec![], vec![0x7f], vec![0x80], vec![7; 55], vec![8; 300]];
        let kept: ByteStrings = strings.iter().collect();
        assert_eq!(kept.len(), strings.len());
        assert!(kept.iter().eq(strings.iter().map(Vec::as_slice)));
        let mut encoder = Encoder::new();
        kept.encode(&mut encoder);
        let mut listed = Encoder::new();
        listed.list_of(&strings, |e, string| e.bytes(string));
        let bytes = encoder.finish();
        assert_eq!(bytes, listed.finish());
        assert_eq!(ByteStrings::decode(&mut Decoder::new(&bytes)), Ok(kept));
        assert!(ByteStrings::decode(&mut Decoder::new(&[0xc1, 0xc0])).is_err());
    }
}
