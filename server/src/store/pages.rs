//! Pages of numbers: many small things in one entry.

use std::collections::BTreeMap;

use weir_protocol::codec::rlp::{Decoder, Encoder};

use super::entries::Entries;
use super::error::ReadError;
use super::keys::Key;
use super::writes::Writes;

/// Blocks or heights in a page.
pub(super) const PLACES_PER_PAGE: u64 = 256;

/// A kind of page: so many numbers in each place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    key: fn(u64) -> Key,
    columns: usize,
}

/// What is known of a block: where its latest sealed one is, and how far its epoch is from the first.
pub(super) const BLOCKS: Layout = Layout { key: Key::BlockPage, columns: 2 };
/// How far the finalized and the sealing block's ordinals are from the height's place, plus one.
pub(super) const HEIGHTS: Layout = Layout { key: Key::HeightPage, columns: 2 };
/// How far the first child's ordinal is from the block's.
pub(super) const CHILDREN: Layout = Layout { key: Key::ChildPage, columns: 1 };

impl Layout {
    /// The numbers in a place; 0 where there is none.
    pub(super) fn read<const N: usize>(
        self,
        entries: &Entries,
        place: u64,
    ) -> Result<[u64; N], ReadError> {
        let (key, first) = self.find(place);
        let Some(content) = entries.content(key)? else {
            return Ok([0; N]);
        };
        let numbers = decode(key, &content, first + N)?;
        Ok(std::array::from_fn(|column| numbers.get(first + column).copied().unwrap_or_default()))
    }

    /// The page of a place, and where in it the place's first number is.
    fn find(self, place: u64) -> (Key, usize) {
        let position = usize::try_from(place % PLACES_PER_PAGE).expect("a page has 256 places");
        ((self.key)(place / PLACES_PER_PAGE), position * self.columns)
    }
}

/// Pages of one kind that are being changed.
#[derive(Debug)]
pub(super) struct Pages {
    layout: Layout,
    changed: BTreeMap<Vec<u8>, (Key, Vec<u64>)>,
}

impl Pages {
    pub(super) fn new(layout: Layout) -> Self {
        Self { layout, changed: BTreeMap::new() }
    }

    /// A number, read from the index when its page is not at hand.
    pub(super) fn number(
        &mut self,
        entries: &Entries,
        place: u64,
        column: usize,
    ) -> Result<&mut u64, ReadError> {
        let (key, first) = self.layout.find(place);
        let name = key.to_bytes();
        if !self.changed.contains_key(&name) {
            let content = entries.content(key)?;
            let numbers = content.map(|content| decode(key, &content, usize::MAX)).transpose()?;
            self.changed.insert(name.clone(), (key, numbers.unwrap_or_default()));
        }
        let (_, numbers) = self.changed.get_mut(&name).expect("it was just inserted");
        let position = first + column;
        if numbers.len() <= position {
            numbers.resize(position + 1, 0);
        }
        Ok(&mut numbers[position])
    }

    pub(super) fn put(&self, writes: &mut Writes) {
        for (key, numbers) in self.changed.values() {
            writes.put(*key, &encode(numbers));
        }
    }
}

/// Numbers, 0 for none; trailing zeros are left out, so equal pages have equal bytes.
fn encode(numbers: &[u64]) -> Vec<u8> {
    let used = numbers.iter().rposition(|number| *number != 0).map_or(0, |last| last + 1);
    let mut encoder = Encoder::new();
    encoder.list_of(&numbers[..used], |e, number| e.uint(*number));
    encoder.finish()
}

/// The first numbers of those that [`encode`] wrote.
fn decode(key: Key, content: &[u8], count: usize) -> Result<Vec<u64>, ReadError> {
    let mut decoder = Decoder::own(content);
    let numbers = decoder.list(|d| {
        let mut numbers = Vec::new();
        while !d.is_empty() {
            let number = d.uint()?;
            if numbers.len() < count {
                numbers.push(number);
            }
        }
        Ok(numbers)
    });
    let numbers = numbers.and_then(|numbers| decoder.finish().map(|()| numbers));
    numbers.map_err(|error| ReadError::damaged(key, error.to_string()))
}
