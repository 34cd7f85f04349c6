//! Whether the parts of a snapshot fit together.

use super::read::check_id;
use super::{ProtocolStateEntry, SealingSegment, Snapshot, SnapshotError};
use crate::codec::Entity;
use crate::codec::msgpack::MsgpackError;
use crate::model::{
    Block, EpochCommit, EpochSetup, EpochStateContainer, Identifier, IdentitySkeleton,
    KV_STORE_VERSION_MAX, Versions,
};
use crate::protocol_state::EpochIdentities;
use crate::snapshot_tree;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// Checks everything that no reading of a single part could.
pub(super) fn snapshot(snapshot: &Snapshot) -> Result<(), SnapshotError> {
    let segment = &snapshot.sealing_segment;
    check_chain(segment, &snapshot.params.chain_id)?;
    check_seals(segment)?;
    let versions = Versions::written_on_chain(&snapshot.params.chain_id);
    for (id, entry) in &segment.protocol_state_entries {
        check_version(versions, id, entry.kv_store.version)?;
        check_state(id, entry)?;
    }
    for block in blocks(segment) {
        let id = block.payload.protocol_state_id;
        if !segment.protocol_state_entries.contains_key(&id) {
            return Err(SnapshotError::Missing { entity: "protocol state", id });
        }
    }
    check_spork(snapshot)?;
    let (head, qc) = (&snapshot.head().header, &snapshot.quorum_certificate);
    check_id("block of the quorum certificate", &qc.block_id, head)?;
    check_number("view of the quorum certificate", head.view, qc.view)
}

/// All blocks of one network, by ascending height without gaps.
fn check_chain(segment: &SealingSegment, chain_id: &str) -> Result<(), SnapshotError> {
    if segment.blocks.is_empty() {
        return Err(SnapshotError::NoBlocks);
    }
    let mut parent: Option<(Identifier, u64)> = None;
    for block in blocks(segment) {
        let (header, id) = (&block.header, block.header.id());
        if header.chain_id != chain_id {
            let (expected, found) = (chain_id.into(), header.chain_id.clone());
            return Err(SnapshotError::Chain { expected, found });
        }
        if let Some((parent_id, parent_height)) = parent
            && (header.parent_id != parent_id
                || Some(header.height) != parent_height.checked_add(1))
        {
            return Err(SnapshotError::Disconnected { id, height: header.height });
        }
        parent = Some((id, header.height));
    }
    Ok(())
}

/// Every block of the segment has a latest seal, which is there.
fn check_seals(segment: &SealingSegment) -> Result<(), SnapshotError> {
    let payloads = blocks(segment).flat_map(|block| &block.payload.seals);
    let seals: BTreeSet<Identifier> = payloads.chain(&segment.first_seal).map(Entity::id).collect();
    let block_ids: BTreeSet<Identifier> =
        segment.blocks.iter().map(|block| block.header.id()).collect();
    for id in &block_ids {
        if !segment.latest_seals.contains_key(id) {
            return Err(SnapshotError::Missing { entity: "latest seal of block", id: *id });
        }
    }
    for (block_id, seal_id) in &segment.latest_seals {
        if !block_ids.contains(block_id) {
            return Err(SnapshotError::Missing { entity: "block of a latest seal", id: *block_id });
        }
        if !seals.contains(seal_id) {
            return Err(SnapshotError::Missing { entity: "seal", id: *seal_id });
        }
    }
    Ok(())
}

fn check_spork(snapshot: &Snapshot) -> Result<(), SnapshotError> {
    let params = &snapshot.params;
    let root = &snapshot.sealing_segment.spork_root_block.header;
    if root.chain_id != params.chain_id {
        let (expected, found) = (params.chain_id.clone(), root.chain_id.clone());
        return Err(SnapshotError::Chain { expected, found });
    }
    check_id("spork root block", &params.spork_id, root)?;
    check_number("spork root block height", root.height, params.spork_root_block_height)?;
    check_number("spork root block view", root.view, params.spork_root_block_view)
}

