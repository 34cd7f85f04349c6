//! Format 1 to 2: an index from the ID of an execution result to a block that includes it.
//!
//! Format 1 keeps payloads in pages of 16 (prefix 03) and, behind the last full page, in rows
//! (prefix 0b): RLP byte strings, each the RLP of
//! `[guarantees, seals, receipts, results, timeout certificate]`. Format 2 has for each result,
//! under prefix 0c and its ID, the ordinal of the last block that includes it.

use sha3::{Digest as _, Sha3_256};

use crate::format::{checked_value, open_value};
use crate::registry::{Step, StepBatch, StepError};

/// The step.
pub(crate) const STEP: Step = Step { from: 1, to: 2, name: "index results by id", run };

fn run(tree: &sled::Tree, cursor: Option<&[u8]>) -> Result<StepBatch, StepError> {
    let mut batch = StepBatch::default();
    let start = cursor.map_or_else(|| vec![PAYLOAD_PAGE], <[u8]>::to_vec);
    for (seen, entry) in tree.range(start..vec![PAYLOAD_ROW + 1]).enumerate() {
        let (key, value) = entry?;
        if !matches!(key.first(), Some(&(PAYLOAD_PAGE | PAYLOAD_ROW))) {
            // Nothing of interest up to the rows.
            batch.next = Some(vec![PAYLOAD_ROW]);
            break;
        }
        if seen == ENTRIES_MAX {
            batch.next = Some(key.to_vec());
            break;
        }
        index(&key, &value, &mut batch)
            .ok_or_else(|| StepError::damaged(&key, "it is not as format 1 has it"))?;
    }
    Ok(batch)
}

/// Adds the index entries for one page or row.
fn index(key: &[u8], value: &[u8], batch: &mut StepBatch) -> Option<()> {
    let content = content(key, value)?;
    let (kind, number) = key.split_first()?;
    let number = u64::from_be_bytes(number.try_into().ok()?);
    if *kind == PAYLOAD_ROW {
        let (payload, _) = item(&content)?;
        return index_payload(payload.body, number, batch);
    }
    let (page, _) = item(&content)?;
    let mut rest = page.body;
    let mut ordinal = number.checked_mul(PAYLOADS_PER_PAGE)?;
    while !rest.is_empty() {
        let (payload, after) = item(rest)?;
        index_payload(payload.body, ordinal, batch)?;
        (rest, ordinal) = (after, ordinal.checked_add(1)?);
    }
    Some(())
}

fn index_payload(payload: &[u8], ordinal: u64, batch: &mut StepBatch) -> Option<()> {
    let (lists, _) = item(payload)?;
    let mut rest = lists.body;
    for _ in 0..RESULTS_POSITION {
        (_, rest) = item(rest)?;
    }
    let (results, _) = item(rest)?;
    let mut rest = results.body;
    while !rest.is_empty() {
        let (result, after) = item(rest)?;
        let mut key = vec![RESULT_ID];
        key.extend_from_slice(&Sha3_256::digest(result.whole));
        let mut body = vec![FLAG_RAW];
        body.extend_from_slice(&ordinal.to_be_bytes());
        let value = checked_value(&key, body);
        batch.changes.push((key, Some(value)));
        rest = after;
    }
    Some(())
}

/// The content of a value: `flag ‖ content ‖ checksum`, raw or zstd behind its length.
fn content(key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
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
struct Item<'a> {
    whole: &'a [u8],
    body: &'a [u8],
}

/// The first RLP item of the bytes, and what follows.
fn item(bytes: &[u8]) -> Option<(Item<'_>, &[u8])> {
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

const PAYLOAD_PAGE: u8 = 0x03;
const PAYLOAD_ROW: u8 = 0x0b;
const RESULT_ID: u8 = 0x0c;
const PAYLOADS_PER_PAGE: u64 = 16;
/// Lists in a payload before its results.
const RESULTS_POSITION: usize = 3;
const FLAG_RAW: u8 = 0;
const FLAG_ZSTD: u8 = 1;
const CONTENT_BYTES_MAX: usize = 257 * 1024 * 1024;
/// Pages or rows handled at once.
const ENTRIES_MAX: usize = 16;
