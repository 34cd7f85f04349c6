//! Format 2 to 3: an index of the version beacons that blocks seal.
//!
//! Format 3 has, under prefix 0d and the ordinal of a block whose seals bring a version beacon, the
//! RLP of the last one. A payload is `[guarantees, seals, receipts, results, timeout certificate]`,
//! a seal begins `[block ID, result ID, …`, a result is `[previous, block ID, chunks,
//! [[type, event], …], execution data ID]`. A result is in the payload that prefix 0c names, or, of
//! a block up to the root, in the root snapshot. What the root block seals has no entry. Of pruned
//! payloads nothing is known.

mod root;

use std::collections::HashMap;

use sha3::{Digest as _, Sha3_256};

use super::frozen::{
    BLOCK_ID, Item, PAYLOAD_PAGE, PAYLOAD_ROW, PAYLOADS_PER_PAGE, RESULT_ID, content, items,
    numbered, raw_value, walk_payloads,
};
use crate::registry::{Step, StepBatch, StepError};

/// The step.
pub(crate) const STEP: Step = Step { from: 2, to: 3, name: "index version beacons", run };

fn run(tree: &sled::Tree, cursor: Option<&[u8]>) -> Result<StepBatch, StepError> {
    let mut batch = StepBatch::default();
    let mut results = Results { tree, known: HashMap::new(), root: None };
    let mut payloads = Vec::new();
    batch.next = walk_payloads(tree, cursor, |key, value| {
        for (ordinal, payload) in read_entry(key, value).ok_or_else(|| damaged(key))? {
            results.learn(&payload).ok_or_else(|| damaged(key))?;
            payloads.push((key.to_vec(), ordinal, payload));
        }
        Ok(())
    })?;
    // What the root seals is in the root snapshot.
    for (key, ordinal, payload) in payloads.into_iter().filter(|(_, ordinal, _)| *ordinal > 0) {
        let seals = seals(&payload).ok_or_else(|| damaged(&key))?;
        if let Some(beacon) = results.last_sealed(&seals)? {
            let key = numbered(VERSION_BEACON, ordinal);
            let value = raw_value(&key, &beacon);
            batch.changes.push((key, Some(value)));
        }
    }
    Ok(batch)
}

/// What is known of execution results: the RLP of the last version beacon of each, if it has one.
struct Results<'a> {
    tree: &'a sled::Tree,
    known: HashMap<Id, Option<Vec<u8>>>,
    /// What the root snapshot has, read when it is asked for.
    root: Option<root::Root>,
}

impl Results<'_> {
    /// Takes in the results of a payload.
    fn learn(&mut self, payload: &[u8]) -> Option<()> {
        for result in items(items(payload)?.get(RESULTS_POSITION)?.whole)? {
            let id = Sha3_256::digest(result.whole).into();
            self.known.insert(id, last_beacon(&result)?);
        }
        Some(())
    }

    /// The version beacon of the highest sealed block that has one.
    fn last_sealed(&mut self, seals: &[(Id, Id)]) -> Result<Option<Vec<u8>>, StepError> {
        let mut highest: Option<((bool, u64), Vec<u8>)> = None;
        for (block_id, result_id) in seals {
            let Some(beacon) = self.beacon(result_id)? else { continue };
            // Blocks below the root come first; on a fork, ordinals go up with the heights.
            let place = match ordinal(self.tree, &[&[BLOCK_ID], &block_id[..]].concat())? {
                Some(ordinal) => (true, ordinal),
                None => (false, self.root()?.places.get(block_id).copied().unwrap_or_default()),
            };
            if highest.as_ref().is_none_or(|(before, _)| *before < place) {
                highest = Some((place, beacon));
            }
        }
        Ok(highest.map(|(_, beacon)| beacon))
    }

    fn beacon(&mut self, result_id: &Id) -> Result<Option<Vec<u8>>, StepError> {
        if let Some(known) = self.known.get(result_id) {
            return Ok(known.clone());
        }
        let index = [&[RESULT_ID], &result_id[..]].concat();
        if let Some(ordinal) = ordinal(self.tree, &index)? {
            self.learn_at(ordinal)?;
            return Ok(self.known.get(result_id).cloned().flatten());
        }
        Ok(self.root()?.beacons.get(result_id).cloned())
    }

    fn root(&mut self) -> Result<&root::Root, StepError> {
        let root = match self.root.take() {
            Some(root) => root,
            None => root::read(self.tree)?,
        };
        Ok(self.root.insert(root))
    }

    /// Takes in the results of the page or row that has a block's payload, unless it is pruned.
    fn learn_at(&mut self, ordinal: u64) -> Result<(), StepError> {
        let page = numbered(PAYLOAD_PAGE, ordinal / PAYLOADS_PER_PAGE);
        for key in [page, numbered(PAYLOAD_ROW, ordinal)] {
            if let Some(value) = self.tree.get(&key)? {
                let payloads = read_entry(&key, &value).ok_or_else(|| damaged(&key))?;
                for (_, payload) in payloads {
                    self.learn(&payload).ok_or_else(|| damaged(&key))?;
                }
            }
        }
        Ok(())
    }
}

/// The payloads of a page or row, with their ordinals.
fn read_entry(key: &[u8], value: &[u8]) -> Option<Vec<(u64, Vec<u8>)>> {
    let content = content(key, value)?;
    let (kind, number) = key.split_first()?;
    let number = u64::from_be_bytes(number.try_into().ok()?);
    if *kind == PAYLOAD_ROW {
        let (payload, _) = super::frozen::item(&content)?;
        return Some(vec![(number, payload.body.to_vec())]);
    }
    let first = number.checked_mul(PAYLOADS_PER_PAGE)?;
    let payloads = items(&content)?.into_iter().map(|payload| payload.body.to_vec());
    Some((first..).zip(payloads).collect())
}

/// For each seal of a payload, the sealed block and the result.
fn seals(payload: &[u8]) -> Option<Vec<(Id, Id)>> {
    let seals = items(items(payload)?.get(SEALS_POSITION)?.whole)?;
    let id = |item: Option<&Item<'_>>| item?.body.try_into().ok();
    let ids = seals.iter().map(|seal| {
        let fields = items(seal.whole)?;
        Some((id(fields.first())?, id(fields.get(1))?))
    });
    ids.collect()
}

/// The RLP of the last version beacon among a result's service events; the outer `None` is damage.
fn last_beacon(result: &Item<'_>) -> Option<Option<Vec<u8>>> {
    let mut last = None;
    for event in items(items(result.whole)?.get(EVENTS_POSITION)?.whole)? {
        let fields = items(event.whole)?;
        if fields.first()?.body == BEACON_TYPE {
            last = Some(fields.get(1)?.whole.to_vec());
        }
    }
    Some(last)
}

/// The ordinal under a key.
fn ordinal(tree: &sled::Tree, key: &[u8]) -> Result<Option<u64>, StepError> {
    let Some(value) = tree.get(key)? else { return Ok(None) };
    let ordinal = content(key, &value).and_then(|content| content.as_slice().try_into().ok());
    ordinal.map(|bytes| Some(u64::from_be_bytes(bytes))).ok_or_else(|| damaged(key))
}

fn damaged(key: &[u8]) -> StepError {
    StepError::damaged(key, "it is not as format 2 has it")
}

/// An identifier.
type Id = [u8; 32];

const VERSION_BEACON: u8 = 0x0d;
const SEALS_POSITION: usize = 1;
const RESULTS_POSITION: usize = 3;
const EVENTS_POSITION: usize = 3;
const BEACON_TYPE: &[u8] = b"version-beacon";