/// The network may run the version.
fn check_version(versions: Versions, id: &Identifier, found: u64) -> Result<(), SnapshotError> {
    if versions.include(found) {
        return Ok(());
    }
    let source = MsgpackError::Version { max: KV_STORE_VERSION_MAX, found };
    Err(SnapshotError::KvStore { id: *id, source })
}

/// The root that a store commits to is that of its state.
fn check_root(id: &Identifier, entry: &ProtocolStateEntry) -> Result<(), SnapshotError> {
    let Some(root) = entry.kv_store.snapshot_tree_root else {
        return Ok(());
    };
    let epochs = EpochIdentities {
        entry: &entry.epoch_entry,
        previous: entry.previous_epoch_setup.as_ref(),
        current: &entry.current_epoch_setup,
        next: entry.next_epoch_setup.as_ref(),
    };
    if snapshot_tree::root_of(&entry.kv_store, &epochs) == Ok(root) {
        return Ok(());
    }
    Err(SnapshotError::SnapshotTreeRoot { id: *id })
}

/// The store names the epoch state, which names the events, which hold the nodes of the tables.
fn check_state(id: &Identifier, entry: &ProtocolStateEntry) -> Result<(), SnapshotError> {
    check_id("protocol state", id, &entry.kv_store)?;
    check_id("epoch state", &entry.kv_store.epoch_state_id, &entry.epoch_entry)?;
    let epochs = &entry.epoch_entry;
    check_epoch(
        epochs.previous_epoch.as_ref(),
        entry.previous_epoch_setup.as_ref(),
        entry.previous_epoch_commit.as_ref(),
    )?;
    check_epoch(
        Some(&epochs.current_epoch),
        Some(&entry.current_epoch_setup),
        Some(&entry.current_epoch_commit),
    )?;
    check_epoch(
        epochs.next_epoch.as_ref(),
        entry.next_epoch_setup.as_ref(),
        entry.next_epoch_commit.as_ref(),
    )?;
    check_identities(entry)?;
    check_root(id, entry)
}

fn check_epoch(
    epoch: Option<&EpochStateContainer>,
    setup: Option<&EpochSetup>,
    commit: Option<&EpochCommit>,
) -> Result<(), SnapshotError> {
    let setup_id = epoch.map(|epoch| epoch.setup_id);
    let commit_id = epoch.map(|epoch| epoch.commit_id).filter(|id| !id.is_zero());
    check_event("epoch setup", setup_id, setup)?;
    check_event("epoch commit", commit_id, commit)
}

fn check_event<T: Entity>(
    entity: &'static str,
    id: Option<Identifier>,
    event: Option<&T>,
) -> Result<(), SnapshotError> {
    match (id, event) {
        (Some(id), Some(event)) => check_id(entity, &id, event),
        (Some(id), None) => Err(SnapshotError::Missing { entity, id }),
        (None, Some(_)) => Err(SnapshotError::Unexpected { entity }),
        (None, None) => Ok(()),
    }
}

fn check_identities(entry: &ProtocolStateEntry) -> Result<(), SnapshotError> {
    let setups = [
        entry.previous_epoch_setup.as_ref(),
        Some(&entry.current_epoch_setup),
        entry.next_epoch_setup.as_ref(),
    ];
    let mut known: BTreeMap<Identifier, Vec<&IdentitySkeleton>> = BTreeMap::new();
    for skeleton in setups.into_iter().flatten().flat_map(|setup| &setup.participants) {
        known.entry(skeleton.node_id).or_default().push(skeleton);
    }
    let tables = [&entry.current_epoch_identity_table, &entry.next_epoch_identity_table];
    for identity in tables.into_iter().flatten() {
        let id = identity.skeleton.node_id;
        if !known.get(&id).is_some_and(|skeletons| skeletons.contains(&&identity.skeleton)) {
            return Err(SnapshotError::Identity { id });
        }
    }
    Ok(())
}

fn check_number(field: &'static str, expected: u64, found: u64) -> Result<(), SnapshotError> {
    if expected == found { Ok(()) } else { Err(SnapshotError::Number { field, expected, found }) }
}

fn blocks(segment: &SealingSegment) -> impl Iterator<Item = &Block> {
    segment.extra_blocks.iter().chain(&segment.blocks)
}
