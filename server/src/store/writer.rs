//! Turns a batch into records of the log and entries of the index.

use super::batch::WriteBatch;
use super::block::SealedRef;
use super::entries::Entries;
use super::error::CommitError;
use super::keys::{Key, short};
use super::pages::{self, Pages};
use super::records::{Head, below_root_to_rlp};
use super::writes::Writes;
use weir_protocol::model::Identifier;

/// What a batch makes of the index after `present`, and the head it leads to.
///
/// Which entries are written depends on the blocks alone, not on how they are split into batches.
pub(super) fn changes(
    entries: &Entries,
    present: Option<&Head>,
    batch: &WriteBatch,
) -> Result<(Writes, Head), CommitError> {
    let head = check(present, batch)?;
    let first = present.map_or(batch.first_ordinal, |head| head.blocks);
    let mut writes = Writes::default();
    put_blocks(entries, &mut writes, &head, first, batch)?;
    put_children(entries, &mut writes, batch)?;
    put_heights(entries, &mut writes, batch, head.first_height)?;
    put_others(entries, &mut writes, batch)?;
    writes.put(Key::Head, &head.to_rlp());
    Ok((writes, head))
}

fn put_blocks(
    entries: &Entries,
    writes: &mut Writes,
    head: &Head,
    first: u64,
    batch: &WriteBatch,
) -> Result<(), CommitError> {
    let mut pages = Pages::new(pages::BLOCKS);
    let blocks = batch.records.iter().zip(&batch.derived);
    for (ordinal, (record, (last_sealed, epoch_counter))) in (first..).zip(blocks) {
        let id = Identifier(record.id);
        writes.put_ordinal(Key::BlockId(short(&id)), ordinal);
        let sealed = sealed_to_number(*last_sealed, ordinal, head.first_height);
        let epoch = epoch_counter.checked_sub(head.first_epoch_counter);
        let (Some(sealed), Some(epoch)) = (sealed, epoch) else {
            let reason = format!("block {ordinal} has an epoch or a sealed block of after it");
            return Err(CommitError::Inconsistent { reason });
        };
        *pages.number(entries, ordinal, 0)? = sealed;
        *pages.number(entries, ordinal, 1)? = epoch;
    }
    pages.put(writes);
    Ok(())
}

/// Small numbers, as most blocks were sealed a little before: odd ones count ordinals, even ones
/// heights below the root.
fn sealed_to_number(sealed: SealedRef, ordinal: u64, first_height: u64) -> Option<u64> {
    match sealed {
        SealedRef::Stored(sealed) => Some(2 * ordinal.checked_sub(sealed)? + 1),
        SealedRef::BelowRoot(height) => {
            Some(2 * first_height.checked_sub(height)?).filter(|number| *number > 0)
        }
    }
}

/// What [`sealed_to_number`] wrote; `None` when it wrote nothing.
pub(super) fn sealed_of_number(number: u64, ordinal: u64, first_height: u64) -> Option<SealedRef> {
    match (number / 2, number % 2) {
        (0, 0) => None,
        (below, 0) => first_height.checked_sub(below).map(SealedRef::BelowRoot),
        (before, _) => ordinal.checked_sub(before).map(SealedRef::Stored),
    }
}

fn put_children(
    entries: &Entries,
    writes: &mut Writes,
    batch: &WriteBatch,
) -> Result<(), CommitError> {
    let mut pages = Pages::new(pages::CHILDREN);
    for &(parent, child) in &batch.children {
        let known = pages.number(entries, parent, 0)?;
        let distance = child.checked_sub(parent).filter(|distance| *distance > 0);
        let distance = distance.ok_or_else(|| {
            let reason = format!("block {child} comes before its parent, {parent}");
            CommitError::Inconsistent { reason }
        })?;
        if *known == 0 || distance < *known {
            *known = distance;
        }
    }
    pages.put(writes);
    Ok(())
}

fn put_heights(
    entries: &Entries,
    writes: &mut Writes,
    batch: &WriteBatch,
    first_height: u64,
) -> Result<(), CommitError> {
    let mut pages = Pages::new(pages::HEIGHTS);
    let finalized = batch.finalized.iter().map(|entry| (entry, 0));
    let sealing = batch.sealing.iter().map(|entry| (entry, 1));
    for (&(height, ordinal), column) in finalized.chain(sealing) {
        let place = height - first_height;
        let known = pages.number(entries, place, column)?;
        // A block at a height has at least as many before it.
        let number = ordinal.checked_sub(place).map(|distance| distance + 1);
        match number {
            Some(number) if *known == 0 || *known == number => *known = number,
            _ => {
                let reason = format!("height {height} already has a block instead of {ordinal}");
                return Err(CommitError::Inconsistent { reason });
            }
        }
    }
    pages.put(writes);
    Ok(())
}

fn put_others(
    entries: &Entries,
    writes: &mut Writes,
    batch: &WriteBatch,
) -> Result<(), CommitError> {
    for (id, rlp) in &batch.preimages {
        let key = Key::Preimage(*id);
        if entries.content(key)?.is_none() {
            writes.put_compressed(key, rlp);
        }
    }
    for (result_id, ordinal) in &batch.results {
        writes.put_ordinal(Key::ResultId(short(result_id)), *ordinal);
    }
    for (ordinal, beacon) in &batch.version_beacons {
        writes.put(Key::VersionBeacon(*ordinal), beacon);
    }
    for (counter, epoch) in &batch.epochs {
        writes.put(Key::Epoch(*counter), &epoch.to_rlp());
    }
    if !batch.below_root.is_empty() {
        writes.put(Key::BelowRoot, &below_root_to_rlp(&batch.below_root));
    }
    Ok(())
}

/// The head that the batch leads to, if the batch fits the store and itself.
fn check(present: Option<&Head>, batch: &WriteBatch) -> Result<Head, CommitError> {
    let fault = |reason: String| Err(CommitError::Inconsistent { reason });
    let Some(head) = batch.head.clone() else {
        return fault("it has no head".to_owned());
    };
    let first = present.map_or(batch.first_ordinal, |head| head.blocks);
    let blocks = first + batch.records.len() as u64;
    if head.blocks != blocks || blocks == 0 {
        return fault(format!("its head has {} blocks instead of {blocks}", head.blocks));
    }
    if present.is_some_and(|present| present.first_height != head.first_height) {
        return fault(format!("its head moves the first height to {}", head.first_height));
    }
    let heights = || batch.finalized.iter().chain(&batch.sealing);
    if let Some((height, _)) = heights().find(|(height, _)| *height < head.first_height) {
        return fault(format!("height {height} is below the first, {}", head.first_height));
    }
    let named = heights().map(|(_, ordinal)| *ordinal);
    let named = named.chain(batch.children.iter().flat_map(|(parent, child)| [*parent, *child]));
    let named = named.chain(batch.results.iter().map(|(_, ordinal)| *ordinal));
    let named = named.chain(batch.version_beacons.iter().map(|(ordinal, _)| *ordinal));
    let epochs = batch.epochs.values();
    let named =
        named.chain(epochs.flat_map(|e| e.hop_ordinal.into_iter().chain([e.first_ordinal])));
    let named = named.chain([head.finalized.ordinal, head.sealed.ordinal]);
    match named.max() {
        Some(ordinal) if ordinal >= blocks => fault(format!("it names unknown block {ordinal}")),
        _ => Ok(head),
    }
}
