//! The indexer: takes blocks from a source through ingest into the store, a batch at a time.
//!
//! It is the store's only writer. A batch is written at once and announced after it is on disk;
//! after a restart the indexer goes on behind the last announced block.

mod batch;
pub mod feed;
pub mod payload;
mod resume;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use prost::Message as _;
use thiserror::Error;
use weir_protocol::codec::snapshot::{Snapshot, SnapshotError};
use weir_protocol::model::Identifier;

use crate::ingest::certificates::{Claim, Thoroughness, verify};
use crate::ingest::{Accepted, Chain, FORK_BLOCKS_MAX, IngestError};
use crate::prover::{Prover, ProverError};
use crate::source::{ChainFolder, SourceError};
use crate::store::{
    CommitError, NewStore, OpenError, Opened, ReadError, Reader, Store, StoreOptions, WriteBatch,
};

use batch::BatchWriter;
use feed::{Feed, FolderFeed, Next, Verdict, Wait};

/// Indexes what a feed hands out into a store.
#[derive(Debug)]
pub struct Indexer {
    store: Store,
    chain: Chain,
    writer: BatchWriter,
    feed: Box<dyn Feed>,
    stop: Arc<AtomicBool>,
}

/// How indexing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The source has no more blocks.
    SourceExhausted,
    /// Somebody asked to stop.
    Stopped,
}

/// How far indexing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Blocks in the store.
    pub blocks: u64,
    /// Latest finalized height.
    pub finalized_height: u64,
    /// How much of the source is read, and how much there is: bytes or heights.
    pub source: (u64, u64),
}

/// Blocks that were accepted, and why there are not more of them.
struct Batch {
    accepted: Vec<Accepted>,
    outcome: Outcome,
}

enum Outcome {
    /// The batch is full.
    Full,
    /// The source has nothing more at the moment.
    Idle,
    /// The source has no more blocks.
    End,
    /// A block breaks a rule.
    Rejected(IngestError),
}

