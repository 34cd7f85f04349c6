//! Walks the whole store and checks every commitment in it against the stored bytes.

use super::beacons::{self, Beacons};
use super::block::StoredBlock;
use super::inspect::check_checkpoints;
use super::keys::Key;
use super::pages::PLACES_PER_PAGE;
use super::records::{BlockRef, Head};
use super::report::{FsckReport, PayloadFacts};
use super::{Reader, Store, value};
use std::sync::Arc;
use weir_protocol::codec::{Entity as _, entity_id, payload_hash};
use weir_protocol::model::{Header, Identifier};

/// Checks the whole store: identifiers, payload hashes, links, indexes, preimages, checksums.
///
/// The store does not know what payloads are; `payload_check` says what is in one, or nothing when
/// nobody looks into payloads. `progress` gets the blocks done and their total after every page.
pub fn fsck(
    store: &Store,
    payload_check: impl Fn(&Header, &[u8]) -> Result<Option<PayloadFacts>, String>,
    progress: impl FnMut(u64, u64),
) -> FsckReport {
    let mut report = FsckReport::default();
    let reader = store.reader();
    match reader.shared().entries.write() {
        Ok(()) => fsck_view(&reader, payload_check, progress),
        Err(error) => {
            report.add("index", error.to_string());
            report
        }
    }
}

/// As [`fsck`], for a view all of whose entries are in the engine.
pub fn fsck_view(
    reader: &Reader,
    payload_check: impl Fn(&Header, &[u8]) -> Result<Option<PayloadFacts>, String>,
    mut progress: impl FnMut(u64, u64),
) -> FsckReport {
    let head = Arc::clone(reader.head());
    let mut report = FsckReport::default();
    let first = report.take("first block", reader.first_ordinal()).unwrap_or_default();
    let result_ids = scan(reader, first, &mut report);
    let mut first_payload = 0;
    let mut beacons = Beacons::default();
    for ordinal in first..head.blocks {
        if let Some(block) = check_block(reader, ordinal, first, &mut report) {
            if block.payload().is_none() {
                first_payload = ordinal + 1;
            }
            let facts = check_payload(&block, ordinal, &payload_check, &mut report);
            if let Some(facts) = facts {
                check_results(reader, ordinal, &facts.result_ids, &mut report);
                let from = beacons::From { first, payload: first_payload };
                beacons.check(reader, ordinal, facts, from, &mut report);
            }
        }
        if (ordinal + 1) % PLACES_PER_PAGE == 0 || ordinal + 1 == head.blocks {
            progress(ordinal + 1, head.blocks);
        }
    }
    // Of pruned payloads the results cannot be told, and an audit does not look into payloads.
    if let Some(found) = result_ids.filter(|_| first_payload == 0 && report.results > 0)
        && found != report.results
    {
        report.add("result ids", format!("there are {found} for {} results", report.results));
    }
    check_heights(reader, &mut report);
    check_head(reader, &head, &mut report);
    check_epochs(reader, &head, &mut report);
    check_checkpoints(reader, &mut report);
    report
}

/// Visits every entry of the index once, and says how many results have one.
fn scan(reader: &Reader, first: u64, report: &mut FsckReport) -> Option<u64> {
    let blocks = reader.head().blocks;
    let entries = &reader.shared().entries;
    let (mut ids, mut result_ids) = (0, 0);
    // The head is written last, so that after a kill entries may be of later blocks of the log.
    let logged = reader.shared().log.ordinals().end.max(blocks);
    let mut start: Vec<u8> = Vec::new();
    loop {
        let page = report.take("index", entries.stored(&start, ENTRIES_PER_READ))?;
        let Some((last, _)) = page.last() else { break };
        start = [&last[..], &[0]].concat();
        for (bytes, value) in page {
            let Some(key) = Key::from_bytes(&bytes) else {
                report.add("key", format!("{bytes:?} is of no known kind"));
                continue;
            };
            let Some(ordinal) = check_entry(key, &value, logged, report) else { continue };
            match key {
                Key::BlockId(_) => ids += u64::from(ordinal < blocks),
                _ => result_ids += u64::from(ordinal < blocks),
            }
        }
    }
    let held = blocks.saturating_sub(first);
    if ids != held {
        report.add("block ids", format!("there are {ids} for {held} blocks"));
    }
    Some(result_ids)
}

