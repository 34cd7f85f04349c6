//! The indexer: takes blocks from a source through ingest into the store, a batch at a time.
//!
//! It is the store's only writer. A batch is written at once and announced after it is on disk;
//! after a restart the indexer goes on behind the last announced block.

mod batch;
mod catching_up;
mod condition;
mod error;
pub mod feed;
mod pruning;
mod resume;
mod taking;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;
use weir_protocol::codec::Entity as _;
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::Versions;

use crate::VERSION;
use crate::ingest::{
    Accepted, Chain, FORK_BLOCKS_MAX, Halt, IngestError, Rule, failure, position_of,
};
use crate::prover::Prover;
use crate::source::ChainFolder;
use crate::store::{
    Beginning, CommitError, NewStore, Opened, Reader, Store, StoreOptions, WriteBatch,
};

pub use catching_up::{open_whole, remake};
pub use condition::Condition;
pub use error::IndexError;
pub(crate) use pruning::Place;

use batch::BatchWriter;
use catching_up::Position;
use condition::{Conditions, Written};
use feed::{Feed, FolderFeed, Verdict};
use taking::{Batch, Outcome, check_certificates};

/// Indexes what a feed hands out into a store.
#[derive(Debug)]
pub struct Indexer {
    at: Position,
    feed: Box<dyn Feed>,
    conditions: Conditions,
    /// Whether the feed waits until the index has all blocks of the log.
    feed_waits: bool,
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
        let mut conditions = Conditions::new();
        let mut at = match Store::open(data, options)? {
            Opened::New(store) if store.logged() == 0 => {
                let (snapshot, json) = feed.root_snapshot()?;
                let (chain, root) = Chain::from_snapshot(&snapshot, FORK_BLOCKS_MAX)?;
                feed.begin(&snapshot, &root)?;
                let (store, writer) =
                    begin(store, &snapshot, Beginning { ordinal: 0, json }, &root)?;
                let at = Position { store, chain, writer };
                return Ok(Self::new(at, feed, conditions, stop));
            }
            opened => Position::of(opened)?,
        };
        // What takes longer is done while the rest is served.
        let feed_waits =
            at.behind() > CATCH_UP_AT_OPEN || !at.catch_up_unless_refused(&mut conditions)?;
        if !feed_waits {
            feed.resume(&Prover::new(at.store.reader()))?;
        }
        Ok(Self { feed_waits, ..Self::new(at, feed, conditions, stop) })
    }

    fn new(
        at: Position,
        feed: Box<dyn Feed>,
        conditions: Conditions,
        stop: Arc<AtomicBool>,
    ) -> Self {
        let (keep_payloads, versions) = (None, None);
        Self { at, feed, conditions, feed_waits: false, stop, keep_payloads, versions }
    }

    /// How the store is, now and whenever that changes.
    #[must_use]
    pub fn condition(&self) -> watch::Receiver<Condition> {
        self.conditions.subscribe()
    }

    /// Deletes the payloads of all but the newest blocks as it goes; `None` keeps all.
    #[must_use]
    pub fn keeping_payloads(mut self, blocks: Option<u64>) -> Self {
        self.keep_payloads = blocks;
        self
    }

    /// Fails when the disk refuses, instead of trying again until it does not.
    #[must_use]
    pub fn giving_up(mut self) -> Self {
        self.conditions.give_up();
        self
    }

    /// Takes these protocol state versions for known instead of all that the network may run, as a
    /// version of Weir does that is older than the newest of them.
    #[must_use]
    pub fn knowing(mut self, versions: Versions) -> Self {
        self.versions = Some(versions);
        self.at.chain.know_versions(versions);
        self
    }

    /// A reader of what is indexed.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.at.store.reader()
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
        if self.feed_waits {
            self.at.catch_up(&self.stop, &self.conditions)?;
            if self.at.behind() > 0 {
                return Ok(End::Stopped);
            }
            self.feed.resume(&Prover::new(self.at.store.reader()))?;
            self.feed_waits = false;
        }
        loop {
            let Batch { mut accepted, positions, mut outcome } = self.next_batch()?;
            if let Err(error) = check_certificates(&mut accepted) {
                outcome = Outcome::Rejected { position: positions[accepted.len()], error };
            }
            let whole = !matches!(outcome, Outcome::Rejected { .. });
            match self.write(&accepted, whole)? {
                Some(Refused::Block { index, error }) => {
                    outcome = Outcome::Rejected { position: positions[index], error };
                }
                Some(Refused::Stopped) => return Ok(End::Stopped),
                None => {}
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
                    self.at.chain.prune();
                }
            }
        }
    }

    /// Lets the feed find another source for a block, or fails.
    fn reject(&mut self, position: usize, error: IngestError) -> Result<(), IndexError> {
        let prover = Prover::new(self.at.store.reader());
        match self.feed.reject(position, &error, &mut self.at.chain) {
            Verdict::Stop => Err(error.into()),
            Verdict::Halt => {
                let halt = Halt { error };
                tell(&halt);
                self.feed.halted(&halt);
                Err(halt.into())
            }
            Verdict::GoOn => {
                // Blocks that were not written may have been taken in already.
                (self.at.chain, self.at.writer) = resume::restore(&prover)?;
                self.versions.into_iter().for_each(|known| self.at.chain.know_versions(known));
                Ok(())
            }
        }
    }

    /// Writes a batch up to the first block that the store has no room for, and returns which that
    /// is; `whole` when the chain is not ahead of the batch.
    fn write(&mut self, accepted: &[Accepted], whole: bool) -> Result<Option<Refused>, IndexError> {
        let reader = self.at.store.reader();
        let (mut batch, mut refused) = (WriteBatch::new(), None);
        for (index, block) in accepted.iter().enumerate() {
            match self.at.writer.add(Some(&reader), &mut batch, block) {
                Ok(()) => {}
                Err(IndexError::Commit(CommitError::TooLong { what, limit, found })) => {
                    let rule = Rule::TooLarge { what, limit, found };
                    let error = failure(&position_of(&block.block.header), rule);
                    refused = Some(Refused::Block { index, error });
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        if batch.block_count() == 0 {
            return Ok(refused);
        }
        // After a failure the chain is ahead of what is written, so resume where it did before.
        let resume_ordinal = if whole && refused.is_none() {
            self.at.chain.resume_ordinal()
        } else {
            self.at.writer.resume_ordinal()
        };
        self.at.writer.set_head(&mut batch, resume_ordinal);
        if self.persist(|store| store.commit(&batch))? == Written::Stopped {
            return Ok(Some(Refused::Stopped));
        }
        if self.finish_segment()? == Written::Stopped {
            return Ok(Some(Refused::Stopped));
        }
        self.feed.written(&self.at.store.reader())?;
        Ok(refused)
    }

    /// Writes a checkpoint when one is due, and prunes what is not to be kept.
    fn finish_segment(&mut self) -> Result<Written, IndexError> {
        if !self.at.store.checkpoint_is_due() {
            return Ok(Written::Yes);
        }
        let preimages = self.at.chain.preimage_ids();
        if self.persist(|store| store.checkpoint(&preimages))? == Written::Stopped {
            return Ok(Written::Stopped);
        }
        if let Some(blocks) = self.keep_payloads {
            // What is not sealed on the final chain is needed to go on.
            let unsealed = self.at.writer.next_ordinal() - self.at.chain.resume_ordinal();
            return self.prune_payloads(blocks.max(unsealed));
        }
        Ok(Written::Yes)
    }

    /// Prunes the payloads before the newest ones, after a snapshot that an index can begin with behind
    /// them: without them none could be made from the log's beginning.
    fn prune_payloads(&mut self, keep: u64) -> Result<Written, IndexError> {
        let blocks = self.at.writer.next_ordinal();
        let store = &self.at.store;
        let place = Place::newest(store, blocks.saturating_sub(keep))?;
        let Some(place) = place else { return Ok(Written::Yes) };
        let beginning = match place.beginning(store) {
            Ok(beginning) => beginning,
            Err(error) => {
                tracing::warn!(%error, "payloads are kept: no index could begin behind them");
                return Ok(Written::Yes);
            }
        };
        if self.persist(|store| place.put(store, beginning.as_ref()))? == Written::Stopped {
            return Ok(Written::Stopped);
        }
        self.persist(|store| store.prune_payloads(blocks - place.checkpoint).map(|_| ()))
    }

    fn persist(
        &mut self,
        write: impl FnMut(&mut Store) -> Result<(), CommitError>,
    ) -> Result<Written, IndexError> {
        self.conditions.persist(&mut self.at.store, &self.stop, write)
    }

    fn progress(&self) -> IndexProgress {
        let reader = self.at.store.reader();
        let head = reader.head();
        IndexProgress {
            blocks: head.blocks,
            finalized_height: head.finalized.height,
            source: self.feed.progress(),
        }
    }
}

/// What was not written of a batch.
enum Refused {
    /// A block that the store has no room for.
    Block { index: usize, error: IngestError },
    /// All of it: the disk refused until somebody asked to stop.
    Stopped,
}

/// Begins a store with the root block, so that there is a head.
fn begin(
    store: NewStore,
    snapshot: &Snapshot,
    beginning: Beginning,
    root: &Accepted,
) -> Result<(Store, BatchWriter), IndexError> {
    let Beginning { ordinal, json } = beginning;
    let mut writer = BatchWriter::begin(snapshot, root, ordinal);
    let mut batch = WriteBatch::new();
    batch.begin_at(ordinal);
    batch.set_root_snapshot(json);
    let segment = snapshot.sealing_segment().blocks.iter().map(|block| &block.header);
    let below = segment.filter(|header| header.height < root.block.header.height);
    batch.set_below_root(below.map(|header| (header.height, header.id())).collect());
    writer.add(None, &mut batch, root)?;
    writer.set_head(&mut batch, ordinal);
    Ok((store.initialize(&batch)?, writer))
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

/// Blocks that the index may be behind the log for opening to wait until it has them: a few seconds.
const CATCH_UP_AT_OPEN: u64 = 20_000;
