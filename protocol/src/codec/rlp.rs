//! Recursive Length Prefix, Ethereum's encoding, which Flow hashes for identifiers.

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

/// Reads RLP items one after the other.
///
/// Accepts only what [`Encoder`] writes: shortest lengths and integers, no byte below 128 in a
/// string of its own.
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// Reads from `input`, which may hold several items.
    #[must_use]
    pub fn new(input: &'a [u8]) -> Self {
        Self { rest: input }
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Ends decoding.
    ///
    /// # Errors
    /// When input is left.
    pub fn finish(self) -> Result<(), RlpError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(RlpError::TrailingBytes { found: self.rest.len() })
        }
    }

    /// Reads a byte string.
    ///
    /// # Errors
    /// When the next item is none, or not in its shortest form.
    pub fn bytes(&mut self) -> Result<&'a [u8], RlpError> {
        match self.item()? {
            Item { list: false, content, .. } => Ok(content),
            Item { list: true, .. } => Err(RlpError::ExpectedBytes),
        }
    }

    /// Reads a byte string of exactly `N` bytes.
    ///
    /// # Errors
    /// As [`Self::bytes`], or when the length differs.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], RlpError> {
        let bytes = self.bytes()?;
        bytes.try_into().map_err(|_| RlpError::Length { expected: N, found: bytes.len() })
    }

    /// Reads an unsigned integer.
    ///
    /// # Errors
    /// As [`Self::bytes`], on a leading zero, or above 64 bits.
    pub fn uint(&mut self) -> Result<u64, RlpError> {
        let bytes = self.bytes()?;
        if bytes.first() == Some(&0) {
            return Err(RlpError::LeadingZero);
        }
        if bytes.len() > 8 {
            return Err(RlpError::Overflow);
        }
        Ok(bytes.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte)))
    }

    /// Reads a boolean.
    ///
    /// # Errors
    /// As [`Self::uint`], or when the value is neither 0 nor 1.
    pub fn boolean(&mut self) -> Result<bool, RlpError> {
        match self.uint()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(RlpError::Boolean),
        }
    }

    /// Reads UTF-8 text.
    ///
    /// # Errors
    /// As [`Self::bytes`], or when the bytes are not UTF-8.
    pub fn text(&mut self) -> Result<&'a str, RlpError> {
        core::str::from_utf8(self.bytes()?).map_err(|_| RlpError::NotUtf8)
    }

    /// Reads a list, whose items `content` must read to the end.
    ///
    /// # Errors
    /// When the next item is no list, when `content` fails, or when it leaves items unread.
    pub fn list<T>(
        &mut self,
        content: impl FnOnce(&mut Decoder<'a>) -> Result<T, RlpError>,
    ) -> Result<T, RlpError> {
        let mut inner = self.list_items()?;
        let value = content(&mut inner)?;
        inner.finish()?;
        Ok(value)
    }

    /// Reads a list of like items.
    ///
    /// # Errors
    /// When the next item is no list, or `item` fails.
    pub fn list_of<T>(
        &mut self,
        mut item: impl FnMut(&mut Decoder<'a>) -> Result<T, RlpError>,
    ) -> Result<Vec<T>, RlpError> {
        let mut inner = self.list_items()?;
        let mut items = Vec::new();
        while !inner.is_empty() {
            items.push(item(&mut inner)?);
        }
        Ok(items)
    }

    /// Whether the next item is the empty list, which stands for an absent struct.
    #[must_use]
    pub fn next_is_empty_list(&self) -> bool {
        self.rest.first() == Some(&SHORT_LIST)
    }

    /// Whether the next item is a list.
    #[must_use]
    pub fn next_is_list(&self) -> bool {
        self.rest.first().is_some_and(|first| *first >= SHORT_LIST)
    }

    /// What is left to read, undecoded.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads one item of any kind, undecoded.
    ///
    /// # Errors
    /// When the item's own header is malformed or its content is cut short.
    pub fn raw(&mut self) -> Result<&'a [u8], RlpError> {
        Ok(self.item()?.encoded)
    }

    fn list_items(&mut self) -> Result<Decoder<'a>, RlpError> {
        match self.item()? {
            Item { list: true, content, .. } => Ok(Decoder::new(content)),
            Item { list: false, .. } => Err(RlpError::ExpectedList),
        }
    }

    fn item(&mut self) -> Result<Item<'a>, RlpError> {
        let whole = self.rest;
        let (&first, after) = whole.split_first().ok_or(RlpError::EndOfInput)?;
        let list = first >= SHORT_LIST;
        let (header_len, content_len) = match first {
            0x00..=0x7f => (0, 1),
            SHORT_STRING..=0xb7 => (1, usize::from(first - SHORT_STRING)),
            0xb8..=0xbf => long_length(after, usize::from(first - 0xb7))?,
            SHORT_LIST..=0xf7 => (1, usize::from(first - SHORT_LIST)),
            0xf8..=0xff => long_length(after, usize::from(first - 0xf7))?,
        };
        let end = header_len.checked_add(content_len).ok_or(RlpError::EndOfInput)?;
        let encoded = whole.get(..end).ok_or(RlpError::EndOfInput)?;
        let content = &encoded[header_len..];
        if first == SHORT_STRING + 1 && content[0] < 0x80 {
            return Err(RlpError::NotShortest);
        }
        self.rest = &whole[end..];
        Ok(Item { list, content, encoded })
    }
}

/// One item: its content, and the whole with its header.
struct Item<'a> {
    list: bool,
    content: &'a [u8],
    encoded: &'a [u8],
}

/// Header and content length of an item whose length takes `len_len` bytes.
fn long_length(after: &[u8], len_len: usize) -> Result<(usize, usize), RlpError> {
    let bytes = after.get(..len_len).ok_or(RlpError::EndOfInput)?;
    if bytes.first() == Some(&0) || bytes.len() > 4 {
        return Err(RlpError::NotShortest);
    }
    let len = bytes.iter().fold(0usize, |len, byte| (len << 8) | usize::from(*byte));
    if len <= SHORT_LEN_MAX {
        return Err(RlpError::NotShortest);
    }
    Ok((1 + len_len, len))
}

fn low_byte(len: usize) -> u8 {
    u8::try_from(len).expect("callers pass at most 55")
}

/// Why bytes are not the RLP of what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RlpError {
    /// An item is cut short.
    #[error("rlp item is cut short")]
    EndOfInput,
    /// Bytes follow the last item.
    #[error("{found} bytes follow the last rlp item")]
    TrailingBytes {
        /// Bytes left.
        found: usize,
    },
    /// A list where bytes were expected.
    #[error("expected rlp bytes, found a list")]
    ExpectedBytes,
    /// Bytes where a list was expected.
    #[error("expected an rlp list, found bytes")]
    ExpectedList,
    /// A length or byte not in its shortest form.
    #[error("rlp item is not in its shortest form, or longer than 4 GiB")]
    NotShortest,
    /// An integer with a leading zero.
    #[error("rlp integer has a leading zero")]
    LeadingZero,
    /// An integer above its range.
    #[error("rlp integer is out of range")]
    Overflow,
    /// A boolean that is neither 0 nor 1.
    #[error("rlp boolean is neither 0 nor 1")]
    Boolean,
    /// Text that is not UTF-8.
    #[error("rlp text is not utf-8")]
    NotUtf8,
    /// A byte string of the wrong length.
    #[error("expected {expected} rlp bytes, found {found}")]
    Length {
        /// Bytes expected.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// A value outside what its field allows.
    #[error("invalid {field}")]
    Invalid {
        /// The field.
        field: &'static str,
    },
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
}
