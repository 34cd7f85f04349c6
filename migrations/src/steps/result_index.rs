//! Format 1 to 2: an index from the ID of an execution result to a block that includes it.
//!
//! Format 1 keeps payloads in pages of 16 (prefix 03) and, behind the last full page, in rows
//! (prefix 0b): RLP byte strings, each the RLP of
//! `[guarantees, seals, receipts, results, timeout certificate]`. Format 2 has for each result,
//! under prefix 0c and its ID, the ordinal of the last block that includes it.

use sha3::{Digest as _, Sha3_256};

use super::frozen::{
    PAYLOAD_ROW, PAYLOADS_PER_PAGE, RESULT_ID, content, item, raw_value, walk_payloads,
};
use crate::registry::{Step, StepBatch, StepError};

/// The step.
pub(crate) const STEP: Step = Step { from: 1, to: 2, name: "index results by id", run };

fn run(tree: &sled::Tree, cursor: Option<&[u8]>) -> Result<StepBatch, StepError> {
    let mut batch = StepBatch::default();
    batch.next = walk_payloads(tree, cursor, |key, value| {
        index(key, value, &mut batch)
            .ok_or_else(|| StepError::damaged(key, "it is not as format 1 has it"))
    })?;
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
        let value = raw_value(&key, &ordinal.to_be_bytes());
        batch.changes.push((key, Some(value)));
        rest = after;
    }
    Some(())
}

/// Lists in a payload before its results.
const RESULTS_POSITION: usize = 3;
