//! The indexer: takes blocks from a source through ingest into the store, a batch at a time.
//!
//! It is the store's only writer. A batch is written at once and announced after it is on disk;
//! after a restart the indexer goes on behind the last announced block.

mod batch;
mod error;
pub mod feed;
pub mod payload;
mod resume;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use prost::Message as _;
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use weir_proto::flow::entities;
use weir_protocol::codec::snapshot::Snapshot;

use crate::ingest::certificates::{Claim, Thoroughness, verify};
use crate::ingest::{Accepted, Chain, FORK_BLOCKS_MAX, IngestError, Prepared};
use crate::prover::Prover;
use crate::source::ChainFolder;
use crate::store::{NewStore, Opened, Reader, Store, StoreOptions, WriteBatch};

pub use error::IndexError;

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
    keep_payloads: Option<u64>,
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
    /// Where they were among the blocks that the source handed out.
    positions: Vec<usize>,
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
    Rejected {
        /// Where it was among the blocks that the source handed out.
        position: usize,
        /// The rule.
        error: IngestError,
    },
    /// The source fails.
    Failed(IndexError),
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
                Ok(Self { store, chain, writer, feed, stop, keep_payloads: None })
            }
            Opened::Existing(store) => {
                let prover = Prover::new(store.reader());
                feed.resume(&prover)?;
                let (chain, writer) = resume::restore(&prover)?;
                Ok(Self { store, chain, writer, feed, stop, keep_payloads: None })
            }
        }
    }

    /// Deletes the payloads of all but the newest blocks as it goes; `None` keeps all.
    #[must_use]
    pub fn keeping_payloads(mut self, blocks: Option<u64>) -> Self {
        self.keep_payloads = blocks;
        self
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
            let Batch { mut accepted, positions, mut outcome } = self.next_batch()?;
            if let Err(error) = check_certificates(&mut accepted) {
                outcome = Outcome::Rejected { position: positions[accepted.len()], error };
            }
            let whole = !matches!(outcome, Outcome::Rejected { .. });
            self.write(&accepted, whole)?;
            if !accepted.is_empty() {
                progress(self.progress());
            }
            match outcome {
                Outcome::Rejected { position, error } => self.reject(position, error)?,
                Outcome::Failed(error) => return Err(error),
                Outcome::End => return Ok(End::SourceExhausted),
                Outcome::Full | Outcome::Idle if self.stop.load(Ordering::Relaxed) => {
                    return Ok(End::Stopped);
                }
                Outcome::Full | Outcome::Idle => {
                    self.feed.settled();
                    self.chain.prune();
                }
            }
        }
    }

    /// The next blocks of the source, hashed on all cores and then taken one by one.
    fn next_batch(&mut self) -> Result<Batch, IndexError> {
        let (wires, mut outcome) = self.next_wires()?;
        let prepared: Vec<_> = wires.into_par_iter().map(Prepared::new).collect();
        let mut accepted = Vec::with_capacity(prepared.len());
        let mut positions = Vec::with_capacity(prepared.len());
        for (position, block) in prepared.into_iter().enumerate() {
            let ordinal = self.writer.next_ordinal() + accepted.len() as u64;
            match block.and_then(|block| self.chain.extend(block, ordinal)) {
                Ok(block) => {
                    accepted.push(block);
                    positions.push(position);
                }
                Err(error) if self.feed.skips(&error) => {}
                Err(error) => {
                    outcome = Outcome::Rejected { position, error };
                    break;
                }
            }
        }
        Ok(Batch { accepted, positions, outcome })
    }

    /// Waits for a block, and takes what else there is already.
    fn next_wires(&mut self) -> Result<(Vec<entities::Block>, Outcome), IndexError> {
        let (mut wires, mut bytes) = (Vec::new(), 0);
        while wires.len() < BATCH_BLOCKS && bytes < BATCH_BYTES {
            let wait = if wires.is_empty() { Wait::Yes } else { Wait::No };
            match self.feed.next(wait) {
                Ok(Next::Block(wire)) => {
                    bytes += wire.encoded_len();
                    wires.push(*wire);
                }
                Ok(Next::Nothing) => return Ok((wires, Outcome::Idle)),
                Ok(Next::End) => return Ok((wires, Outcome::End)),
                Err(error) if wires.is_empty() => return Err(error),
                // The blocks before it come first.
                Err(error) => return Ok((wires, Outcome::Failed(error))),
            }
        }
        Ok((wires, Outcome::Full))
    }

    /// Lets the feed find another source for a block, or fails.
    fn reject(&mut self, position: usize, error: IngestError) -> Result<(), IndexError> {
        let prover = Prover::new(self.store.reader());
        match self.feed.reject(position, &error) {
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
        if let Some(blocks) = self.keep_payloads {
            // What is not sealed on the final chain is needed to go on.
            let unsealed = self.writer.next_ordinal() - self.chain.resume_ordinal();
            self.store.prune_payloads(blocks.max(unsealed))?;
        }
        self.feed.written(&self.store.reader().head().finalized);
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

/// Blocks checked and written together, at most.
const BATCH_BLOCKS: usize = 256;
/// Bytes of blocks checked and written together, but for the last one.
const BATCH_BYTES: usize = 64 << 20;