impl Indexer {
    /// Opens the store in `data`, beginning one with the folder's root if there is none, and gets
    /// ready to go on behind its last block. Indexing stops soon after `stop` becomes true.
    ///
    /// # Errors
    /// When the store cannot be opened, or the folder is of another chain or cannot be read.
    pub fn open(
        data: &Path,
        options: StoreOptions,
        folder: &ChainFolder,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, IndexError> {
        Self::open_feed(data, options, Box::new(FolderFeed::open(folder)?), stop)
    }

    /// As [`Self::open`], for any feed.
    ///
    /// # Errors
    /// When the store cannot be opened, or the feed is of another chain or gives no root.
    pub fn open_feed(
        data: &Path,
        options: StoreOptions,
        mut feed: Box<dyn Feed>,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, IndexError> {
        match Store::open(data, options)? {
            Opened::New(store) => {
                let (snapshot, json) = feed.root_snapshot()?;
                let (chain, root) = Chain::from_snapshot(&snapshot, FORK_BLOCKS_MAX)?;
                feed.begin(&snapshot, &root)?;
                let (store, writer) = begin(store, &snapshot, json, &root)?;
                Ok(Self { store, chain, writer, feed, stop })
            }
            Opened::Existing(store) => {
                let prover = Prover::new(store.reader());
                feed.resume(&prover)?;
                let (chain, writer) = resume::restore(&prover)?;
                Ok(Self { store, chain, writer, feed, stop })
            }
        }
    }

    /// A reader of what is indexed.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.store.reader()
    }

    /// Indexes until the source ends or somebody asks to stop.
    ///
    /// # Errors
    /// When the source cannot be read, or has a block that breaks a rule and no other source has a
    /// better one (the blocks before it are indexed), or when the store fails.
    pub fn run(&mut self, mut progress: impl FnMut(Progress)) -> Result<End, IndexError> {
        loop {
            let Batch { mut accepted, mut outcome } = self.next_batch()?;
            if let Err(error) = check_certificates(&mut accepted) {
                outcome = Outcome::Rejected(error);
            }
            let whole = !matches!(outcome, Outcome::Rejected(_));
            self.write(&accepted, whole)?;
            if !accepted.is_empty() {
                progress(self.progress());
            }
            match outcome {
                Outcome::Rejected(error) => self.reject(error)?,
                Outcome::End => return Ok(End::SourceExhausted),
                Outcome::Full | Outcome::Idle if self.stop.load(Ordering::Relaxed) => {
                    return Ok(End::Stopped);
                }
                Outcome::Full | Outcome::Idle => self.chain.prune(),
            }
        }
    }

    /// The next blocks of the source.
    fn next_batch(&mut self) -> Result<Batch, IndexError> {
        let mut accepted = Vec::with_capacity(BATCH_BLOCKS);
        let mut bytes = 0;
        while accepted.len() < BATCH_BLOCKS && bytes < BATCH_BYTES {
            let wait = if accepted.is_empty() { Wait::Yes } else { Wait::No };
            let wire = match self.feed.next(wait)? {
                Next::Block(wire) => *wire,
                Next::Nothing => return Ok(Batch { accepted, outcome: Outcome::Idle }),
                Next::End => return Ok(Batch { accepted, outcome: Outcome::End }),
            };
            bytes += wire.encoded_len();
            let ordinal = self.writer.next_ordinal() + accepted.len() as u64;
            match self.chain.extend(wire, ordinal) {
                Ok(block) => accepted.push(block),
                Err(error) if self.feed.skips(&error) => {}
                Err(error) => return Ok(Batch { accepted, outcome: Outcome::Rejected(error) }),
            }
        }
        Ok(Batch { accepted, outcome: Outcome::Full })
    }

    /// Lets the feed find another source for a block, or fails.
    fn reject(&mut self, error: IngestError) -> Result<(), IndexError> {
        let prover = Prover::new(self.store.reader());
        match self.feed.reject(&error, &prover.head().finalized) {
            Verdict::Stop => Err(error.into()),
            Verdict::GoOn => {
                // Blocks that were not written may have been taken in already.
                (self.chain, self.writer) = resume::restore(&prover)?;
                Ok(())
            }
        }
    }

    /// Writes a batch; `whole` when the chain is not ahead of it.
    fn write(&mut self, accepted: &[Accepted], whole: bool) -> Result<(), IndexError> {
        if accepted.is_empty() {
            return Ok(());
        }
        let reader = self.store.reader();
        let mut batch = WriteBatch::new();
        for block in accepted {
            self.writer.add(Some(&reader), &mut batch, block)?;
        }
        // After a failure the chain is ahead of what is written, so resume where it did before.
        let resume_ordinal =
            if whole { self.chain.resume_ordinal() } else { self.writer.resume_ordinal() };
        self.writer.set_head(&mut batch, resume_ordinal);
        self.store.commit(batch)?;
        self.feed.written(accepted, &self.store.reader().head().finalized);
        Ok(())
    }

    fn progress(&self) -> Progress {
        let reader = self.store.reader();
        let head = reader.head();
        Progress {
            blocks: head.blocks,
            finalized_height: head.finalized.height,
            source: self.feed.progress(),
        }
    }
}

/// Begins a store with the root block, so that there is a head.
fn begin(
    store: NewStore,
    snapshot: &Snapshot,
    json: Vec<u8>,
    root: &Accepted,
) -> Result<(Store, BatchWriter), IndexError> {
    let mut writer = BatchWriter::begin(snapshot, root);
    let mut batch = WriteBatch::new();
    batch.set_root_snapshot(json);
    writer.add(None, &mut batch, root)?;
    writer.set_head(&mut batch, 0);
    Ok((store.initialize(batch)?, writer))
}

/// Checks the certificates of a batch; on failure only the blocks before the failing one remain.
fn check_certificates(accepted: &mut Vec<Accepted>) -> Result<(), IngestError> {
    let claims: Vec<Claim> = accepted.iter().filter_map(|block| block.claim.clone()).collect();
    let result = verify(&claims, Thoroughness::Unvouched);
    if let Err(error) = &result {
        let failing = accepted.iter().position(|block| block.block_id == error.block_id);
        accepted.truncate(failing.unwrap_or_default());
    }
    result
}

/// Why indexing ended early.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A block breaks a rule.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store cannot be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store's content cannot be used to go on.
    #[error("cannot resume: {0}")]
    Resume(#[from] ProverError),
    /// The source is of another chain or spork.
    #[error(
        "the data folder holds {field} {expected}, the source is of {found}; use another data \
         folder, or the source it was made from"
    )]
    AnotherChain {
        /// Chain or spork.
        field: &'static str,
        /// What the store has.
        expected: String,
        /// What the source has.
        found: String,
    },
    /// The source does not have the blocks that the store has.
    #[error(
        "block {ordinal} of the source is {found}, the data folder has {expected} there; the \
         source was changed"
    )]
    AnotherOrder {
        /// Position in the source.
        ordinal: u64,
        /// Block stored there.
        expected: Identifier,
        /// Block in the source.
        found: String,
    },
    /// No access node gave the snapshot of the checkpoint.
    #[error(
        "no snapshot of checkpoint {block_id}: {reasons}; nodes keep snapshots of finalized blocks \
         since their own root, so try another node, a newer checkpoint, or --root FILE"
    )]
    NoCheckpoint {
        /// The checkpoint.
        block_id: Identifier,
        /// What each node said.
        reasons: String,
    },
    /// The store was begun elsewhere and does not have the checkpoint.
    #[error(
        "the data folder does not hold checkpoint {block_id}; use another data folder, or the \
         checkpoint it was begun with"
    )]
    AnotherCheckpoint {
        /// The checkpoint.
        block_id: Identifier,
    },
    /// A root snapshot that cannot be used.
    #[error("root snapshot: {0}")]
    RootSnapshot(#[from] SnapshotError),
    /// What fetches blocks has stopped.
    #[error("the block fetcher stopped unexpectedly; start the server again")]
    SourceGone,
    /// There is not even a root block.
    #[error("the source has no blocks; the first must be the head of the root snapshot")]
    NoBlocks,
}

/// Blocks checked and written together, at most.
const BATCH_BLOCKS: usize = 256;
/// Bytes of blocks checked and written together, but for the last one.
const BATCH_BYTES: usize = 64 << 20;
