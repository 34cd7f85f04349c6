//! A small network for the unit tests of this module: epoch 7, views 100 to 200.

use super::{EpochEvents, ProtocolState, UntrustedProtocolState, evolve};
use crate::codec::Entity;
use crate::model::{
    BLS_PUBLIC_KEY_LEN, ClusterQcVoteData, DynamicIdentityEntry, EpochCommit, EpochRecover,
    EpochSetup, EpochStateContainer, EpochStateEntry, ExecutionParameters, Identifier,
    IdentitySkeleton, KvStore, NETWORK_KEY_LEN, RANDOM_SOURCE_LEN, Role, ServiceEvent,
};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

pub(super) const FINAL_VIEW: u64 = 200;
pub(super) const THRESHOLD: u64 = 10;
pub(super) const EXTENSION: u64 = 50;
/// Participates from epoch 8 on.
pub(super) const NODE_JOINING: Identifier = node_id(9);
/// Participates in no epoch.
pub(super) const NODE_UNKNOWN: Identifier = node_id(250);

pub(super) const fn node_id(number: u8) -> Identifier {
    Identifier([number; 32])
}

pub(super) fn kv(version: u64, threshold: u64) -> KvStore {
    KvStore {
        version,
        version_upgrade: None,
        epoch_state_id: Identifier::ZERO,
        epoch_extension_view_count: EXTENSION,
        finalization_safety_threshold: threshold,
        execution: None::<ExecutionParameters>,
        snapshot_tree_root: None,
    }
}

/// Nodes 1 to 3 collect, 4 to 6 decide, 7 executes, 8 verifies.
fn participants(last: u8) -> Vec<IdentitySkeleton> {
    (1..=last)
        .map(|number| IdentitySkeleton {
            node_id: node_id(number),
            address: format!("node-{number}.example.org:3569"),
            role: match number {
                1..=3 => Role::Collection,
                4..=6 => Role::Consensus,
                7 => Role::Execution,
                8 => Role::Verification,
                _ => Role::Access,
            },
            initial_weight: 1000,
            staking_key: Some([number; BLS_PUBLIC_KEY_LEN]),
            network_key: Some([number; NETWORK_KEY_LEN]),
        })
        .collect()
}

fn setup(counter: u64, first_view: u64, nodes: u8) -> EpochSetup {
    EpochSetup {
        counter,
        first_view,
        dkg_phase1_final_view: first_view + 20,
        dkg_phase2_final_view: first_view + 30,
        dkg_phase3_final_view: first_view + 40,
        final_view: first_view + 99,
        participants: participants(nodes).into(),
        assignments: vec![vec![node_id(1), node_id(2)], vec![node_id(3)]].into(),
        random_source: vec![7; RANDOM_SOURCE_LEN],
        target_duration: 100,
        target_end_time: 1_000,
    }
}

fn commit(counter: u64) -> EpochCommit {
    let qc = ClusterQcVoteData { sig_data: vec![1; 48], voter_ids: vec![node_id(1)] };
    EpochCommit {
        counter,
        cluster_qcs: vec![qc.clone(), qc],
        dkg_group_key: [1; BLS_PUBLIC_KEY_LEN],
        dkg_participant_keys: vec![[2; BLS_PUBLIC_KEY_LEN]; 3],
        dkg_member_ids: vec![node_id(4), node_id(5), node_id(6)],
    }
}

/// A setup of epoch 8 that is valid after the state's current epoch.
pub(super) fn next_setup(state: &ProtocolState) -> EpochSetup {
    setup(8, state.final_view() + 1, 9)
}

pub(super) fn next_commit() -> EpochCommit {
    commit(8)
}

pub(super) fn setup_event(state: &ProtocolState) -> ServiceEvent {
    ServiceEvent::EpochSetup(next_setup(state).into())
}

pub(super) fn commit_event() -> ServiceEvent {
    ServiceEvent::EpochCommit(next_commit().into())
}

pub(super) fn recover_event(state: &ProtocolState) -> ServiceEvent {
    let recover = EpochRecover { setup: next_setup(state), commit: next_commit() };
    ServiceEvent::EpochRecover(recover.into())
}

/// The parts of [`state`].
pub(super) fn parts() -> UntrustedProtocolState {
    let setup = setup(7, 101, 8);
    let commit = commit(7);
    let nodes = setup.participants.iter();
    let current_epoch = EpochStateContainer {
        setup_id: setup.id(),
        commit_id: commit.id(),
        active_identities: nodes
            .map(|node| DynamicIdentityEntry { node_id: node.node_id, ejected: false })
            .collect(),
        epoch_extensions: Vec::new(),
    };
    let epoch_state = EpochStateEntry {
        previous_epoch: None,
        current_epoch,
        next_epoch: None,
        epoch_fallback_triggered: false,
    };
    let mut kv = kv(2, THRESHOLD);
    kv.epoch_state_id = epoch_state.id();
    let current = EpochEvents { setup: Arc::new(setup), commit: Some(Arc::new(commit)) };
    UntrustedProtocolState { kv, epoch_state, previous: None, current, next: None }
}

/// Staking phase.
pub(super) fn state() -> Arc<ProtocolState> {
    Arc::new(ProtocolState::new(parts()).unwrap())
}

/// Setup phase.
pub(super) fn set_up() -> Arc<ProtocolState> {
    let parent = state();
    evolve(&parent, 101, &[&setup_event(&parent)]).unwrap()
}

/// Committed phase.
pub(super) fn committed() -> Arc<ProtocolState> {
    evolve(&set_up(), 101, &[&commit_event()]).unwrap()
}

/// Epoch fallback mode, no extension yet.
pub(super) fn fallback() -> Arc<ProtocolState> {
    evolve(&state(), 101, &[&commit_event()]).unwrap()
}
