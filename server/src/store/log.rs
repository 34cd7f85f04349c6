//! The log in segments, `weir-log`, as the engine of blocks.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use weir_log::{Disk, Entry, Files, Log, LogError, LogOptions, LogReader, Record};
use weir_protocol::codec::rlp::RlpError;
use weir_protocol::model::{Block, Header, Identifier};

use super::beginning::{Beginning, newest_beginning};
use super::block::Body;
use super::engine::{BlockLog, LogRead};
use super::error::ReadError;
use super::open::{LOG, StoreOptions};
use crate::payload;

/// A log in a folder.
#[derive(Debug)]
pub(super) struct SegmentLog {
    log: Log,
    files: Arc<dyn Files>,
    reserve_bytes: u64,
}

impl SegmentLog {
    /// Opens the log in `folder`, or begins one there when it is empty or missing.
    pub(super) fn open(folder: &Path, options: &StoreOptions) -> Result<Self, LogError> {
        let files = Disk::new(folder).map_err(|source| failed("open", source))?;
        Self::over(Arc::new(files), options)
    }

    /// As [`Self::open`], over the files of a folder.
    pub(super) fn over(files: Arc<dyn Files>, options: &StoreOptions) -> Result<Self, LogError> {
        let StoreOptions { segment_bytes, reserve_bytes, .. } = *options;
        let log = Log::open(files.clone(), LogOptions { segment_bytes, reserve_bytes })?;
        Ok(Self { log, files, reserve_bytes })
    }
}

fn failed(action: &'static str, source: io::Error) -> LogError {
    LogError::Io { action, file: "the log's folder".to_owned(), source }
}

impl BlockLog for SegmentLog {
    fn append(&mut self, records: &[Record]) -> Result<(), LogError> {
        self.log.append(records)
    }

    fn segment_is_full(&self) -> bool {
        self.log.segment_is_full()
    }

    fn begin_segment(&mut self, checkpoint: &[u8]) -> Result<(), LogError> {
        // The index is written with it.
        self.check_space()?;
        self.log.begin_segment(checkpoint)
    }

    fn check_space(&self) -> Result<(), LogError> {
        let free = self.files.free_bytes().map_err(|source| failed("look at", source))?;
        // The rest of the reserve is for this: what is in the log can still be indexed.
        let needed = self.reserve_bytes / 4;
        if free < needed { Err(LogError::Full { free, needed }) } else { Ok(()) }
    }

    fn prune_payloads(&mut self, before: u64) -> Result<u64, LogError> {
        // What is not a block stays as it is: that is for fsck to name.
        self.log.change_before(before, &mut |record| {
            Body::pruned(&record.body, &record.parent).ok().flatten()
        })
    }

    fn prune_payload(&mut self, ordinal: u64) -> Result<bool, LogError> {
        self.log.change(ordinal, &mut |record| {
            Body::pruned(&record.body, &record.parent).ok().flatten()
        })
    }

    fn put_checkpoint(&mut self, ordinal: u64, checkpoint: &[u8]) -> Result<(), LogError> {
        self.check_space()?;
        weir_log::put_checkpoint(&*self.files, ordinal, checkpoint)
    }

    fn prune_before(&mut self, ordinal: u64) -> Result<(), LogError> {
        self.log.prune_before(ordinal).map(|_| ())
    }

    fn recover(&mut self) -> Result<(), LogError> {
        self.check_space()?;
        self.log.recover()
    }

    fn reader(&self) -> Box<dyn LogRead> {
        Box::new(self.log.reader())
    }
}

impl LogRead for LogReader {
    fn ordinals(&self) -> Range<u64> {
        self.first()..self.end()
    }

    fn read(&self, ordinal: u64) -> Result<Option<Record>, LogError> {
        Ok(Self::read(self, ordinal)?.and_then(Entry::record))
    }

    fn read_range(&self, range: Range<u64>, bytes: usize) -> Result<Vec<Record>, LogError> {
        let entries = Self::read_range(self, range, bytes)?;
        Ok(entries.into_iter().map_while(Entry::record).collect())
    }

