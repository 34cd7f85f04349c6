//! What makes an epoch's service events valid.
//!
//! Follows flow-go `state/protocol/validity.go`, and `model/flow/factory/cluster_list.go` for
//! clusters. The views of key generation are not part of it there, nor are the cluster QCs'
//! signatures and voters: they are checked where the events are made, never here.

use super::super::StepError;
use super::EvolvingEpochs;
use crate::model::{
    EpochCommit, EpochSetup, Identifier, IdentitySkeleton, RANDOM_SOURCE_LEN, Role,
};
use alloc::collections::BTreeSet;
use alloc::string::String;

/// Why a service event is not valid at this point of the chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum InvalidServiceEvent {
    #[error("the next epoch is already set up by {setup_id}")]
    RepeatedSetup { setup_id: Identifier },
    #[error("expected epoch counter {expected}, found {found}")]
    Counter { expected: u64, found: u64 },
    #[error("expected the epoch to begin at view {expected}, found {found}")]
    FirstView { expected: u64, found: u64 },
    #[error("expected {RANDOM_SOURCE_LEN} bytes of randomness, found {found}")]
    RandomSource { found: usize },
    #[error("expected a final view after the first, {first_view}, found {final_view}")]
    FinalView { first_view: u64, final_view: u64 },
    #[error("node {node_id} is out of canonical order or listed twice")]
    ParticipantOrder { node_id: Identifier },
    #[error("two nodes have the address {address:?}")]
    DuplicateAddress { address: String },
    #[error("expected at least one {role} node with weight, found none")]
    MissingRole { role: Role },
    #[error("expected at least one collection cluster, found none")]
    NoClusters,
    #[error("collection cluster {cluster} is empty")]
    EmptyCluster { cluster: usize },
    #[error("node {node_id} of cluster {cluster} is no unassigned collection node with weight")]
    ClusterMember { cluster: usize, node_id: Identifier },
    #[error("node {node_id} of cluster {cluster} is out of canonical order")]
    ClusterOrder { cluster: usize, node_id: Identifier },
    #[error("collection node {node_id} is in no cluster")]
    Unassigned { node_id: Identifier },
    #[error("node {node_id} is ejected")]
    EjectedNode { node_id: Identifier },
    #[error("no epoch is set up to be committed")]
    CommitWithoutSetup,
    #[error("the next epoch is already committed by {commit_id}")]
    RepeatedCommit { commit_id: Identifier },
    #[error("expected one qc for each of {expected} clusters, found {found}")]
    ClusterQcs { expected: usize, found: usize },
    #[error("expected one key for each of {expected} members of the key generation, found {found}")]
    DkgKeys { expected: usize, found: usize },
    #[error("node {node_id} is listed twice among the members of the key generation")]
    DuplicateDkgMember { node_id: Identifier },
    #[error("expected {expected} members of the key generation in the committee, found {found}")]
    DkgMembersInCommittee { expected: usize, found: usize },
    #[error("a recovery outside of epoch fallback mode")]
    UnexpectedRecover,
    #[error("view {view} is too close to the final view {final_view} for a recovery")]
    RecoverTooLate { view: u64, final_view: u64 },
    #[error("participant {position} is null")]
    NilParticipant { position: usize },
}

impl InvalidServiceEvent {
    /// What follows when flow-go has no answer to the event: no block that applies it is certified.
    pub(super) fn halt(&self) -> Option<StepError> {
        match self {
            Self::NilParticipant { position } => {
                Some(StepError::NilParticipant { position: *position })
            }
            _ => None,
        }
    }
}

/// Checks a setup against the epoch it is to follow, and by itself.
pub(super) fn check_extending_setup(
    setup: &EpochSetup,
    epochs: &EvolvingEpochs,
) -> Result<(), InvalidServiceEvent> {
    if let Some(next) = &epochs.entry.next_epoch {
        return Err(InvalidServiceEvent::RepeatedSetup { setup_id: next.setup_id });
    }
    let expected = epochs.current.setup.counter.wrapping_add(1);
    if setup.counter != expected {
        return Err(InvalidServiceEvent::Counter { expected, found: setup.counter });
    }
    let expected = epochs.final_view().wrapping_add(1);
    if setup.first_view != expected {
        return Err(InvalidServiceEvent::FirstView { expected, found: setup.first_view });
    }
    check_setup(setup)
}

