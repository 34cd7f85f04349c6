//! Building the sealing segment of a finalized block from a chain's history.
//!
//! Which blocks, results and states belong to a segment follows flow-go
//! `state/protocol/badger/snapshot.go` and `model/flow/sealing_segment.go`.

use super::{EpochIdentity, ProtocolStateEntry, SealingSegment, Snapshot};
use crate::codec::Entity;
use crate::model::{Block, ExecutionResult, Identifier, Seal};
use crate::protocol_state::{
    EpochName, Identity, ProtocolState, identity_table, next_identity_table,
};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Heights below the latest sealed block that a segment reaches back: for so many blocks a
/// collection guarantee may be included (flow-go `flow.DefaultTransactionExpiry`).
pub const TRANSACTION_EXPIRY: u64 = 600;

/// The finalized blocks that lead to a snapshot's head, and their states.
pub trait History {
    /// Why something cannot be read.
    type Error;

    /// The finalized block of a height above the root's; `None` if it is no more kept.
    ///
    /// # Errors
    /// As the implementation says.
    fn block(&self, height: u64) -> Result<Option<HistoryBlock>, Self::Error>;

    /// A protocol state of one of these blocks; `None` if it is not known.
    ///
    /// # Errors
    /// As the implementation says.
    fn state(&self, id: &Identifier) -> Result<Option<Arc<ProtocolState>>, Self::Error>;
}

/// A block of a [`History`].
#[derive(Clone, Debug)]
pub struct HistoryBlock {
    /// The block; with its proposer's signature where that is known.
    pub block: Block,
    /// The highest block sealed as of it.
    pub last_sealed_id: Identifier,
}

/// Why there is no sealing segment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError<E> {
    /// The history failed.
    #[error(transparent)]
    History(E),
    /// A block that the segment needs is no more kept.
    #[error("the block at height {height} is not kept, and a snapshot needs it")]
    MissingBlock {
        /// Its height.
        height: u64,
    },
    /// Something that the segment needs is not known.
    #[error("{entity} {id} is not known, and a snapshot needs it")]
    Missing {
        /// What is missing.
        entity: &'static str,
        /// Its ID.
        id: Identifier,
    },
}

/// The sealing segment of the finalized block of a height above that of `root`.
///
/// `root` is the snapshot the history starts from: it holds what lies before.
///
/// # Errors
/// When the history fails, or does not reach back far enough.
pub fn sealing_segment<H: History>(
    history: &H,
    root: &Snapshot,
    head_height: u64,
) -> Result<SealingSegment, SegmentError<H::Error>> {
    let past = Past { history, root };
    let head = past.block(head_height)?;
    let mut ascending = alloc::vec![head];
    let sealed_id = ascending[0].last_sealed_id;
    while ascending.last().is_some_and(|lowest| lowest.block.header.id() != sealed_id) {
        let height = ascending.last().map_or(0, |lowest| lowest.block.header.height);
        ascending.push(past.block(height.saturating_sub(1))?);
    }
    ascending.reverse();
    let lowest_height = ascending[0].block.header.height;
    let spork_root_height = root.params().spork_root_block_height;
    let limit = lowest_height.saturating_sub(TRANSACTION_EXPIRY).max(spork_root_height);
    let extra: Result<Vec<_>, _> =
        (limit..lowest_height).map(|height| past.block(height)).collect();
    let extra_blocks: Vec<Block> = extra?.into_iter().map(|extra| extra.block).collect();

    let (latest_seals, first_seal) = past.seals(&ascending)?;
    let blocks: Vec<Block> = ascending.into_iter().map(|block| block.block).collect();
    let execution_results = past.results(&blocks, &extra_blocks, first_seal.as_ref(), limit)?;
    let protocol_state_entries = past.states(extra_blocks.iter().chain(&blocks))?;
    Ok(SealingSegment {
        blocks,
        extra_blocks,
        execution_results,
        latest_seals,
        first_seal,
        protocol_state_entries,
        spork_root_block: root.sealing_segment().spork_root_block.clone(),
    })
}

/// A history, and the root snapshot before it.
struct Past<'a, H> {
    history: &'a H,
    root: &'a Snapshot,
}

type Seals = (BTreeMap<Identifier, Identifier>, Option<Seal>);

