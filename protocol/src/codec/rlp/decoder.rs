//! Reading RLP.

use super::{RlpError, SHORT_LEN_MAX, SHORT_LIST, SHORT_STRING};
use alloc::vec::Vec;

/// Reads RLP items one after the other.
///
/// Accepts only what [`Encoder`](super::Encoder) writes: shortest lengths and integers, no byte
/// below 128 in a string of its own.
///
/// The items of lists are counted before they are decoded, and all lists together may take
/// [`MEMORY_PER_BYTE`] bytes of memory for each byte of input, and [`MEMORY_SMALL`] besides. Byte
/// strings that are copied out take as many bytes as the input at most, so that a value takes at
/// most three times its input.
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    rest: &'a [u8],
    /// Bytes of memory that lists may still take.
    room: usize,
}

impl<'a> Decoder<'a> {
    /// Reads from `input`, which may hold several items.
    #[must_use]
    pub fn new(input: &'a [u8]) -> Self {
        let room = input.len().saturating_mul(MEMORY_PER_BYTE).saturating_add(MEMORY_SMALL);
        Self { rest: input, room }
    }

    /// Reads from what this program wrote itself, such as its store: lists take what they need.
    #[must_use]
    pub fn own(input: &'a [u8]) -> Self {
        Self { rest: input, room: usize::MAX }
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
        self.room = inner.room;
        inner.finish()?;
        Ok(value)
    }

    /// Reads a list of like items, which are counted before the first is decoded.
    ///
    /// # Errors
    /// When the next item is no list, when the items would take more memory than is left, or when
    /// `item` fails.
    pub fn list_of<T>(
        &mut self,
        item: impl FnMut(&mut Decoder<'a>) -> Result<T, RlpError>,
    ) -> Result<Vec<T>, RlpError> {
        self.list(|inner| inner.all(inner.count(), item))
    }

    /// As [`Self::list_of`], with a limit on the number of items.
    ///
    /// # Errors
    /// As [`Self::list_of`], and [`RlpError::Invalid`] with `field` when there are more than `max`.
    pub fn list_of_at_most<T>(
        &mut self,
        max: usize,
        field: &'static str,
        item: impl FnMut(&mut Decoder<'a>) -> Result<T, RlpError>,
    ) -> Result<Vec<T>, RlpError> {
        self.list(|inner| match inner.count() {
            count if count > max => Err(RlpError::Invalid { field }),
            count => inner.all(count, item),
        })
    }

    /// Items left, up to and with the first that is malformed. Reads headers only.
    #[must_use]
    pub fn count(&self) -> usize {
        let mut ahead = self.clone();
        let mut count = 0;
        while !ahead.is_empty() {
            count += 1;
            if ahead.raw().is_err() {
                break;
            }
        }
        count
    }

    /// A list with room for `count` items, which is taken from the memory that is left.
    ///
    /// # Errors
    /// When so much is not left.
    pub fn room_for<T>(&mut self, count: usize) -> Result<Vec<T>, RlpError> {
        self.take_room(count.saturating_mul(size_of::<T>()))?;
        Ok(Vec::with_capacity(count))
    }

    /// Takes `bytes` from the memory that is left, for what is about to be decoded.
    ///
    /// # Errors
    /// When so much is not left.
    pub fn take_room(&mut self, bytes: usize) -> Result<(), RlpError> {
        let left = self.room.checked_sub(bytes);
        self.room = left.ok_or(RlpError::Memory { needed: bytes, left: self.room })?;
        Ok(())
    }

    /// Reads all items left, which are `count` when none is malformed.
    fn all<T>(
        &mut self,
        count: usize,
        mut item: impl FnMut(&mut Decoder<'a>) -> Result<T, RlpError>,
    ) -> Result<Vec<T>, RlpError> {
        let mut items = self.room_for(count)?;
        while !self.is_empty() {
            items.push(item(self)?);
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
            Item { list: true, content, .. } => Ok(Decoder { rest: content, room: self.room }),
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

/// Most bytes of memory that lists take for each byte of input. Flow's own objects take at most one
/// and a half: a header of 174 bytes and more takes 264.
pub const MEMORY_PER_BYTE: usize = 2;
/// Bytes of memory that the lists of any input may take besides: 1 MiB. A seal without approvals,
/// which consensus nodes make in an emergency, has three bytes a chunk, and takes 56.
pub const MEMORY_SMALL: usize = 1 << 20;