fn check_setup(setup: &EpochSetup) -> Result<(), InvalidServiceEvent> {
    if setup.random_source.len() != RANDOM_SOURCE_LEN {
        return Err(InvalidServiceEvent::RandomSource { found: setup.random_source.len() });
    }
    if setup.first_view >= setup.final_view {
        let (first_view, final_view) = (setup.first_view, setup.final_view);
        return Err(InvalidServiceEvent::FinalView { first_view, final_view });
    }
    check_participants(setup)?;
    check_clusters(setup)
}

fn check_participants(setup: &EpochSetup) -> Result<(), InvalidServiceEvent> {
    if let Some(position) = setup.participants.first_nil() {
        return Err(before_nil(&setup.participants[..position]));
    }
    for pair in setup.participants.windows(2) {
        if pair[0].node_id >= pair[1].node_id {
            return Err(InvalidServiceEvent::ParticipantOrder { node_id: pair[1].node_id });
        }
    }
    let mut addresses = BTreeSet::new();
    for node in &setup.participants {
        if !addresses.insert(&node.address) {
            let address = node.address.clone();
            return Err(InvalidServiceEvent::DuplicateAddress { address });
        }
    }
    let needed = [Role::Consensus, Role::Collection, Role::Execution, Role::Verification];
    for role in needed {
        if !setup.participants.iter().any(|node| node.role == role && node.initial_weight > 0) {
            return Err(InvalidServiceEvent::MissingRole { role });
        }
    }
    Ok(())
}

/// What flow-go finds first as it looks for repeated IDs: one of them, or the nil behind.
fn before_nil(participants: &[IdentitySkeleton]) -> InvalidServiceEvent {
    let mut node_ids = BTreeSet::new();
    let repeated = participants.iter().find(|node| !node_ids.insert(node.node_id));
    match repeated {
        Some(node) => InvalidServiceEvent::ParticipantOrder { node_id: node.node_id },
        None => InvalidServiceEvent::NilParticipant { position: participants.len() },
    }
}

fn check_clusters(setup: &EpochSetup) -> Result<(), InvalidServiceEvent> {
    if setup.assignments.is_empty() {
        return Err(InvalidServiceEvent::NoClusters);
    }
    let mut unassigned: BTreeSet<Identifier> = weighted(setup, Role::Collection).collect();
    for (cluster, members) in setup.assignments.iter().enumerate() {
        if members.is_empty() {
            return Err(InvalidServiceEvent::EmptyCluster { cluster });
        }
        for &node_id in members {
            if !unassigned.remove(&node_id) {
                return Err(InvalidServiceEvent::ClusterMember { cluster, node_id });
            }
        }
        for pair in members.windows(2) {
            if pair[0] >= pair[1] {
                return Err(InvalidServiceEvent::ClusterOrder { cluster, node_id: pair[1] });
            }
        }
    }
    match unassigned.first() {
        Some(&node_id) => Err(InvalidServiceEvent::Unassigned { node_id }),
        None => Ok(()),
    }
}

/// Checks a commit against the setup it commits.
pub(super) fn check_commit(
    commit: &EpochCommit,
    setup: &EpochSetup,
) -> Result<(), InvalidServiceEvent> {
    let (expected, found) = (setup.assignments.len(), commit.cluster_qcs.len());
    if expected != found {
        return Err(InvalidServiceEvent::ClusterQcs { expected, found });
    }
    let (expected, found) = (setup.counter, commit.counter);
    if expected != found {
        return Err(InvalidServiceEvent::Counter { expected, found });
    }
    let (expected, found) = (commit.dkg_member_ids.len(), commit.dkg_participant_keys.len());
    if expected != found {
        return Err(InvalidServiceEvent::DkgKeys { expected, found });
    }
    let mut members = BTreeSet::new();
    for &node_id in &commit.dkg_member_ids {
        if !members.insert(node_id) {
            return Err(InvalidServiceEvent::DuplicateDkgMember { node_id });
        }
    }
    let expected = dkg_members_in_committee_min(members.len());
    let found = weighted(setup, Role::Consensus).filter(|id| members.contains(id)).count();
    if found < expected {
        return Err(InvalidServiceEvent::DkgMembersInCommittee { expected, found });
    }
    Ok(())
}

/// Members of the key generation that the consensus committee needs: 62 of 100, rounded down
/// (flow-go `signature.RandomBeaconSafetyThreshold`).
fn dkg_members_in_committee_min(members: usize) -> usize {
    members.saturating_mul(62) / 100
}

fn weighted(setup: &EpochSetup, role: Role) -> impl Iterator<Item = Identifier> + '_ {
    let nodes = setup.participants.iter();
    nodes.filter(move |node| node.role == role && node.initial_weight > 0).map(|node| node.node_id)
}

#[cfg(test)]
mod tests;
