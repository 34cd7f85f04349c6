//! Writing a network's blocks to a chain folder.
//!
//! A folder holds the root snapshot, all blocks in the order they were made, what the network knows
//! of each of them, its distinct states and service events, snapshots of later blocks, and the story
//! of what happened. Everything goes to its file as it is made; memory stays bounded.

mod expected;
mod files;
mod states;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use thiserror::Error;
use weir_protocol::model::Identifier;

use crate::config::{Config, ConfigError};
use crate::network::{Network, Produced, SnapshotError};
use crate::story::Story;
use files::{Files, Item, Made};

/// How much to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// So many blocks, the root not counted.
    Blocks(u64),
    /// Until so many epochs are complete.
    Epochs(u64),
}

/// How far the writing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveProgress {
    /// Blocks made, the root not counted.
    pub blocks: u64,
    /// Height of the newest.
    pub height: u64,
    /// Epochs completed.
    pub epochs: u64,
}

/// Writes the chain of a new network to a folder, which is created where it is missing.
///
/// `progress` is called after every block.
///
/// # Errors
/// When the configuration makes no network, a file cannot be written, or epochs are asked for and
/// the network stays in fallback mode for good, because nothing recovers it.
pub fn write(
    config: Config,
    dir: &Path,
    amount: Amount,
    progress: impl FnMut(ArchiveProgress),
) -> Result<ArchiveProgress, ArchiveError> {
    let network = Network::new(config)?;
    fs::create_dir_all(dir).map_err(failure(dir))?;
    let path = dir.join(SNAPSHOT_FILE);
    fs::write(&path, network.root().to_json()).map_err(failure(&path))?;
    let files = Files::create(dir)?;
    let (sender, receiver) = sync_channel(ITEMS_AHEAD);
    let made = thread::scope(|scope| {
        let writer = scope.spawn(move || files.write(&receiver));
        let made = make_blocks(network, amount, &sender, progress);
        drop(sender);
        let written = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        written.and(made)
    });
    let (story, progress) = made?;
    let path = dir.join(SCENARIO_FILE);
    fs::write(&path, story.to_json()).map_err(failure(&path))?;
    Ok(progress)
}

/// Makes blocks until there are enough, or nobody takes them any more.
fn make_blocks(
    mut network: Network,
    amount: Amount,
    sender: &SyncSender<Item>,
    mut report: impl FnMut(ArchiveProgress),
) -> Result<(Story, ArchiveProgress), ArchiveError> {
    let first_epoch = network.config().root.epoch_counter;
    let mut story = Story::new(&network);
    let mut snapshots = Snapshots::new(network.config(), amount);
    let mut progress =
        ArchiveProgress { blocks: 0, height: network.config().root.height, epochs: 0 };
    let root_id = network.latest_finalized().block_id;
    let mut is_taken = send_block(&network, root_id, vec![root_id], sender);
    while is_taken && !is_enough(amount, progress) {
        let produced = network.next_block();
        story.tell(&network, &produced);
        progress.blocks += 1;
        progress.height = produced.block.header.height;
        progress.epochs = epoch_of(&network, &produced).saturating_sub(first_epoch);
        is_taken = send_block(&network, produced.block_id, produced.finalized, sender)
            && snapshots.take(&network, progress.epochs, sender)?;
        if progress.blocks.is_multiple_of(PRUNE_BLOCKS) {
            network.prune(KEEP_HEIGHTS);
        }
        report(progress);
        if matches!(amount, Amount::Epochs(_)) {
            check_epoch_ends(&network)?;
        }
    }
    Ok((story, progress))
}

/// Whether there is still somebody who writes the block.
fn send_block(
    network: &Network,
    block_id: Identifier,
    finalized: Vec<Identifier>,
    sender: &SyncSender<Item>,
) -> bool {
    let Some(record) = network.shared_record(&block_id) else { return false };
    sender.send(Item::Block(Made { block_id, record, finalized })).is_ok()
}