    fn checkpoints(&self) -> Vec<u64> {
        Self::checkpoints(self)
    }

    fn checkpoint(&self, ordinal: u64) -> Result<Option<Vec<u8>>, LogError> {
        Self::checkpoint(self, ordinal)
    }
}

/// The log of a data folder, to be read only; a server may have it open.
#[derive(Debug, Clone)]
pub struct LogFolder {
    log: LogReader,
}

impl LogFolder {
    /// Whether a folder holds a log.
    #[must_use]
    pub fn is_at(data: &Path) -> bool {
        data.join(LOG).is_dir()
    }

    /// Opens the log of a data folder as it is now; nothing is written.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn open(data: &Path) -> Result<Self, ReadError> {
        let fail = |error| ReadError::from_log(0, error);
        let folder = data.join(LOG);
        if !folder.is_dir() {
            return Err(fail(failed("open", io::ErrorKind::NotFound.into())));
        }
        let files = Disk::new(folder).map_err(|source| fail(failed("open", source)))?;
        Ok(Self { log: LogReader::open(Arc::new(files)).map_err(fail)? })
    }

    /// The ordinals of the blocks there are.
    #[must_use]
    pub fn ordinals(&self) -> Range<u64> {
        LogRead::ordinals(&self.log)
    }

    /// The blocks from an ordinal on, as many as are worth reading at once; none from the end on.
    ///
    /// # Errors
    /// When the first of them is damaged or gone.
    pub fn blocks_from(&self, ordinal: u64) -> Result<Vec<LoggedBlock>, ReadError> {
        blocks(&self.log, ordinal..self.ordinals().end)
    }

    /// Where an index of the log would begin.
    ///
    /// # Errors
    /// None benign.
    pub fn beginning(&self) -> Result<Option<Beginning>, ReadError> {
        newest_beginning(&self.log)
    }
}

/// A block as it came, read from the log alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedBlock {
    /// Block ID.
    pub id: Identifier,
    /// The header.
    pub header: Header,
    /// ID of the protocol state after the block.
    pub protocol_state_id: Identifier,
    /// The proposer's own signature; empty where the source had none.
    pub proposer_sig_data: Vec<u8>,
    /// The payload; `None` when it was pruned.
    pub payload: Option<Vec<u8>>,
}

impl LoggedBlock {
    /// The block in full; `None` when its payload was pruned.
    ///
    /// # Errors
    /// When the payload is malformed.
    pub fn into_block(self) -> Result<Option<Block>, RlpError> {
        let Self { id: _, header, protocol_state_id, proposer_sig_data, payload } = self;
        let Some(payload) = payload else { return Ok(None) };
        let (payload, last_view_tc) = payload::decode_whole(&payload, protocol_state_id)?;
        Ok(Some(Block { header, last_view_tc, payload, proposer_sig_data }))
    }
}

/// The blocks of a range, as many as have about [`READ_BYTES`], and at least one.
pub(super) fn blocks(log: &dyn LogRead, range: Range<u64>) -> Result<Vec<LoggedBlock>, ReadError> {
    let first = range.start;
    let records = log.read_range(range.clone(), READ_BYTES);
    let records = records.map_err(|error| ReadError::from_log(first, error))?;
    if records.is_empty() && !range.is_empty() {
        return Err(ReadError::Gone { ordinal: first });
    }
    (first..).zip(records).map(|(ordinal, record)| block(ordinal, &record)).collect()
}

/// The block of a record.
pub(super) fn block(ordinal: u64, record: &Record) -> Result<LoggedBlock, ReadError> {
    let body = Body::decode(&record.body, &record.parent);
    let body = body.map_err(|error| ReadError::Malformed { ordinal, reason: error.to_string() })?;
    Ok(body.into_logged(Identifier(record.id)))
}

/// Bytes read from the log at once, about.
const READ_BYTES: usize = 4 << 20;
