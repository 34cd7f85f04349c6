//! Counting what is in a message, in the way in which `prost` decodes it.

use super::shape::{Field, LISTS_MAX, Shape, Shapes};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// Most bytes of memory that decoding a message takes at once, beside its bytes.
///
/// Of malformed bytes, what is decoded before the first error.
pub(super) fn memory_of(name: &str, bytes: &[u8]) -> usize {
    let shapes = Shapes::all();
    let Some(shape) = shapes.named(name) else { return 0 };
    let mut count = Count { shapes, rest: bytes, kept: 0, moved_max: 0 };
    // The error is for the decoder to find again, and to tell.
    let _ = count.message(shape, 0);
    count.kept.saturating_add(count.moved_max)
}

/// A place in a message, and what is known of it so far.
struct Count<'a> {
    shapes: &'a Shapes,
    rest: &'a [u8],
    /// Bytes that lists and texts keep.
    kept: usize,
    /// Bytes of the largest list that moves as it grows: it is there twice for a moment.
    moved_max: usize,
}

/// The bytes are malformed from here on.
struct Malformed;

impl<'a> Count<'a> {
    /// Counts the fields of a message that ends where `end` bytes are left.
    fn message(&mut self, shape: &'a Shape, end: usize) -> Result<(), Malformed> {
        let mut lists = Lists::default();
        let result = self.fields(shape, end, &mut lists);
        let filled = lists.0.into_iter().take_while(|(tag, ..)| *tag != NO_TAG);
        filled.for_each(|(_, items, item_bytes)| self.list(items, item_bytes));
        result
    }

    fn fields(&mut self, of: &'a Shape, end: usize, lists: &mut Lists) -> Result<(), Malformed> {
        while self.rest.len() > end {
            let (tag, wire_type) = decode_key(&mut self.rest).map_err(|_| Malformed)?;
            match of.fields.iter().find(|(known, _)| *known == tag) {
                Some((_, field)) if wire_type == WireType::LengthDelimited => {
                    self.field(tag, field, lists)?;
                }
                Some((_, Field::Numbers(bytes))) => {
                    lists.add(tag, 1, *bytes);
                    self.skip(wire_type, tag)?;
                }
                _ => self.skip(wire_type, tag)?,
            }
        }
        if self.rest.len() == end { Ok(()) } else { Err(Malformed) }
    }

    /// Counts a field with a length.
    fn field(&mut self, tag: u32, field: &'a Field, lists: &mut Lists) -> Result<(), Malformed> {
        let len = decode_varint(&mut self.rest).map_err(|_| Malformed)?;
        let len = usize::try_from(len).map_err(|_| Malformed)?;
        let end = self.rest.len().checked_sub(len).ok_or(Malformed)?;
        match field {
            Field::Message(place) | Field::Messages(place) => {
                let inner = self.shapes.at(*place).ok_or(Malformed)?;
                if matches!(field, Field::Messages(_)) {
                    lists.add(tag, 1, inner.size);
                }
                return self.message(inner, end);
            }
            Field::Numbers(bytes) => {
                let content = &self.rest[..len];
                // Each number ends with a byte below 128, or has at least four bytes.
                let numbers = content.iter().filter(|byte| **byte < 0x80).count();
                lists.add(tag, numbers.max(len / 4), *bytes);
                self.rest = &self.rest[len..];
            }
            Field::Text | Field::Texts | Field::ByteStrings => {
                match field {
                    Field::ByteStrings => lists.add(tag, 1, size_of::<bytes::Bytes>()),
                    Field::Texts => lists.add(tag, 1, size_of::<String>()),
                    _ => {}
                }
                if !matches!(field, Field::ByteStrings) {
                    self.kept = self.kept.saturating_add(len);
                }
                self.rest = &self.rest[len..];
            }
        }
        Ok(())
    }

    fn skip(&mut self, wire_type: WireType, tag: u32) -> Result<(), Malformed> {
        skip_field(wire_type, tag, &mut self.rest, DecodeContext::default()).map_err(|_| Malformed)
    }

    /// A list doubles as it grows.
    fn list(&mut self, items: usize, item_bytes: usize) {
        let capacity = items.max(LIST_ITEMS_MIN).next_power_of_two();
        let bytes = capacity.saturating_mul(item_bytes);
        self.kept = self.kept.saturating_add(bytes);
        if capacity > LIST_ITEMS_MIN {
            self.moved_max = self.moved_max.max(bytes / 2);
        }
    }
}

/// For each list of one message: its field, its items, and what one takes.
#[derive(Default)]
struct Lists([(u32, usize, usize); LISTS_MAX]);

impl Lists {
    fn add(&mut self, tag: u32, items: usize, item_bytes: usize) {
        // A test sees to it that there are never more lists than places.
        let place = self.0.iter_mut().find(|(known, ..)| *known == tag || *known == NO_TAG);
        if let Some((known, count, bytes)) = place {
            (*known, *bytes) = (tag, item_bytes);
            *count = count.saturating_add(items);
        }
    }
}

/// No field has this tag.
const NO_TAG: u32 = 0;
/// Items for which a list has room at least.
const LIST_ITEMS_MIN: usize = 4;