impl<H: History> Past<'_, H> {
    fn block(&self, height: u64) -> Result<HistoryBlock, SegmentError<H::Error>> {
        if height > self.root.head().header.height {
            let block = self.history.block(height).map_err(SegmentError::History)?;
            return block.ok_or(SegmentError::MissingBlock { height });
        }
        let block = self.root_block(height).ok_or(SegmentError::MissingBlock { height })?;
        let seal = self.root_seal(&block.header.id());
        let last_sealed_id = seal.map(|seal| seal.block_id).unwrap_or_default();
        Ok(HistoryBlock { block: block.clone(), last_sealed_id })
    }

    fn root_block(&self, height: u64) -> Option<&Block> {
        let segment = self.root.sealing_segment();
        let mut blocks = segment.extra_blocks.iter().chain(&segment.blocks);
        blocks.find(|block| block.header.height == height)
    }

    /// The latest seal as of a block of the root snapshot.
    fn root_seal(&self, block_id: &Identifier) -> Option<&Seal> {
        let segment = self.root.sealing_segment();
        let seal_id = segment.latest_seals.get(block_id)?;
        let payloads = segment.extra_blocks.iter().chain(&segment.blocks);
        let mut seals = payloads.flat_map(|block| &block.payload.seals).chain(&segment.first_seal);
        seals.find(|seal| seal.id() == *seal_id)
    }

    /// The latest seal as of each block, and the first block's if that block does not hold it.
    fn seals(&self, ascending: &[HistoryBlock]) -> Result<Seals, SegmentError<H::Error>> {
        let mut latest = self.latest_seal(&ascending[0])?;
        let first_seal = ascending[0].block.payload.seals.is_empty().then(|| latest.clone());
        let mut latest_seals = BTreeMap::new();
        for block in ascending {
            if let Some(seal) = own_seal(block) {
                latest = seal.clone();
            }
            latest_seals.insert(block.block.header.id(), latest.id());
        }
        Ok((latest_seals, first_seal))
    }

    fn latest_seal(&self, block: &HistoryBlock) -> Result<Seal, SegmentError<H::Error>> {
        let mut ancestor = block.clone();
        loop {
            if let Some(seal) = own_seal(&ancestor) {
                return Ok(seal.clone());
            }
            let (id, height) = (ancestor.block.header.id(), ancestor.block.header.height);
            if height <= self.root.head().header.height {
                let seal = self.root_seal(&id).cloned();
                return seal.ok_or(SegmentError::Missing { entity: "latest seal of block", id });
            }
            ancestor = self.block(height - 1)?;
        }
    }

    /// Results that blocks of the segment refer to and `blocks` do not hold, by ascending ID.
    fn results(
        &self,
        blocks: &[Block],
        extra_blocks: &[Block],
        first_seal: Option<&Seal>,
        limit: u64,
    ) -> Result<Vec<ExecutionResult>, SegmentError<H::Error>> {
        let included: BTreeSet<Identifier> =
            blocks.iter().flat_map(|block| &block.payload.results).map(Entity::id).collect();
        let payloads = || extra_blocks.iter().chain(blocks).map(|block| &block.payload);
        let receipts = payloads().flat_map(|payload| &payload.receipts);
        let seals = payloads().flat_map(|payload| &payload.seals).chain(first_seal);
        let mut missing: BTreeSet<Identifier> = receipts
            .map(|receipt| receipt.result_id)
            .chain(seals.map(|seal| seal.result_id))
            .filter(|id| !included.contains(id))
            .collect();
        let mut found = BTreeMap::new();
        let root = self.root.sealing_segment();
        collect(&mut missing, &mut found, &root.execution_results);
        for block in extra_blocks.iter().rev() {
            collect(&mut missing, &mut found, &block.payload.results);
        }
        // What the lowest blocks refer to was included a little before them.
        let mut height = limit;
        while let Some(id) = missing.first().copied() {
            let unknown = SegmentError::Missing { entity: "execution result", id };
            height = height.checked_sub(1).ok_or(unknown)?;
            collect(&mut missing, &mut found, &self.block(height)?.block.payload.results);
        }
        Ok(found.into_values().collect())
    }

    fn states<'b>(
        &self,
        blocks: impl Iterator<Item = &'b Block>,
    ) -> Result<BTreeMap<Identifier, ProtocolStateEntry>, SegmentError<H::Error>> {
        let ids: BTreeSet<Identifier> =
            blocks.map(|block| block.payload.protocol_state_id).collect();
        let entry = |id: Identifier| {
            let known = self.root.sealing_segment().protocol_state_entries.get(&id);
            if let Some(entry) = known {
                return Ok((id, entry.clone()));
            }
            let state = self.history.state(&id).map_err(SegmentError::History)?;
            let state = state.ok_or(SegmentError::Missing { entity: "protocol state", id })?;
            Ok((id, ProtocolStateEntry::of(&state)))
        };
        ids.into_iter().map(entry).collect()
    }
}

impl ProtocolStateEntry {
    /// A protocol state with everything it refers to, as snapshots hold it.
    #[must_use]
    pub fn of(state: &ProtocolState) -> Self {
        let setup = |epoch| state.events(epoch).map(|events| (*events.setup).clone());
        let commit =
            |epoch| state.events(epoch).and_then(|events| events.commit.as_deref().cloned());
        Self {
            kv_store: state.kv().clone(),
            epoch_entry: (**state.epoch_state()).clone(),
            previous_epoch_setup: setup(EpochName::Previous),
            previous_epoch_commit: commit(EpochName::Previous),
            current_epoch_setup: (**state.current_setup()).clone(),
            current_epoch_commit: (**state.current_commit()).clone(),
            next_epoch_setup: setup(EpochName::Next),
            next_epoch_commit: commit(EpochName::Next),
            current_epoch_identity_table: epoch_identities(identity_table(state)),
            next_epoch_identity_table: epoch_identities(
                next_identity_table(state).unwrap_or_default(),
            ),
        }
    }
}

fn epoch_identities(table: Vec<Identity<'_>>) -> Vec<EpochIdentity> {
    let identity = |identity: Identity<'_>| EpochIdentity {
        skeleton: identity.skeleton.clone(),
        status: identity.status,
    };
    table.into_iter().map(identity).collect()
}

/// The latest of the seals that the block itself holds.
fn own_seal(block: &HistoryBlock) -> Option<&Seal> {
    block.block.payload.seals.iter().find(|seal| seal.block_id == block.last_sealed_id)
}

/// Moves the results that are missing to those found.
fn collect(
    missing: &mut BTreeSet<Identifier>,
    found: &mut BTreeMap<Identifier, ExecutionResult>,
    results: &[ExecutionResult],
) {
    if missing.is_empty() {
        return;
    }
    for result in results {
        let id = result.id();
        if missing.remove(&id) {
            found.insert(id, result.clone());
        }
    }
}
