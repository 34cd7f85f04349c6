//! The indexer: takes blocks from a source through ingest into the store, a batch at a time.
//!
//! It is the store's only writer. A batch is written at once and announced after it is on disk;
//! after a restart the indexer goes on behind the last announced block.

mod batch;
mod error;
pub mod feed;
mod resume;
mod taking;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::Versions;

use crate::VERSION;
use crate::ingest::{
    Accepted, Chain, FORK_BLOCKS_MAX, Halt, IngestError, Rule, failure, position_of,
};
use crate::prover::Prover;
use crate::source::ChainFolder;
use crate::store::{CommitError, NewStore, Opened, Reader, Store, StoreOptions, WriteBatch};

pub use error::IndexError;

use batch::BatchWriter;
use feed::{Feed, FolderFeed, Verdict};
use taking::{Batch, Outcome, check_certificates};

/// Indexes what a feed hands out into a store.
#[derive(Debug)]
pub struct Indexer {
    store: Store,
    chain: Chain,
    writer: BatchWriter,
    feed: Box<dyn Feed>,
    stop: Arc<AtomicBool>,
    keep_payloads: Option<u64>,
    versions: Option<Versions>,
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
pub struct IndexProgress {
    /// Blocks in the store.
    pub blocks: u64,
    /// Latest finalized height.
    pub finalized_height: u64,
    /// How much of the source is read, and how much there is: bytes or heights.
    pub source: (u64, u64),
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
                Ok(Self { store, chain, writer, feed, stop, keep_payloads: None, versions: None })
            }
            Opened::Existing(store) => {
                let prover = Prover::new(store.reader());
                feed.resume(&prover)?;
                let (chain, writer) = resume::restore(&prover)?;
                Ok(Self { store, chain, writer, feed, stop, keep_payloads: None, versions: None })
            }
        }
    }

    /// Deletes the payloads of all but the newest blocks as it goes; `None` keeps all.
    #[must_use]
    pub fn keeping_payloads(mut self, blocks: Option<u64>) -> Self {
        self.keep_payloads = blocks;
        self
    }

    /// Takes these protocol state versions for known instead of all that the network may run, as a
    /// version of Weir does that is older than the newest of them.
    #[must_use]
    pub fn knowing(mut self, versions: Versions) -> Self {
        self.versions = Some(versions);
        self.chain.know_versions(versions);
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
    /// [`IndexError::Halted`] when the block is the network's all the same.
    pub fn run(&mut self, progress: impl FnMut(IndexProgress)) -> Result<End, IndexError> {
        let outcome = self.run_batches(progress);
        if !matches!(outcome, Err(IndexError::SourceGone)) {
            self.feed.ended();
        }
        outcome
    }

    fn run_batches(&mut self, mut progress: impl FnMut(IndexProgress)) -> Result<End, IndexError> {
        loop {
            let Batch { mut accepted, positions, mut outcome } = self.next_batch()?;
            if let Err(error) = check_certificates(&mut accepted) {
                outcome = Outcome::Rejected { position: positions[accepted.len()], error };
            }
            let whole = !matches!(outcome, Outcome::Rejected { .. });
            if let Some((index, error)) = self.write(&accepted, whole)? {
                outcome = Outcome::Rejected { position: positions[index], error };
            }
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

    /// Lets the feed find another source for a block, or fails.
    fn reject(&mut self, position: usize, error: IngestError) -> Result<(), IndexError> {
        let prover = Prover::new(self.store.reader());
        match self.feed.reject(position, &error, &mut self.chain) {
            Verdict::Stop => Err(error.into()),
            Verdict::Halt => {
                let halt = Halt { error };
                tell(&halt);
                self.feed.halted(&halt);
                Err(halt.into())
            }
            Verdict::GoOn => {
                // Blocks that were not written may have been taken in already.
                (self.chain, self.writer) = resume::restore(&prover)?;
                self.versions.into_iter().for_each(|known| self.chain.know_versions(known));
                Ok(())
            }
        }
    }

    /// Writes a batch up to the first block that the store has no room for, and returns which that
    /// is; `whole` when the chain is not ahead of the batch.
    fn write(
        &mut self,
        accepted: &[Accepted],
        whole: bool,
    ) -> Result<Option<(usize, IngestError)>, IndexError> {
        let reader = self.store.reader();
        let (mut batch, mut refused) = (WriteBatch::new(), None);
        for (index, block) in accepted.iter().enumerate() {
            match self.writer.add(Some(&reader), &mut batch, block) {
                Ok(()) => {}
                Err(IndexError::Commit(CommitError::TooLong { what, limit, found })) => {
                    let rule = Rule::TooLarge { what, limit, found };
                    refused = Some((index, failure(&position_of(&block.block.header), rule)));
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        let count = refused.as_ref().map_or(accepted.len(), |(index, _)| *index);
        if count == 0 {
            return Ok(refused);
        }
        // After a failure the chain is ahead of what is written, so resume where it did before.
        let resume_ordinal = if whole && refused.is_none() {
            self.chain.resume_ordinal()
        } else {
            self.writer.resume_ordinal()
        };
        self.writer.set_head(&mut batch, resume_ordinal);
        self.store.commit(batch)?;
        if let Some(blocks) = self.keep_payloads {
            // What is not sealed on the final chain is needed to go on.
            let unsealed = self.writer.next_ordinal() - self.chain.resume_ordinal();
            self.store.prune_payloads(blocks.max(unsealed))?;
        }
        self.feed.written(&self.store.reader())?;
        Ok(refused)
    }

    fn progress(&self) -> IndexProgress {
        let reader = self.store.reader();
        let head = reader.head();
        IndexProgress {
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

/// Says by log and metric before which block this version stops, and why.
fn tell(halt: &Halt) {
    let Halt { error: IngestError { block_id, height, rule, .. } } = halt;
    let name = rule.name();
    tracing::error!(
        %block_id, height, rule = name, broken = %rule, version = VERSION,
        "halted: a certified block breaks a rule of this version; nobody is set aside for it"
    );
    let labels = [
        ("block_id", block_id.to_hex()),
        ("height", height.to_string()),
        ("rule", name.to_owned()),
        ("version", VERSION.to_owned()),
    ];
    metrics::gauge!("ingest_halted", &labels).set(1.0);
}
