//! Blocks on disk: a log of them, which is the truth, and an index, which follows from it.
//!
//! One writer, many readers. A [`WriteBatch`] goes to the log, and when it is on disk there, to the
//! index; only then its [`Head`] is announced. A [`Reader`] sees the store as of one head. What the
//! index loses is written again from the log, by committing the same batches again. Everything is
//! checked when it is read: damage is an error that says what to do, never a panic and never wrong
//! data. The format: `docs/format.md`.
//!
//! The store does not interpret states, and never decides what is finalized or sealed.

mod batch;
mod beacons;
mod beginning;
mod block;
mod cache;
mod checkpoint;
#[cfg(test)]
mod contract;
mod engine;
mod entries;
mod error;
mod fsck;
mod inspect;
mod keys;
mod log;
mod open;
mod pages;
mod reader;
mod records;
mod report;
mod sled_index;
mod value;
mod writer;
mod writes;

pub use batch::{PAYLOAD_BYTES_MAX, PREIMAGE_BYTES_MAX, WriteBatch};
pub use beginning::Beginning;
pub use block::{BlockRecord, SealedRef, StoredBlock, payload_roots};
pub use error::{CommitError, OpenError, ReadError, Refusal};
pub use fsck::{fsck, fsck_view};
pub use inspect::{InspectedIndex, Inspection};
pub use log::{LogFolder, LoggedBlock};
pub use open::{
    DATA_NAMES, NewStore, Opened, StoreOptions, check_version, index_folder, log_folder, record_of,
    root_checkpoint, set_index_aside,
};
pub use reader::{BLOCKS_MAX, Reader};
pub use records::{BlockRef, ChainInfo, EpochRecord, Head};
pub use report::{Finding, FsckReport, PayloadFacts};

use cache::Caches;
use checkpoint::Checkpoint;
use engine::{BlockLog, LogRead};
use entries::Entries;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::watch;
use weir_migrations::FolderLock;
use weir_protocol::model::Identifier;

/// Version of the format this crate reads and writes.
pub const FORMAT_VERSION: u32 = 4;

/// An open store with at least one block, and the only means to write to it.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    log: Box<dyn BlockLog>,
    state: State,
    /// Whether the disk failed at the latest write.
    refused: bool,
    aside: Vec<std::path::PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Stopped,
}

impl Store {
    /// Writes a batch, waits until the log has it on disk, and only then announces its head.
    ///
    /// Blocks that the log has already, because the index is behind it, are only indexed.
    /// Blocks the thread for some milliseconds: call it from a dedicated one.
    ///
    /// # Errors
    /// [`CommitError::Log`] when the disk refuses: nothing is changed, and the same batch may be
    /// given again after [`Self::recover`]. Any other error is final: the store refuses further
    /// batches until it is opened again.
    pub fn commit(&mut self, batch: &WriteBatch) -> Result<(), CommitError> {
        if self.state == State::Stopped {
            return Err(CommitError::Stopped);
        }
        let committed = self.try_commit(batch);
        self.refused = committed.as_ref().is_err_and(|e| e.refusal() == Some(Refusal::Failing));
        self.state = match &committed {
            Ok(()) | Err(CommitError::Log(_)) => State::Open,
            Err(_) => State::Stopped,
        };
        committed
    }

    fn try_commit(&mut self, batch: &WriteBatch) -> Result<(), CommitError> {
        let present = Arc::clone(&self.shared.head.borrow());
        let entries = &self.shared.entries;
        let (writes, head) = writer::changes(entries, Some(&present), batch)?;
        if append(&mut *self.log, present.blocks, batch)? == Appended::No {
            self.log.check_space().map_err(CommitError::from_log)?;
        }
        entries.put(writes.into_entries());
        self.shared.head.send_replace(Arc::new(head));
        if entries.is_due() { entries.write() } else { Ok(()) }
    }

    /// Gets the log ready to be written again, after [`CommitError::Log`].
    ///
    /// # Errors
    /// [`CommitError::Log`] while the disk still refuses.
    pub fn recover(&mut self) -> Result<(), CommitError> {
        self.log.recover().map_err(CommitError::from_log)
    }

    /// Whether a checkpoint is due; see [`Self::checkpoint`].
    #[must_use]
    pub fn checkpoint_is_due(&self) -> bool {
        self.log.segment_is_full() && self.log.reader().ordinals().end == self.head().blocks
    }

