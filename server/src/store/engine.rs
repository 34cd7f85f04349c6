//! What the store asks of the engines below it: a log of records, and an index of entries.
//!
//! The log is the truth and is durable when an append returns. The index follows from it: what it
//! loses is written again, so it need only be durable when asked. No type of an engine is seen
//! outside of its own module.

use std::fmt;
use std::ops::Range;

use super::error::Source;

pub(super) use weir_log::{LogError, Record};

/// The log as its one writer sees it.
pub(super) trait BlockLog: fmt::Debug + Send {
    /// Appends records; they are on disk, and seen by readers, when this returns.
    fn append(&mut self, records: &[Record]) -> Result<(), LogError>;

    /// Whether a checkpoint is due.
    fn segment_is_full(&self) -> bool;

    /// Begins a segment with a checkpoint: what the index is made from, were it lost.
    fn begin_segment(&mut self, checkpoint: &[u8]) -> Result<(), LogError>;

    /// Checks that there is space for more than what the log itself needs.
    fn check_space(&self) -> Result<(), LogError>;

    /// Removes the payloads of blocks before an ordinal, in whole segments; says how many.
    fn prune_payloads(&mut self, before: u64) -> Result<u64, LogError>;

    /// Removes the payload of one block; says whether it had one.
    fn prune_payload(&mut self, ordinal: u64) -> Result<bool, LogError>;

    /// Writes the checkpoint before an ordinal, where a segment begins, anew.
    fn put_checkpoint(&mut self, ordinal: u64, checkpoint: &[u8]) -> Result<(), LogError>;

    /// Removes the segments before an ordinal, where one begins.
    fn prune_before(&mut self, ordinal: u64) -> Result<(), LogError>;

    /// Goes back to what was announced after an append that failed.
    fn recover(&mut self) -> Result<(), LogError>;

    /// A view for reading.
    fn reader(&self) -> Box<dyn LogRead>;
}

/// The log as readers see it.
pub(super) trait LogRead: fmt::Debug + Send + Sync {
    /// Ordinals of the records announced.
    fn ordinals(&self) -> Range<u64>;

    /// The record at an ordinal; `None` when it is not announced or is gone on purpose.
    fn read(&self, ordinal: u64) -> Result<Option<Record>, LogError>;

    /// Records from the start of a range on, as many as have about so many bytes, and at least one.
    fn read_range(&self, range: Range<u64>, bytes: usize) -> Result<Vec<Record>, LogError>;

    /// Ordinals that a checkpoint stands before, lowest first.
    fn checkpoints(&self) -> Vec<u64>;

    /// The checkpoint that stands before an ordinal.
    fn checkpoint(&self, ordinal: u64) -> Result<Option<Vec<u8>>, LogError>;
}

/// An index: entries ordered by key.
pub(super) trait Index: fmt::Debug + Send + Sync {
    /// The values of keys, in their order: one page for a caller that needs several.
    fn get(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, Source>;

    /// The first entries from `start` up to and without `end`, at most `limit`.
    fn range(&self, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<Entry>, Source>;

    /// The last entry from `start` up to and with `end`.
    fn last(&self, start: &[u8], end: &[u8]) -> Result<Option<Entry>, Source>;

    /// Writes entries. All of an earlier call survive a crash where any of a later one do; after an
    /// error the index is not written again in this process.
    fn put(&self, entries: &[Entry]) -> Result<(), Source>;

    /// Gives up on writing, so that closing waits for nothing.
    fn abandon(&self);

    /// Waits until all that was put survives a power cut.
    fn sync(&self) -> Result<(), Source>;
}

/// A key and its value.
pub(super) type Entry = (Vec<u8>, Vec<u8>);
