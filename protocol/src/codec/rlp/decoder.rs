//! Reading RLP.

use super::{RlpError, SHORT_LEN_MAX, SHORT_LIST, SHORT_STRING};
use alloc::vec::Vec;

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