    /// Makes the index survive a power cut, and writes a checkpoint from which it could be made.
    ///
    /// `preimages` are what the blocks from the head's resume ordinal on have for states, and all
    /// that those name.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn checkpoint(&mut self, preimages: &BTreeSet<Identifier>) -> Result<(), CommitError> {
        if self.state == State::Stopped {
            return Err(CommitError::Stopped);
        }
        let bytes = self.checkpoint_bytes(preimages)?;
        self.log.check_space().map_err(CommitError::from_log)?;
        self.sync()?;
        self.log.begin_segment(&bytes).map_err(CommitError::from_log)
    }

    /// The checkpoint that stands behind the head's blocks.
    ///
    /// # Errors
    /// None benign.
    pub fn checkpoint_bytes(&self, preimages: &BTreeSet<Identifier>) -> Result<Vec<u8>, ReadError> {
        let checkpoint = self.reader().checkpoint(preimages)?;
        Ok(Checkpoint::Later(Box::new(checkpoint)).to_bytes())
    }

    /// Makes the index survive a power cut.
    ///
    /// # Errors
    /// [`CommitError::Index`], which is final.
    pub fn sync(&mut self) -> Result<(), CommitError> {
        if self.state == State::Stopped {
            return Err(CommitError::Stopped);
        }
        let synced = self.shared.entries.sync();
        if synced.is_err() {
            self.state = State::Stopped;
        }
        synced
    }

    /// How many blocks the log has: more than the head, while the index is behind.
    #[must_use]
    pub fn logged(&self) -> u64 {
        self.log.reader().ordinals().end
    }

    /// Removes what was set aside of earlier indexes, once the index has all blocks of the log.
    ///
    /// # Errors
    /// [`CommitError::Index`], which is final.
    pub fn caught_up(&mut self) -> Result<(), CommitError> {
        if self.aside.is_empty() {
            return Ok(());
        }
        self.sync()?;
        for folder in self.aside.drain(..) {
            match std::fs::remove_dir_all(&folder) {
                Ok(()) => tracing::info!(
                    folder = %folder.display(),
                    "the index is complete again; the one set aside is removed"
                ),
                Err(error) => tracing::warn!(folder = %folder.display(), %error, "cannot remove"),
            }
        }
        Ok(())
    }

    /// The blocks of the log from an ordinal on, as many as are worth reading at once; none behind
    /// the last.
    ///
    /// # Errors
    /// None benign.
    pub fn logged_from(&self, ordinal: u64) -> Result<Vec<LoggedBlock>, ReadError> {
        let log = &self.shared.log;
        log::blocks(&**log, ordinal..log.ordinals().end)
    }

    /// Removes payloads that are older than the newest `keep_blocks` blocks from the log, in whole
    /// segments, and says how many payloads went.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn prune_payloads(&mut self, keep_blocks: u64) -> Result<u64, CommitError> {
        let before = self.head().blocks.saturating_sub(keep_blocks);
        let pruned = self.log.prune_payloads(before).map_err(CommitError::from_log)?;
        if pruned > 0 {
            self.shared.caches.blocks.clear();
        }
        Ok(pruned)
    }

    /// A view of the store as of the newest head.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared))
    }

    /// The newest head, now and whenever it changes.
    #[must_use]
    pub fn watch_head(&self) -> watch::Receiver<Arc<Head>> {
        self.shared.head.subscribe()
    }

    fn head(&self) -> Arc<Head> {
        Arc::clone(&self.shared.head.borrow())
    }
}

impl Drop for Store {
    /// A clean end leaves an index that need not catch up, whatever happens to the machine then.
    fn drop(&mut self) {
        if self.refused || self.state == State::Stopped || self.log.check_space().is_err() {
            // On a disk that refuses, the index's database may wait for ever to be written.
            self.shared.entries.abandon();
        } else if let Err(error) = self.sync() {
            tracing::warn!(%error, "the index is not whole on disk; the next start goes on with the log");
        }
    }
}

/// Appends what the log does not have of a batch that begins at `first`.
fn append(log: &mut dyn BlockLog, first: u64, batch: &WriteBatch) -> Result<Appended, CommitError> {
    let reader = log.reader();
    let end = reader.ordinals().end;
    let logged = usize::try_from(end.saturating_sub(first)).unwrap_or(usize::MAX);
    let (known, new) = batch.records.split_at(logged.min(batch.records.len()));
    // They were read from the log, so that one tells another log's batch; all would be read twice.
    if let Some(last) = known.last() {
        let ordinal = first + known.len() as u64 - 1;
        let record = reader.read(ordinal).map_err(CommitError::from_log)?;
        if record.is_none_or(|record| record.id != last.id) {
            let reason = format!("the log has another block {ordinal}");
            return Err(CommitError::Inconsistent { reason });
        }
    }
    if new.is_empty() {
        return Ok(Appended::No);
    }
    log.append(new).map_err(CommitError::from_log)?;
    Ok(Appended::Yes)
}

/// Whether anything of a batch was new to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Appended {
    Yes,
    No,
}

/// What the writer and all readers share.
#[derive(Debug)]
struct Shared {
    entries: Entries,
    log: Box<dyn LogRead>,
    caches: Caches,
    head: watch::Sender<Arc<Head>>,
    // Fields drop in order: others may have the folder when the index is closed.
    #[expect(dead_code, reason = "it is held")]
    lock: Option<FolderLock>,
}
