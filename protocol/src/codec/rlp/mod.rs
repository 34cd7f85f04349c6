//! Recursive Length Prefix, Ethereum's encoding, which Flow hashes for identifiers.

mod decoder;
mod error;

pub use decoder::{Decoder, MEMORY_PER_BYTE, MEMORY_SMALL};
pub use error::RlpError;

use alloc::vec::Vec;

/// Writes RLP items one after the other.
#[derive(Debug, Default)]
pub struct Encoder {
    out: Vec<u8>,
}

impl Encoder {
    /// An empty encoder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An encoder that goes on after `out`.
    #[must_use]
    pub fn after(out: Vec<u8>) -> Self {
        Self { out }
    }

    /// Appends a byte string.
    pub fn bytes(&mut self, bytes: &[u8]) {
        match bytes {
            [byte] if *byte < 0x80 => self.out.push(*byte),
            _ => {
                self.prefix(SHORT_STRING, bytes.len());
                self.out.extend_from_slice(bytes);
            }
        }
    }

    /// Appends an unsigned integer, big-endian without leading zeros.
    pub fn uint(&mut self, value: u64) {
        let bytes = value.to_be_bytes();
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        self.bytes(&bytes[zeros..]);
    }

    /// Appends a boolean as 0 or 1.
    pub fn boolean(&mut self, value: bool) {
        self.uint(u64::from(value));
    }

    /// Appends a list of whatever `content` writes.
    pub fn list(&mut self, content: impl FnOnce(&mut Self)) {
        let start = self.out.len();
        content(self);
        let len = self.out.len() - start;
        self.prefix(SHORT_LIST, len);
        let prefix_len = self.out.len() - start - len;
        self.out[start..].rotate_right(prefix_len);
    }

    /// Appends a list with one item per element.
    pub fn list_of<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        self.list(|list| items.iter().for_each(|element| item(list, element)));
    }

    /// Appends an item that is already encoded.
    pub fn raw(&mut self, item: &[u8]) {
        self.out.extend_from_slice(item);
    }

    /// The bytes written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    fn prefix(&mut self, base: u8, len: usize) {
        if len <= SHORT_LEN_MAX {
            self.out.push(base + low_byte(len));
        } else {
            let bytes = len.to_be_bytes();
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            let significant = &bytes[zeros..];
            self.out.push(base + LONG_OFFSET + low_byte(significant.len()));
            self.out.extend_from_slice(significant);
        }
    }
}

fn low_byte(len: usize) -> u8 {
    u8::try_from(len).expect("callers pass at most 55")
}

const SHORT_STRING: u8 = 0x80;
const SHORT_LIST: u8 = 0xc0;
const SHORT_LEN_MAX: usize = 55;
/// From a short item's base to a long item's, less the one that the length's length adds.
const LONG_OFFSET: u8 = 55;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[bounded::test]
    fn encodes_known_values() {
        let check = |write: &dyn Fn(&mut Encoder), expected: &[u8]| {
            let mut encoder = Encoder::new();
            write(&mut encoder);
            assert_eq!(encoder.finish(), expected);
        };
        check(&|e| e.uint(0), &[0x80]);
        check(&|e| e.uint(127), &[0x7f]);
        check(&|e| e.uint(128), &[0x81, 0x80]);
        check(&|e| e.uint(0x0400), &[0x82, 0x04, 0x00]);
        check(&|e| e.bytes(b"dog"), b"\x83dog");
        check(&|e| e.list(|_| ()), &[0xc0]);
        check(&|e| e.list(|l| l.bytes(&[1; 56])), &[&[0xf8, 58, 0xb8, 56][..], &[1; 56]].concat());
    }

    #[bounded::test]
    fn decodes_what_it_encodes() {
        let mut encoder = Encoder::new();
        encoder.list(|list| {
            list.uint(u64::MAX);
            list.bytes(&[7; 300]);
            list.list_of(&[1u64, 2, 300], |item, value| item.uint(*value));
        });
        let bytes = encoder.finish();
        let mut decoder = Decoder::new(&bytes);
        let value = decoder
            .list(|list| Ok((list.uint()?, list.bytes()?.to_vec(), list.list_of(Decoder::uint)?)))
            .unwrap();
        assert_eq!(value, (u64::MAX, vec![7; 300], vec![1, 2, 300]));
        decoder.finish().unwrap();
    }

    #[bounded::test]
    fn rejects_second_encodings() {
        let uint = |bytes: &[u8]| Decoder::new(bytes).uint();
        assert_eq!(uint(&[0x81, 0x7f]), Err(RlpError::NotShortest));
        assert_eq!(uint(&[0x00]), Err(RlpError::LeadingZero));
        assert_eq!(uint(&[0x82, 0x00, 0x80]), Err(RlpError::LeadingZero));
        assert_eq!(uint(&[0xb8, 0x01, 0x80]), Err(RlpError::NotShortest));
        assert_eq!(uint(&[0x89, 1, 2, 3, 4, 5, 6, 7, 8, 9]), Err(RlpError::Overflow));
        assert_eq!(uint(&[0x82, 0x80]), Err(RlpError::EndOfInput));
        assert_eq!(uint(&[0xc0]), Err(RlpError::ExpectedBytes));
        assert_eq!(Decoder::new(&[0xc1]).list(|_| Ok(())), Err(RlpError::EndOfInput));
        let trailing = Decoder::new(&[0xc1, 0x01]).list(|_| Ok(()));
        assert_eq!(trailing, Err(RlpError::TrailingBytes { found: 1 }));
    }

    #[bounded::test]
    fn believes_no_length_before_the_bytes() {
        let huge = [0xbb, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(Decoder::new(&huge).bytes(), Err(RlpError::EndOfInput));
    }

    #[bounded::test]
    fn counts_items_before_it_decodes_them() {
        let ids = [&[0xf9, 0x10, 0x00][..], &[0xc0; 4096]].concat();
        let none = |decoder: &mut Decoder<'_>| decoder.list(|_| Ok([0u8; 1024]));
        let error = Decoder::new(&ids).list_of(none).unwrap_err();
        let left = MEMORY_SMALL + MEMORY_PER_BYTE * ids.len();
        assert_eq!(error, RlpError::Memory { needed: 4096 * 1024, left });
        assert_eq!(Decoder::own(&ids).list_of(none).unwrap().len(), 4096);
        let some = |decoder: &mut Decoder<'_>| decoder.list(|_| Ok(()));
        assert!(Decoder::new(&ids).list_of_at_most(4096, "count", some).is_ok());
        let error = Decoder::new(&ids).list_of_at_most(4095, "count", some).unwrap_err();
        assert_eq!(error, RlpError::Invalid { field: "count" });
    }

    #[bounded::test]
    fn all_lists_share_the_memory() {
        let lists = [&[0xc4][..], &[0xc1, 0x01, 0xc1, 0x01]].concat();
        let half = |decoder: &mut Decoder<'_>| {
            decoder.take_room(MEMORY_SMALL / 2 - 8)?;
            decoder.list(|d| d.uint())
        };
        assert_eq!(Decoder::new(&lists).list_of(half), Ok(vec![1, 1]));
        let more = |decoder: &mut Decoder<'_>| {
            decoder.take_room(MEMORY_SMALL / 2 + 20)?;
            decoder.list(|d| d.uint())
        };
        assert!(matches!(Decoder::new(&lists).list_of(more), Err(RlpError::Memory { .. })));
    }
}