/// When a snapshot is due: as soon as an epoch's first block is sealed, if its turn has come. Before,
/// the snapshot would reach back into the epoch before, and no node of flow-go starts from it.
struct Snapshots {
    /// Epochs from one snapshot to the next, so that few of them cover the whole chain.
    stride: u64,
    due_epoch: u64,
    count: u64,
}

impl Snapshots {
    fn new(config: &Config, amount: Amount) -> Self {
        let epochs = match amount {
            Amount::Blocks(blocks) => blocks / config.epochs.views.max(1),
            Amount::Epochs(epochs) => epochs,
        };
        let stride = epochs.div_ceil(SNAPSHOTS_MAX).max(1);
        Self { stride, due_epoch: stride, count: 0 }
    }

    /// Takes the snapshot if one is due; whether there is still somebody who writes it.
    fn take(
        &mut self,
        network: &Network,
        epochs: u64,
        sender: &SyncSender<Item>,
    ) -> Result<bool, ArchiveError> {
        if epochs < self.due_epoch || self.count >= SNAPSHOTS_MAX || !is_in_one_epoch(network) {
            return Ok(true);
        }
        self.due_epoch = epochs + self.stride;
        self.count += 1;
        let height = network.latest_finalized().height;
        let snapshot = Box::new(network.snapshot_at(height)?);
        Ok(sender.send(Item::Snapshot { number: self.count, height, snapshot }).is_ok())
    }
}

/// Whether the latest final block and the one that it seals last are of the same epoch.
fn is_in_one_epoch(network: &Network) -> bool {
    let finalized = network.protocol_state(&network.latest_finalized().block_id);
    let sealed = network.record(&network.latest_sealed().block_id);
    let view = sealed.map(|record| record.block.header.view);
    finalized.zip(view).is_some_and(|(state, view)| view >= state.first_view())
}

fn is_enough(amount: Amount, progress: ArchiveProgress) -> bool {
    match amount {
        Amount::Blocks(blocks) => progress.blocks >= blocks,
        Amount::Epochs(epochs) => progress.epochs >= epochs,
    }
}

/// An epoch that was extended that often is not going to end.
fn check_epoch_ends(network: &Network) -> Result<(), ArchiveError> {
    let state = network.protocol_state(&network.latest_finalized().block_id);
    let Some(state) = state else { return Ok(()) };
    let extensions = state.epoch_state().current_epoch.epoch_extensions.len();
    if extensions > EXTENSIONS_MAX {
        let epoch = state.epoch_counter();
        return Err(ArchiveError::EndlessEpoch { epoch, extensions });
    }
    Ok(())
}

/// Epoch of the latest final block.
fn epoch_of(network: &Network, produced: &Produced) -> u64 {
    let finalized = network.latest_finalized().block_id;
    let state = network.protocol_state(&finalized);
    let state = state.or_else(|| network.protocol_state(&produced.block_id));
    state.map_or(0, |state| state.epoch_counter())
}

/// What to make of a file that cannot be written.
fn failure(path: &Path) -> impl FnOnce(io::Error) -> ArchiveError {
    let path = path.to_owned();
    move |source| ArchiveError::Write { path, source }
}

/// Why a chain folder is not written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The configuration makes no network.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No recovery is scheduled, and the network is in fallback mode.
    #[error("epoch {epoch} does not end: extended {extensions} times, and nothing recovers it")]
    EndlessEpoch {
        /// The epoch.
        epoch: u64,
        /// How often it was extended.
        extensions: usize,
    },
    /// A snapshot cannot be made.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

const SNAPSHOT_FILE: &str = "root-protocol-state-snapshot.json";
const SCENARIO_FILE: &str = "scenario.json";
/// Blocks made before the files have them, at most.
const ITEMS_AHEAD: usize = 256;
/// Most snapshots of later blocks.
const SNAPSHOTS_MAX: u64 = 20;
/// Extensions of an epoch after which no end is in sight.
const EXTENSIONS_MAX: usize = 20;
/// Blocks between one pruning and the next.
const PRUNE_BLOCKS: u64 = 256;
/// Heights kept below the latest sealed block; a snapshot reaches back 600 and more.
const KEEP_HEIGHTS: u64 = 1000;
