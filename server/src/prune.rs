//! Taking old blocks or payloads away from a data folder that no server has open.
//!
//! The log goes in whole segments. Before anything is taken, a snapshot is made from which the index can be
//! made again without it, and stands in the log where what is left begins.

use std::path::{Path, PathBuf};

use thiserror::Error;
use weir_protocol::model::Identifier;

use crate::access::AccessError;
use crate::indexer::{IndexError, Place, open_whole};
use crate::store::{
    CommitError, Head, LogFolder, OpenError, ReadError, Store, StoreOptions, set_index_aside,
};

/// What to take away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prune {
    /// Blocks below a height.
    Before(u64),
    /// Payloads of blocks below a height; headers and the roots of payloads stay.
    PayloadsBefore(u64),
    /// The payload of one block.
    PayloadOf(Identifier),
}

/// What was taken away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Blocks.
    pub blocks: u64,
    /// Payloads of blocks that are still there.
    pub payloads: u64,
    /// The first height that is served.
    pub first_height: u64,
    /// The first block that is served, where blocks were removed: a checkpoint for following on.
    pub first_block_id: Option<Identifier>,
    /// The first epoch that is served.
    pub first_epoch_counter: u64,
    /// The first height of an index that is made from the log.
    pub remade_from: Option<u64>,
}

/// Takes away as much as goes in whole segments, and nothing that is needed to go on.
///
/// Blocks are removed for good before the index is made again, which takes as long as it takes for the
/// blocks that are left; after a kill in between the next start makes it.
///
/// # Errors
/// When a server has the folder open, when what is named is not there or is needed, and when no snapshot
/// can be made: then nothing is changed. When the disk refuses: then it may be run again.
pub fn prune(data: &Path, what: Prune, options: &StoreOptions) -> Result<Pruned, PruneError> {
    if !LogFolder::is_at(data) {
        return Err(PruneError::NoStore { path: data.to_owned() });
    }
    let store = open_whole(data, options.clone())?;
    match what {
        Prune::Before(height) => before(data, store, height, options),
        Prune::PayloadsBefore(height) => payloads_before(store, height),
        Prune::PayloadOf(block_id) => payload_of(store, block_id),
    }
}

fn before(
    data: &Path,
    mut store: Store,
    height: u64,
    options: &StoreOptions,
) -> Result<Pruned, PruneError> {
    let reader = store.reader();
    let head = reader.head().clone();
    let first = reader.first_ordinal()?;
    let upto = ordinal_of_sealed(&store, height)?;
    let candidates =
        store.checkpoints().into_iter().rev().filter(|at| (first + 1..=upto).contains(at));
    let Some(place) = Place::find(&store, candidates, height)? else { return Ok(unchanged(&head)) };
    // An index could not go on behind the place without the payloads there.
    if store.beginning()?.is_some_and(|known| known.ordinal > place.ordinal) {
        return Err(PruneError::PayloadsGone);
    }
    let snapshot = place.snapshot(&store)?;
    place.put(&mut store, Some(&snapshot))?;
    store.prune_before(place.checkpoint)?;
    drop((reader, store));
    set_index_aside(data, "blocks it has were pruned")?;
    let reader = open_whole(data, options.clone())?.reader();
    let head = reader.head().clone();
    let first_block = reader.block(place.ordinal)?;
    Ok(Pruned {
        first_block_id: first_block.map(|block| block.id()),
        blocks: place.ordinal - first,
        remade_from: Some(place.height),
        ..unchanged(&head)
    })
}

fn payloads_before(mut store: Store, height: u64) -> Result<Pruned, PruneError> {
    let head = store.reader().head().clone();
    let upto = ordinal_of_sealed(&store, height)?.min(head.resume_ordinal);
    let Some(place) = Place::newest(&store, upto)? else { return Ok(unchanged(&head)) };
    put(&mut store, &place)?;
    let payloads = store.prune_payloads(head.blocks - place.checkpoint)?;
    Ok(Pruned { payloads, remade_from: Some(place.height), ..unchanged(&head) })
}

fn payload_of(mut store: Store, block_id: Identifier) -> Result<Pruned, PruneError> {
    let reader = store.reader();
    let head = reader.head().clone();
    let ordinal = reader.ordinal_of(&block_id)?.ok_or(PruneError::Unknown { block_id })?;
    if ordinal >= head.resume_ordinal {
        return Err(PruneError::Needed { height: head.sealed.height });
    }
    // The oldest, so that an index made from the log has as much as it can.
    let candidates = store.checkpoints().into_iter().filter(|at| *at > ordinal);
    let place = Place::find(&store, candidates, head.sealed.height)?;
    let place = place.ok_or(PruneError::TooNew { block_id })?;
    put(&mut store, &place)?;
    let payloads = u64::from(store.prune_payload(ordinal)?);
    Ok(Pruned { payloads, remade_from: Some(place.height), ..unchanged(&head) })
}

/// Writes the snapshot at a place, unless an index would begin there or later already.
fn put(store: &mut Store, place: &Place) -> Result<(), PruneError> {
    let beginning = place.beginning(store)?;
    Ok(place.put(store, beginning.as_ref())?)
}

/// Ordinal of the final block of a height up to which everything is sealed.
fn ordinal_of_sealed(store: &Store, height: u64) -> Result<u64, PruneError> {
    let reader = store.reader();
    let head = reader.head();
    if height > head.sealed.height {
        return Err(PruneError::Needed { height: head.sealed.height });
    }
    // Below the first height there is nothing to take.
    Ok(reader.finalized_at(height)?.unwrap_or_default())
}

fn unchanged(head: &Head) -> Pruned {
    let (first_height, first_epoch_counter) = (head.first_height, head.first_epoch_counter);
    Pruned { first_height, first_epoch_counter, ..Pruned::default() }
}

/// Why nothing, or not all, was taken away.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PruneError {
    /// There is no store.
    #[error("{} is no data folder with blocks in this version's format", path.display())]
    NoStore {
        /// The folder.
        path: PathBuf,
    },
    /// It cannot be opened, or its index not be made.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It cannot be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The snapshot to begin with cannot be made.
    #[error("nothing was taken away: no snapshot can be made where what is left would begin")]
    Snapshot(#[from] AccessError),
    /// Payloads behind what would be the first block are gone.
    #[error(
        "nothing was taken away: payloads above that height were pruned, so that no index could begin \
         there; name a height above them"
    )]
    PayloadsGone,
    /// What is not sealed yet is needed to go on.
    #[error(
        "nothing was taken away: blocks above height {height} are not sealed yet and are needed to go on; \
         name that height or a lower one"
    )]
    Needed {
        /// The latest sealed height.
        height: u64,
    },
    /// No such block.
    #[error("block {block_id} is not in the data folder")]
    Unknown {
        /// The block.
        block_id: Identifier,
    },
    /// Without the payload the index could not be made again.
    #[error(
        "nothing was taken away: no segment of the log begins behind block {block_id} with sealed blocks \
         yet, so that the index could not be made again without its payload; try again later"
    )]
    TooNew {
        /// The block.
        block_id: Identifier,
    },
}
