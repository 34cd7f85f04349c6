//! Turns a batch into one atomic write.

use super::batch::{EncodedBlock, WriteBatch};
use super::error::{CommitError, ReadError};
use super::keys::Key;
use super::pages::{BLOCKS_PER_PAGE, ItemPage, NUMBERS_PER_PAGE, PAYLOADS_PER_PAGE};
use super::records::Head;
use super::value::{self, Compression};
use super::writes::{NumberPages, Writes, first_keys};
use std::sync::Arc;
use weir_migrations::Database;
use weir_protocol::codec::rlp::Encoder;

/// The one writer, with the pages it is still filling.
#[derive(Debug)]
pub(super) struct Writer {
    head: Option<Arc<Head>>,
    state: State,
    /// Records of the page of blocks that is not full yet.
    block_tail: Vec<Vec<u8>>,
    /// RLP of the payloads in the page that is not full yet.
    payload_tail: Vec<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Stopped,
}

impl Writer {
    /// A writer for a store without blocks.
    pub(super) fn new() -> Self {
        Self { head: None, state: State::Open, block_tail: Vec::new(), payload_tail: Vec::new() }
    }

    /// A writer that goes on from a head.
    pub(super) fn resume(database: &Database, head: Arc<Head>) -> Result<Self, ReadError> {
        let row = |key| value::read(database, key)?.ok_or_else(|| ReadError::missing(key));
        let tail = |per_page: u64| head.blocks - head.blocks % per_page..head.blocks;
        let blocks = tail(BLOCKS_PER_PAGE).map(|ordinal| row(Key::BlockRow(ordinal)));
        let block_tail = blocks.collect::<Result<_, _>>()?;
        let payloads = tail(PAYLOADS_PER_PAGE).map(|ordinal| row(Key::PayloadRow(ordinal)));
        let payload_tail = payloads.collect::<Result<_, _>>()?;
        Ok(Self { head: Some(head), state: State::Open, block_tail, payload_tail })
    }

    /// Writes a batch and returns its head once it is on disk.
    pub(super) fn commit(
        &mut self,
        database: &Database,
        batch: WriteBatch,
    ) -> Result<Arc<Head>, CommitError> {
        self.stop_unless_done(|writer| {
            let head = check(writer.head.as_deref(), &batch)?;
            let mut writes = Writes { database, batch: sled::Batch::default() };
            let first = writer.head.as_ref().map_or(0, |head| head.blocks);
            writer.append(&mut writes, first, &batch.blocks);
            put_children(&mut writes, &batch)?;
            put_heights(&mut writes, &batch, head.first_height)?;
            put_others(&mut writes, &batch)?;
            writes.put(Key::Head, &head.to_rlp(), Compression::None);
            writes.apply()?;
            let head = Arc::new(head);
            writer.head = Some(Arc::clone(&head));
            Ok(head)
        })
    }

    /// Deletes whole pages of payloads older than the newest `keep_blocks` blocks.
    pub(super) fn prune_payloads(
        &mut self,
        database: &Database,
        keep_blocks: u64,
    ) -> Result<u64, CommitError> {
        self.stop_unless_done(|writer| {
            let blocks = writer.head.as_ref().map_or(0, |head| head.blocks);
            let first_kept = blocks.saturating_sub(keep_blocks) / PAYLOADS_PER_PAGE;
            let end = Key::PayloadPage(first_kept).to_bytes();
            let mut pruned = 0;
            loop {
                let keys = first_keys(database, &Key::PayloadPage(0).to_bytes(), &end)?;
                if keys.is_empty() {
                    return Ok(pruned);
                }
                pruned += keys.len() as u64;
                let mut writes = Writes { database, batch: sled::Batch::default() };
                keys.into_iter().for_each(|key| writes.batch.remove(key));
                writes.apply()?;
            }
        })
    }

    /// Runs an operation; unless it succeeds, there is no other.
    fn stop_unless_done<T>(
        &mut self,
        operation: impl FnOnce(&mut Self) -> Result<T, CommitError>,
    ) -> Result<T, CommitError> {
        if self.state == State::Stopped {
            return Err(CommitError::Stopped);
        }
        self.state = State::Stopped;
        let done = operation(self)?;
        self.state = State::Open;
        Ok(done)
    }

