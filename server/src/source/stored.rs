//! A data folder as a source: the blocks of its log, or of its database in format 3, in the order in
//! which they were indexed there.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::vec::IntoIter;

use weir_migrations::{OldBlock, OldStore};
use weir_proto::convert::block_to_wire;
use weir_proto::flow::entities;
use weir_protocol::codec::Entity as _;
use weir_protocol::codec::rlp::Decoder;
use weir_protocol::model::{Header, Identifier};

use super::SourceError;
use crate::store::{LogFolder, LoggedBlock};

/// What has blocks stored.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    path: PathBuf,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Log(LogFolder),
    Old(Arc<Mutex<OldStore>>),
}

/// Blocks of a log, from the first.
#[derive(Debug)]
pub(super) struct StoredBlocks {
    stored: Stored,
    /// The ordinal after the last one read.
    next: u64,
    read: IntoIter<LoggedBlock>,
    failed: bool,
}

impl Stored {
    /// The log of a data folder as it is now; a server may have it open.
    pub(super) fn of_data(path: &Path) -> Result<Self, SourceError> {
        let path = path.to_owned();
        match LogFolder::open(&path) {
            Ok(log) => Ok(Self { path, content: Content::Log(log) }),
            Err(source) => Err(SourceError::Store { path, source }),
        }
    }

    /// A data folder of format 3, which is locked.
    pub(super) fn of_old_store(path: &Path) -> Result<Self, SourceError> {
        let path = path.to_owned();
        match OldStore::open(&path) {
            Ok(old) => Ok(Self { path, content: Content::Old(Arc::new(Mutex::new(old))) }),
            Err(source) => Err(SourceError::OldStore { path, source }),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn snapshot_json(&self) -> Result<Vec<u8>, SourceError> {
        let path = || self.path.clone();
        match &self.content {
            Content::Log(log) => {
                let beginning = log.beginning();
                let beginning =
                    beginning.map_err(|source| SourceError::Store { path: path(), source })?;
                beginning.map(|it| it.json).ok_or_else(|| SourceError::NoRoot { path: path() })
            }
            Content::Old(old) => {
                let old = old.lock().unwrap_or_else(PoisonError::into_inner);
                old.root_snapshot().map_err(|source| SourceError::OldStore { path: path(), source })
            }
        }
    }

    pub(super) fn blocks(&self) -> Result<StoredBlocks, SourceError> {
        let next = match &self.content {
            Content::Log(log) => log.beginning().map(|it| it.map_or(0, |it| it.ordinal)),
            Content::Old(_) => Ok(0),
        };
        let next = next.map_err(|source| SourceError::Store { path: self.path.clone(), source })?;
        Ok(self.blocks_at(next))
    }

    /// Blocks from an ordinal on.
    pub(super) fn blocks_at(&self, next: u64) -> StoredBlocks {
        let read = Vec::new().into_iter();
        StoredBlocks { stored: self.clone(), next, read, failed: false }
    }

    fn end(&self) -> u64 {
        match &self.content {
            Content::Log(log) => log.ordinals().end,
            Content::Old(old) => old.lock().unwrap_or_else(PoisonError::into_inner).blocks(),
        }
    }

    fn blocks_from(&self, first: u64) -> Result<Vec<LoggedBlock>, SourceError> {
        let path = || self.path.clone();
        match &self.content {
            Content::Log(log) => {
                log.blocks_from(first).map_err(|source| SourceError::Store { path: path(), source })
            }
            Content::Old(old) => {
                let old = old.lock().unwrap_or_else(PoisonError::into_inner);
                let blocks = old.blocks_from(first);
                let blocks =
                    blocks.map_err(|source| SourceError::OldStore { path: path(), source })?;
                (first..).zip(blocks).map(|(ordinal, block)| self.of_old(ordinal, block)).collect()
            }
        }
    }

    fn of_old(&self, ordinal: u64, block: OldBlock) -> Result<LoggedBlock, SourceError> {
        let OldBlock { header, protocol_state_id, proposer_sig_data, payload } = block;
        let mut decoder = Decoder::own(&header);
        let header = Header::decode(&mut decoder)
            .map_err(|error| self.fault(ordinal, format!("its header is malformed: {error}")))?;
        Ok(LoggedBlock {
            id: header.id(),
            header,
            protocol_state_id: Identifier(protocol_state_id),
            proposer_sig_data,
            payload,
        })
    }

    fn fault(&self, ordinal: u64, reason: String) -> SourceError {
        SourceError::StoredBlock { path: self.path.clone(), ordinal, reason }
    }
}

impl StoredBlocks {
    /// Blocks handed out so far, and in all.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.next - self.read.len() as u64, self.stored.end())
    }

    /// Passes over so many blocks, or over all that there are.
    pub(super) fn pass_over(&mut self, count: u64) {
        let (at, end) = self.progress();
        self.next = at.saturating_add(count).min(end);
        self.read = Vec::new().into_iter();
    }

    fn take(&mut self) -> Result<Option<entities::Block>, SourceError> {
        if self.read.len() == 0 {
            let blocks = self.stored.blocks_from(self.next)?;
            self.next += blocks.len() as u64;
            self.read = blocks.into_iter();
        }
        let Some(block) = self.read.next() else { return Ok(None) };
        let ordinal = self.next - 1 - self.read.len() as u64;
        let fault = |reason: String| self.stored.fault(ordinal, reason);
        let block = block.into_block();
        let block = block.map_err(|error| fault(format!("its payload is malformed: {error}")))?;
        let block = block.ok_or_else(|| {
            fault("its payload was pruned; take a source that has all blocks".to_owned())
        })?;
        Ok(Some(block_to_wire(&block)))
    }
}

impl Iterator for StoredBlocks {
    type Item = Result<entities::Block, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let taken = self.take().transpose();
        self.failed = matches!(taken, Some(Err(_)));
        taken
    }
}