/// Checks an entry by itself, and that it is not beyond the log's blocks; returns the ordinal that the ID of
/// a block or of a result leads to.
fn check_entry(key: Key, value: &[u8], blocks: u64, report: &mut FsckReport) -> Option<u64> {
    if let Key::BlockId(_) | Key::ResultId(_) = key {
        let ordinal = report.take(key, value::decode_ordinal(key, value));
        if ordinal.is_some_and(|ordinal| ordinal >= blocks) {
            report.add(key, "it is beyond the log");
        }
        return ordinal;
    }
    let content = report.take(key, value::decode(key, value))?;
    let expected = match key {
        Key::BlockPage(page) | Key::ChildPage(page) => page <= blocks / PLACES_PER_PAGE,
        Key::VersionBeacon(ordinal) => ordinal < blocks,
        _ => true,
    };
    if !expected {
        report.add(key, "it is beyond the log");
    }
    if let Key::Preimage(id) = key {
        report.preimages += 1;
        if entity_id(&content) != id {
            report.add(key, "its hash differs");
        }
    }
    None
}

fn check_block(
    reader: &Reader,
    ordinal: u64,
    first: u64,
    report: &mut FsckReport,
) -> Option<Arc<StoredBlock>> {
    let entry = format!("block {ordinal}");
    let block = report.take(&entry, reader.block(ordinal))??;
    report.blocks += 1;
    if block.id() != block.header.id() {
        report.add(&entry, "its header has another ID");
    }
    if report.take(&entry, reader.ordinal_of(&block.id())).is_some_and(|o| o != Some(ordinal)) {
        report.add(&entry, "the index of block ids does not lead to it");
    }
    match block.roots() {
        Ok(roots) if payload_hash(&roots) == block.header.payload_hash => {}
        Ok(_) => report.add(&entry, "its payload does not have its payload hash"),
        Err(error) => report.add(&entry, format!("its payload is none: {error}")),
    }
    if ordinal > first {
        check_parent(reader, ordinal, &block, report);
    }
    report.take(&entry, reader.last_sealed(&block));
    let child = report.take(&entry, reader.first_child(ordinal)).flatten();
    let child = child.and_then(|child| report.take(&entry, reader.block(child)).flatten());
    if child.is_some_and(|child| child.header.parent_id != block.id()) {
        report.add(&entry, "its first child has another parent");
    }
    Some(block)
}

fn check_parent(reader: &Reader, ordinal: u64, block: &StoredBlock, report: &mut FsckReport) {
    let entry = format!("block {ordinal}");
    let header = &block.header;
    let parent = report.take(&entry, reader.ordinal_of(&header.parent_id));
    let Some(parent) = parent else { return };
    let Some(parent) = parent.filter(|parent| *parent < ordinal) else {
        return report.add(&entry, "its parent is not among the blocks before it");
    };
    let Some(Some(found)) = report.take(&entry, reader.block(parent)) else {
        return;
    };
    let (height, view) = (found.header.height, found.header.view);
    if header.height.checked_sub(1) != Some(height) || header.parent_view != view {
        report.add(&entry, "its height or parent view does not follow its parent's");
    }
    let first = report.take(&entry, reader.first_child(parent));
    if first.is_some_and(|first| first.is_none_or(|first| first > ordinal)) {
        report.add(&entry, "its parent's first child comes after it or is missing");
    }
}