    fn append(&mut self, writes: &mut Writes<'_>, first: u64, blocks: &[EncodedBlock]) {
        for (ordinal, block) in (first..).zip(blocks) {
            let id = Key::BlockId(block.id);
            writes.put(id, &ordinal.to_be_bytes(), Compression::None);
        }
        let records = blocks.iter().map(|block| block.record.clone()).collect();
        fill(writes, &BLOCK_PAGES, first, &mut self.block_tail, records);
        let payloads = blocks.iter().map(|block| {
            let mut encoder = Encoder::new();
            encoder.bytes(&block.payload);
            encoder.finish()
        });
        fill(writes, &PAYLOAD_PAGES, first, &mut self.payload_tail, payloads.collect());
    }
}

/// How one kind of item is laid out.
struct Layout {
    per_page: u64,
    page: fn(u64) -> Key,
    row: fn(u64) -> Key,
    row_compression: Compression,
}

const BLOCK_PAGES: Layout = Layout {
    per_page: BLOCKS_PER_PAGE,
    page: Key::BlockPage,
    row: Key::BlockRow,
    row_compression: Compression::None,
};

const PAYLOAD_PAGES: Layout = Layout {
    per_page: PAYLOADS_PER_PAGE,
    page: Key::PayloadPage,
    row: Key::PayloadRow,
    row_compression: Compression::Zstd,
};

/// Appends items to the tail; a page that becomes full replaces its rows.
fn fill(
    writes: &mut Writes<'_>,
    layout: &Layout,
    first: u64,
    tail: &mut Vec<Vec<u8>>,
    items: Vec<Vec<u8>>,
) {
    let mut end = first;
    for (ordinal, item) in (first..).zip(items) {
        tail.push(item);
        end = ordinal + 1;
        if tail.len() as u64 == layout.per_page {
            let page = (layout.page)(ordinal / layout.per_page);
            writes.put(page, &ItemPage::encode(tail), Compression::Zstd);
            let start = end - layout.per_page;
            (start..first).for_each(|row| writes.remove((layout.row)(row)));
            tail.clear();
        }
    }
    let start = end - tail.len() as u64;
    for (ordinal, item) in (start..end).zip(tail.iter()).filter(|(ordinal, _)| *ordinal >= first) {
        writes.put((layout.row)(ordinal), item, layout.row_compression);
    }
}

fn put_children(writes: &mut Writes<'_>, batch: &WriteBatch) -> Result<(), CommitError> {
    let mut pages = NumberPages::new(Key::ChildPage, NUMBERS_PER_PAGE);
    for &(parent, child) in &batch.children {
        let known = pages.place(writes.database, parent)?;
        if *known == 0 || child < *known - 1 {
            *known = child + 1;
        }
    }
    pages.put(writes);
    Ok(())
}

fn put_heights(
    writes: &mut Writes<'_>,
    batch: &WriteBatch,
    first_height: u64,
) -> Result<(), CommitError> {
    let mut pages = NumberPages::new(Key::HeightPage, 2 * NUMBERS_PER_PAGE);
    let finalized = batch.finalized.iter().map(|entry| (entry, 0));
    let sealing = batch.sealing.iter().map(|entry| (entry, 1));
    for (&(height, ordinal), column) in finalized.chain(sealing) {
        let known = pages.place(writes.database, 2 * (height - first_height) + column)?;
        if *known != 0 && *known != ordinal + 1 {
            let reason = format!("height {height} already has block {} there", *known - 1);
            return Err(CommitError::Inconsistent { reason });
        }
        *known = ordinal + 1;
    }
    pages.put(writes);
    Ok(())
}

fn put_others(writes: &mut Writes<'_>, batch: &WriteBatch) -> Result<(), CommitError> {
    for (id, rlp) in &batch.preimages {
        let key = Key::Preimage(*id);
        if value::read(writes.database, key)?.is_none() {
            writes.put(key, rlp, Compression::Zstd);
        }
    }
    for (result_id, ordinal) in &batch.results {
        writes.put(Key::ResultId(*result_id), &ordinal.to_be_bytes(), Compression::None);
    }
    for (ordinal, beacon) in &batch.version_beacons {
        writes.put(Key::VersionBeacon(*ordinal), beacon, Compression::None);
    }
    for (counter, epoch) in &batch.epochs {
        writes.put(Key::Epoch(*counter), &epoch.to_rlp(), Compression::None);
    }
    if let Some(json) = &batch.root_snapshot {
        writes.put(Key::RootSnapshot, json, Compression::Zstd);
    }
    Ok(())
}

/// The head that the batch leads to, if the batch fits the store and itself.
fn check(present: Option<&Head>, batch: &WriteBatch) -> Result<Head, CommitError> {
    let fault = |reason: String| Err(CommitError::Inconsistent { reason });
    let Some(head) = batch.head.clone() else {
        return fault("it has no head".to_owned());
    };
    let blocks = present.map_or(0, |head| head.blocks) + batch.blocks.len() as u64;
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
