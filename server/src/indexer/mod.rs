//! The indexer: takes blocks from a source through ingest into the store, a batch at a time.
//!
//! It is the store's only writer. A batch is written at once and announced after it is on disk;
//! after a restart the indexer goes on behind the last announced block.

mod batch;
pub mod payload;
mod resume;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use thiserror::Error;
use weir_protocol::codec::snapshot::Snapshot;

use crate::ingest::certificates::{Claim, Thoroughness, verify};
use crate::ingest::{Accepted, Chain, FORK_BLOCKS_MAX, IngestError, check_root};
use crate::prover::{Prover, ProverError};
use crate::source::{Blocks, ChainFolder, SourceError};
use crate::store::{
    CommitError, NewStore, OpenError, Opened, ReadError, Reader, Store, StoreOptions, WriteBatch,
};

use batch::BatchWriter;

/// Indexes one chain folder into a store.
#[derive(Debug)]
pub struct Indexer {
    store: Store,
    chain: Chain,
    writer: BatchWriter,
    blocks: Blocks,
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
    /// Bytes of the source read, and in all.
    pub source_bytes: (u64, u64),
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
        let json = folder.snapshot_json()?;
        let snapshot = folder.parse_snapshot(&json)?;
        let mut blocks = folder.blocks()?;
        let first = blocks.next().ok_or(IndexError::NoBlocks)??;
        match Store::open(data, options)? {
            Opened::New(store) => {
                let (chain, root) = Chain::from_snapshot(&snapshot, FORK_BLOCKS_MAX)?;
                check_root(&root, first)?;
                let (store, writer) = begin(store, &snapshot, json, &root)?;
                Ok(Self { store, chain, writer, blocks, stop })
            }
            Opened::Existing(store) => {
                let prover = Prover::new(store.reader());
                resume::check_same_chain(&prover.head(), &snapshot)?;
                resume::skip(&mut blocks, &prover, &first)?;
                let (chain, writer) = resume::restore(&prover)?;
                Ok(Self { store, chain, writer, blocks, stop })
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
    /// When the source cannot be read or has a block that breaks a rule (the blocks before it are
    /// indexed), or when the store fails.
    pub fn run(&mut self, mut progress: impl FnMut(Progress)) -> Result<End, IndexError> {
        loop {
            let (mut accepted, mut failure) = self.next_batch();
            let exhausted = accepted.len() < BATCH_BLOCKS;
            if let Err(error) = check_certificates(&mut accepted) {
                failure = Some(error.into());
            }
            self.write(&accepted, failure.is_none())?;
            progress(self.progress());
            match failure {
                Some(failure) => return Err(failure),
                None if exhausted => return Ok(End::SourceExhausted),
                None if self.stop.load(Ordering::Relaxed) => return Ok(End::Stopped),
                None => self.chain.prune(),
            }
        }
    }

    /// The next blocks of the source, and why there are not more of them.
    fn next_batch(&mut self) -> (Vec<Accepted>, Option<IndexError>) {
        let mut accepted = Vec::with_capacity(BATCH_BLOCKS);
        while accepted.len() < BATCH_BLOCKS {
            let ordinal = self.writer.next_ordinal() + accepted.len() as u64;
            let block = match self.blocks.next() {
                None => break,
                Some(Ok(wire)) => self.chain.extend(wire, ordinal).map_err(IndexError::from),
                Some(Err(error)) => Err(error.into()),
            };
            match block {
                Ok(block) => accepted.push(block),
                Err(error) => return (accepted, Some(error)),
            }
        }
        (accepted, None)
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
        Ok(self.store.commit(batch)?)
    }

    fn progress(&self) -> Progress {
        let reader = self.store.reader();
        let head = reader.head();
        Progress {
            blocks: head.blocks,
            finalized_height: head.finalized.height,
            source_bytes: self.blocks.progress(),
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
        expected: weir_protocol::model::Identifier,
        /// Block in the source.
        found: String,
    },
    /// There is not even a root block.
    #[error("the source has no blocks; the first must be the head of the root snapshot")]
    NoBlocks,
}

/// Blocks checked and written together.
const BATCH_BLOCKS: usize = 256;
