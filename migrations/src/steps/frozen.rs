//! Codecs of formats 1 and 2, as they were. They never change: a later format gets its own.

use crate::format::{checked_value, open_value};
use crate::registry::StepError;

/// Hands the next payload pages and rows to `each`, by key and value, and says where to go on.
pub(crate) fn walk_payloads(
    tree: &sled::Tree,
    cursor: Option<&[u8]>,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), StepError>,
) -> Result<Option<Vec<u8>>, StepError> {
    let start = cursor.map_or_else(|| vec![PAYLOAD_PAGE], <[u8]>::to_vec);
    for (seen, entry) in tree.range(start..vec![PAYLOAD_ROW + 1]).enumerate() {
        let (key, value) = entry?;
        if !matches!(key.first(), Some(&(PAYLOAD_PAGE | PAYLOAD_ROW))) {
            // Nothing of interest up to the rows.
            return Ok(Some(vec![PAYLOAD_ROW]));
        }
        if seen == ENTRIES_MAX {
            return Ok(Some(key.to_vec()));
        }
        each(&key, &value)?;
    }
    Ok(None)
}

/// The content of a value: `flag ‖ content ‖ checksum`, raw or zstd behind its length.
pub(crate) fn content(key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    match open_value(key, value)?.split_first()? {
        (&FLAG_RAW, content) => Some(content.to_vec()),
        (&FLAG_ZSTD, rest) => {
            let (len, compressed) = rest.split_first_chunk::<4>()?;
            let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
            if len > CONTENT_BYTES_MAX {
                return None;
            }
            zstd::bulk::decompress(compressed, len).ok()
        }
        _ => None,
    }
}

/// An RLP item.
pub(crate) struct Item<'a> {
    pub(crate) whole: &'a [u8],
    pub(crate) body: &'a [u8],
}

/// The first RLP item of the bytes, and what follows.
pub(crate) fn item(bytes: &[u8]) -> Option<(Item<'_>, &[u8])> {
    let (&first, _) = bytes.split_first()?;
    let (head, len) = match first {
        0..=0x7f => (0, 1),
        0x80..=0xb7 => (1, usize::from(first - 0x80)),
        0xc0..=0xf7 => (1, usize::from(first - 0xc0)),
        0xb8..=0xbf | 0xf8..=0xff => {
            let size = usize::from(first & 0x3f) - 0x37;
            let digits = bytes.get(1..=size)?;
            let len = digits.iter().try_fold(0usize, |len, digit| {
                len.checked_mul(256)?.checked_add(usize::from(*digit))
            })?;
            (1 + size, len)
        }
    };
    let end = len.checked_add(head)?;
    let whole = bytes.get(..end)?;
    Some((Item { whole, body: &whole[head..] }, &bytes[end..]))
}

/// All items of the list that `bytes` begin with.
pub(crate) fn items(bytes: &[u8]) -> Option<Vec<Item<'_>>> {
    let (list, _) = item(bytes)?;
    let (mut rest, mut items) = (list.body, Vec::new());
    while !rest.is_empty() {
        let (next, after) = item(rest)?;
        items.push(next);
        rest = after;
    }
    Some(items)
}

/// The value of content that is not compressed.
pub(crate) fn raw_value(key: &[u8], content: &[u8]) -> Vec<u8> {
    checked_value(key, [&[FLAG_RAW], content].concat())
}

/// The key of an entry that has a number.
pub(crate) fn numbered(prefix: u8, number: u64) -> Vec<u8> {
    [&[prefix][..], &number.to_be_bytes()].concat()
}

pub(crate) const PAYLOAD_PAGE: u8 = 0x03;
pub(crate) const BLOCK_ID: u8 = 0x04;
pub(crate) const ROOT_SNAPSHOT: u8 = 0x09;
pub(crate) const PAYLOAD_ROW: u8 = 0x0b;
pub(crate) const RESULT_ID: u8 = 0x0c;
pub(crate) const PAYLOADS_PER_PAGE: u64 = 16;
/// Pages or rows handled at once.
const ENTRIES_MAX: usize = 16;
const FLAG_RAW: u8 = 0;
const FLAG_ZSTD: u8 = 1;
const CONTENT_BYTES_MAX: usize = 257 * 1024 * 1024;