fn check_payload(
    block: &StoredBlock,
    ordinal: u64,
    payload_check: impl Fn(&Header, &[u8]) -> Result<Option<PayloadFacts>, String>,
    report: &mut FsckReport,
) -> Option<PayloadFacts> {
    let payload = block.payload()?;
    report.payloads += 1;
    payload_check(&block.header, payload).unwrap_or_else(|reason| {
        report.add(format!("payload {ordinal}"), reason);
        None
    })
}

/// The index leads from each result to this block, or to a later one that includes it again: while the
/// index is behind the log, perhaps to one that the head does not have yet.
fn check_results(
    reader: &Reader,
    ordinal: u64,
    result_ids: &[Identifier],
    report: &mut FsckReport,
) {
    let is_behind = reader.head().blocks < reader.shared().log.ordinals().end;
    for id in result_ids {
        let entry = format!("result id {id}");
        match report.take(&entry, reader.including_ordinal(id)).flatten() {
            Some(found) if found >= ordinal => report.results += u64::from(found == ordinal),
            None if is_behind => {}
            _ => report.add(&entry, format!("it does not lead to block {ordinal}")),
        }
    }
}

fn check_heights(reader: &Reader, report: &mut FsckReport) {
    let head = reader.head();
    let mut below: Option<Arc<StoredBlock>> = None;
    for height in head.first_height..=head.finalized.height {
        let entry = format!("height {height}");
        let finalized = report.take(&entry, reader.finalized_at(height)).flatten();
        let block = finalized.and_then(|o| report.take(&entry, reader.block(o)).flatten());
        let Some(block) = block else {
            report.add(&entry, "it has no finalized block");
            return;
        };
        report.heights += 1;
        let header = &block.header;
        let links = below.is_none_or(|below| below.id() == header.parent_id);
        if header.height != height || !links {
            report.add(&entry, "its finalized block does not follow the one below");
        }
        let sealing = report.take(&entry, reader.sealing_ordinal(height)).flatten();
        if sealing.is_some_and(|sealing| !seals_above(reader, sealing, height)) {
            report.add(&entry, "its sealing block is not a finalized one above it");
        }
        below = Some(block);
    }
}

fn seals_above(reader: &Reader, ordinal: u64, height: u64) -> bool {
    let Ok(Some(block)) = reader.block(ordinal) else {
        return false;
    };
    let sealing_height = block.header.height;
    sealing_height > height && reader.finalized_at(sealing_height).ok() == Some(Some(ordinal))
}

fn check_head(reader: &Reader, head: &Head, report: &mut FsckReport) {
    let mut check = |name: &str, expected: &BlockRef| {
        let Some(found) = report.take(name, reader.block(expected.ordinal)) else {
            return;
        };
        let fits = found.is_some_and(|found| {
            let header = &found.header;
            found.id() == expected.id
                && header.height == expected.height
                && header.view == expected.view
        });
        if !fits {
            report.add(name, "the block at its ordinal is another");
        }
    };
    check("head's finalized block", &head.finalized);
    check("head's sealed block", &head.sealed);
    if head.sealed.height > head.finalized.height || head.resume_ordinal > head.blocks {
        report.add("head", "its sealed block or its resume ordinal is ahead of its blocks");
    }
}

fn check_epochs(reader: &Reader, head: &Head, report: &mut FsckReport) {
    for counter in head.first_epoch_counter..=head.epoch_counter {
        let entry = format!("epoch {counter}");
        let Some(epoch) = report.take(&entry, reader.epoch(counter)) else {
            continue;
        };
        let Some(epoch) = epoch else {
            report.add(&entry, "it is missing");
            continue;
        };
        for ordinal in epoch.hop_ordinal.into_iter().chain([epoch.first_ordinal]) {
            let block = report.take(&entry, reader.block(ordinal)).flatten();
            if block.is_none_or(|block| block.epoch_counter != counter) {
                report.add(&entry, format!("block {ordinal} is not of this epoch"));
            }
        }
    }
}

/// Entries read at once.
const ENTRIES_PER_READ: usize = 256;
