//! Writing a network's blocks to a chain folder.
//!
//! A folder holds the root snapshot, all blocks in the order they were made, and the story of
//! what happened. Blocks go to the file as they are made; memory stays bounded.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use prost::Message as _;
use thiserror::Error;
use weir_proto::convert::block_to_wire;
use weir_protocol::model::Block;

use crate::config::{Config, ConfigError};
use crate::network::{Network, Produced};
use crate::story::Story;

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
pub struct Progress {
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
    progress: impl FnMut(Progress),
) -> Result<Progress, ArchiveError> {
    let network = Network::new(config)?;
    fs::create_dir_all(dir).map_err(failure(dir))?;
    let path = dir.join(SNAPSHOT_FILE);
    fs::write(&path, network.root().to_json()).map_err(failure(&path))?;
    let path = dir.join(BLOCKS_FILE);
    let file = File::create(&path).map_err(failure(&path))?;
    let (sender, receiver) = sync_channel(BLOCKS_AHEAD);
    let made = thread::scope(|scope| {
        let writer = scope.spawn(move || write_blocks(file, &receiver));
        let made = make_blocks(network, amount, &sender, progress);
        drop(sender);
        let written = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        written.map_err(failure(&path)).and(made)
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
    sender: &SyncSender<Arc<Block>>,
    mut report: impl FnMut(Progress),
) -> Result<(Story, Progress), ArchiveError> {
    let first_epoch = network.config().root.epoch_counter;
    let mut story = Story::new(&network);
    let mut progress = Progress { blocks: 0, height: network.config().root.height, epochs: 0 };
    let root = Arc::new(network.root().head().clone());
    if sender.send(root).is_err() {
        return Ok((story, progress));
    }
    while !is_enough(amount, progress) {
        let produced = network.next_block();
        story.tell(&network, &produced);
        progress.blocks += 1;
        progress.height = produced.block.header.height;
        progress.epochs = epoch_of(&network, &produced).saturating_sub(first_epoch);
        if progress.blocks.is_multiple_of(PRUNE_BLOCKS) {
            network.prune(KEEP_HEIGHTS);
        }
        if sender.send(produced.block).is_err() {
            break;
        }
        report(progress);
        if matches!(amount, Amount::Epochs(_)) {
            check_epoch_ends(&network)?;
        }
    }
    Ok((story, progress))
}

fn is_enough(amount: Amount, progress: Progress) -> bool {
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

/// Writes blocks, each after its length, until no more come.
fn write_blocks(file: File, blocks: &Receiver<Arc<Block>>) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(WRITE_BYTES, file);
    for block in blocks {
        let message = block_to_wire(&block).encode_to_vec();
        let too_large = |_| io::Error::new(io::ErrorKind::InvalidData, "a block above 4 GiB");
        let len = u32::try_from(message.len()).map_err(too_large)?;
        file.write_all(&len.to_be_bytes())?;
        file.write_all(&message)?;
    }
    file.flush()
}

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
const BLOCKS_FILE: &str = "blocks.pb";
const SCENARIO_FILE: &str = "scenario.json";
const WRITE_BYTES: usize = 1 << 20;
/// Blocks made before the file has them, at most.
const BLOCKS_AHEAD: usize = 256;
/// Extensions of an epoch after which no end is in sight.
const EXTENSIONS_MAX: usize = 20;
/// Blocks between one pruning and the next.
const PRUNE_BLOCKS: u64 = 256;
/// Heights kept below the latest sealed block.
const KEEP_HEIGHTS: u64 = 16;
