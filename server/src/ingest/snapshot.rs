//! Everything in a snapshot that hashes and certificates decide, for whoever hands it on.
//!
//! Reading a snapshot shows that its parts fit together. This shows that nothing was added, left out
//! or put in another's place: what the head's hash covers has one right form.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;
use weir_protocol::codec::Entity as _;
use weir_protocol::codec::snapshot::{
    ProtocolStateEntry, SealingSegment, Snapshot, TRANSACTION_EXPIRY,
};
use weir_protocol::model::{Block, Identifier};

use super::chain::Chain;
use super::root::state_of;
use super::{IngestError, Rule};

/// Why a snapshot is not what its head commits to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SnapshotFault {
    /// No chain can begin with it.
    #[error(transparent)]
    Root(#[from] IngestError),
    /// A protocol state is inconsistent.
    #[error("protocol state {id}: {source}")]
    State {
        /// The state.
        id: Identifier,
        /// The rule.
        source: Box<Rule>,
    },
    /// A protocol state says something that does not follow from it, such as an identity table.
    #[error("the entry of protocol state {id} is not what follows from the state")]
    Entry {
        /// The state.
        id: Identifier,
    },
    /// A protocol state that no block has.
    #[error("no block has protocol state {id}")]
    NeedlessState {
        /// The state.
        id: Identifier,
    },
    /// The latest seal as of a block is another one.
    #[error("the latest seal as of block {block_id} is another one")]
    LatestSeal {
        /// The block.
        block_id: Identifier,
    },
    /// The first seal is not the one before the first block, or is needless or missing.
    #[error("the first seal is not the latest one before the segment's blocks")]
    FirstSeal,
    /// The blocks reach back less or more far than flow-go's do.
    #[error("the blocks begin at height {found}, expected {expected}")]
    History {
        /// Lowest height, by flow-go's rule.
        expected: u64,
        /// Lowest height found.
        found: u64,
    },
    /// The execution results are not those that the blocks refer to and do not hold.
    #[error("the execution results are not those that the blocks refer to")]
    Results,
}

/// Checks a snapshot against its head, which the caller knows to be final.
///
/// # Errors
/// When the head's certificate is invalid, or a part is not the one that the head's hash covers.
pub fn check_snapshot(snapshot: &Snapshot) -> Result<(), SnapshotFault> {
    let segment = snapshot.sealing_segment();
    check_history(snapshot)?;
    check_states(segment)?;
    check_seals(segment)?;
    check_results(segment)?;
    Chain::from_snapshot(snapshot, 1)?;
    Ok(())
}

/// The blocks reach back as far as a guarantee may, or to the spork's first block.
fn check_history(snapshot: &Snapshot) -> Result<(), SnapshotFault> {
    let segment = snapshot.sealing_segment();
    let height_of_first = |blocks: &[Block]| blocks.first().map(|block| block.header.height);
    let lowest = height_of_first(&segment.blocks).unwrap_or_default();
    let spork_root = snapshot.params().spork_root_block_height;
    let expected = lowest.saturating_sub(TRANSACTION_EXPIRY).max(spork_root);
    let found = height_of_first(&segment.extra_blocks).unwrap_or(lowest);
    if found == expected { Ok(()) } else { Err(SnapshotFault::History { expected, found }) }
}

/// The states of the blocks and no others, each with all that follows from it and nothing else.
fn check_states(segment: &SealingSegment) -> Result<(), SnapshotFault> {
    let named: BTreeSet<_> = blocks(segment).map(|block| block.payload.protocol_state_id).collect();
    for (id, entry) in &segment.protocol_state_entries {
        if !named.contains(id) {
            return Err(SnapshotFault::NeedlessState { id: *id });
        }
        let broken = |rule| SnapshotFault::State { id: *id, source: Box::new(rule) };
        let state = state_of(entry).map_err(broken)?;
        if ProtocolStateEntry::of(&state) != *entry {
            return Err(SnapshotFault::Entry { id: *id });
        }
    }
    Ok(())
}

/// The seal of the highest block among those in payloads up to a block is the latest as of it.
fn check_seals(segment: &SealingSegment) -> Result<(), SnapshotFault> {
    let heights: BTreeMap<_, _> =
        blocks(segment).map(|block| (block.header.id(), block.header.height)).collect();
    let own = |block: &Block| {
        // A sealed block that is not in the segment lies below those that are.
        let height = |id: &Identifier| heights.get(id).copied().unwrap_or_default();
        let highest = block.payload.seals.iter().max_by_key(|seal| height(&seal.block_id));
        highest.map(|seal| seal.id())
    };
    let mut latest = segment.extra_blocks.iter().filter_map(own).next_back();
    let first_is_empty = segment.blocks.first().is_some_and(|block| block.payload.seals.is_empty());
    match &segment.first_seal {
        Some(first) if first_is_empty => {
            // Where no block before holds a seal, nothing covers the first one.
            if *latest.get_or_insert(first.id()) != first.id() {
                return Err(SnapshotFault::FirstSeal);
            }
        }
        None if !first_is_empty => {}
        _ => return Err(SnapshotFault::FirstSeal),
    }
    for block in &segment.blocks {
        let block_id = block.header.id();
        latest = own(block).or(latest);
        if segment.latest_seals.get(&block_id) != latest.as_ref() {
            return Err(SnapshotFault::LatestSeal { block_id });
        }
    }
    Ok(())
}

/// Every result that receipts and seals refer to is there once: in a payload or beside the blocks.
fn check_results(segment: &SealingSegment) -> Result<(), SnapshotFault> {
    let receipts = blocks(segment).flat_map(|block| &block.payload.receipts);
    let seals = blocks(segment).flat_map(|block| &block.payload.seals).chain(&segment.first_seal);
    let held: BTreeSet<_> = segment
        .blocks
        .iter()
        .flat_map(|block| &block.payload.results)
        .map(|result| result.id())
        .collect();
    let referred: BTreeSet<_> = receipts
        .map(|receipt| receipt.result_id)
        .chain(seals.map(|seal| seal.result_id))
        .filter(|id| !held.contains(id))
        .collect();
    let beside: Vec<_> = segment.execution_results.iter().map(|result| result.id()).collect();
    let is_exact = beside.len() == referred.len() && beside.iter().all(|id| referred.contains(id));
    if is_exact { Ok(()) } else { Err(SnapshotFault::Results) }
}

fn blocks(segment: &SealingSegment) -> impl Iterator<Item = &Block> {
    segment.extra_blocks.iter().chain(&segment.blocks)
}
