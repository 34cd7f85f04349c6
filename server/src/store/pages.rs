//! Pages: many small things in one entry.

use super::error::ReadError;
use super::keys::Key;
use super::records::{BlockRecord, StoredBlock};
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use weir_protocol::codec::rlp::{Decoder, Encoder, RlpError};

/// Blocks in a page of block records.
pub const BLOCKS_PER_PAGE: u64 = 128;

/// Blocks in a page of payloads.
pub const PAYLOADS_PER_PAGE: u64 = 16;

/// Heights in a page of heights, and blocks in a page of first children.
pub(super) const NUMBERS_PER_PAGE: u64 = 256;

/// A full page of items of varying length, each decoded only when it is asked for.
#[derive(Debug)]
pub(super) struct ItemPage {
    key: Key,
    content: Vec<u8>,
    items: Vec<Range<usize>>,
}

impl ItemPage {
    /// A page's content from its items' RLP.
    pub(super) fn encode<T: AsRef<[u8]>>(items: &[T]) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.list_of(items, |e, item| e.raw(item.as_ref()));
        encoder.finish()
    }

    pub(super) fn decode(key: Key, content: Vec<u8>, count: u64) -> Result<Self, ReadError> {
        let lens =
            item_lens(&content).map_err(|error| ReadError::damaged(key, error.to_string()))?;
        if lens.len() as u64 != count {
            let reason = format!("it has {} items instead of {count}", lens.len());
            return Err(ReadError::damaged(key, reason));
        }
        let mut start = content.len() - lens.iter().sum::<usize>();
        let range = |len| {
            let range = start..start + len;
            start = range.end;
            range
        };
        let items = lens.into_iter().map(range).collect();
        Ok(Self { key, content, items })
    }

    /// The RLP of the item at a position, and the key to name should it be damaged.
    pub(super) fn item(&self, position: usize) -> Result<&[u8], ReadError> {
        let range = self.items.get(position);
        range.map(|range| &self.content[range.clone()]).ok_or_else(|| ReadError::missing(self.key))
    }

    pub(super) fn bytes(&self) -> u64 {
        (self.content.len() + self.items.len() * size_of::<Range<usize>>()) as u64
    }
}

/// A full page of block records.
#[derive(Debug)]
pub(super) struct BlockPage {
    page: ItemPage,
    decoded: Vec<OnceLock<Arc<StoredBlock>>>,
}

impl BlockPage {
    pub(super) fn decode(key: Key, content: Vec<u8>) -> Result<Self, ReadError> {
        let page = ItemPage::decode(key, content, BLOCKS_PER_PAGE)?;
        let decoded = page.items.iter().map(|_| OnceLock::new()).collect();
        Ok(Self { page, decoded })
    }

    pub(super) fn block(&self, position: usize) -> Result<Arc<StoredBlock>, ReadError> {
        if let Some(block) = self.decoded.get(position).and_then(OnceLock::get) {
            return Ok(Arc::clone(block));
        }
        let block = decode_block(self.page.key, self.page.item(position)?)?;
        Ok(Arc::clone(self.decoded[position].get_or_init(|| block)))
    }

    /// Bytes in memory once every record is decoded, about.
    pub(super) fn bytes(&self) -> u64 {
        self.page.bytes() * 3
    }
}

/// The block in a page or row.
pub(super) fn decode_block(key: Key, rlp: &[u8]) -> Result<Arc<StoredBlock>, ReadError> {
    let record = BlockRecord::from_rlp(rlp);
    let record = record.map_err(|error| ReadError::damaged(key, error.to_string()))?;
    Ok(Arc::new(StoredBlock::new(record)))
}

/// Numbers, 0 for none; trailing zeros are left out, so equal pages have equal bytes.
pub(super) fn encode_numbers(numbers: &[u64]) -> Vec<u8> {
    let used = numbers.iter().rposition(|number| *number != 0).map_or(0, |last| last + 1);
    let mut encoder = Encoder::new();
    encoder.list_of(&numbers[..used], |e, number| e.uint(*number));
    encoder.finish()
}

/// The numbers that [`encode_numbers`] wrote.
pub(super) fn decode_numbers(key: Key, content: &[u8]) -> Result<Vec<u64>, ReadError> {
    let mut decoder = Decoder::own(content);
    let numbers = decoder.list_of(Decoder::uint).and_then(|numbers| {
        decoder.finish()?;
        Ok(numbers)
    });
    numbers.map_err(|error| ReadError::damaged(key, error.to_string()))
}

/// The page an ordinal or height belongs to, and its position there.
pub(super) fn place(number: u64, per_page: u64) -> (u64, usize) {
    let position = usize::try_from(number % per_page).expect("pages have at most 256 places");
    (number / per_page, position)
}

fn item_lens(content: &[u8]) -> Result<Vec<usize>, RlpError> {
    let mut decoder = Decoder::own(content);
    let lens = decoder.list_of(|d| d.raw().map(<[u8]>::len))?;
    decoder.finish()?;
    Ok(lens)
}
