//! The protocol state and the step from a block's parent to the block.
//!
//! [`evolve`] computes the state a block commits to from its parent's state, the block's view
//! and the service events of the results it seals; [`sealing`] gathers those events. Three state
//! machines read them, each of them the parent's key-value store and never one another's output:
//! version upgrade, epochs, set value.
//!
//! Nothing here trusts an event: a service event that breaks a rule is ignored or sends the
//! network into epoch fallback mode, as flow-go decides it. It never stops the step. The step
//! must never change a parent state, nor hash or copy anything for a block that changes nothing.

mod epochs;
mod identity_table;
mod parts;
mod scheduled_upgrade;
pub mod sealing;
mod set_value;
mod state;
#[cfg(test)]
mod testing;
mod version_beacon;
mod version_upgrade;
mod working;

pub use identity_table::{
    EpochIdentities, Identity, IdentityTableError, ParticipationStatus, UnknownStatus,
    identity_table, next_identity_table,
};
pub use parts::{ProtocolStateError, UntrustedProtocolState};
pub use scheduled_upgrade::ScheduledUpgrade;
pub use state::{EpochEvents, EpochName, ProtocolState};

use crate::codec::Entity;
use crate::model::{
    Identifier, KV_STORE_VERSION_MAX, KvStore, SIMULATED_KV_STORE_VERSION, ServiceEvent, Versions,
};
use crate::snapshot_tree;
use alloc::sync::Arc;
use working::Epochs;

/// Computes the protocol state as of a block of one of Flow's networks.
///
/// `events` are the service events of the results sealed by the candidate, ordered by the height
/// of the sealed block (see [`sealing::order_seals`]). When the candidate changes nothing, the
/// answer is the parent's very [`Arc`]. Follows flow-go
/// `state/protocol/protocol_state/state/mutable_protocol_state.go`.
///
/// # Errors
/// When the candidate's version is none this crate knows ([`StepError::UnsupportedVersion`]).
/// The other errors are exceptions: no chain of valid blocks leads to them.
pub fn evolve(
    parent: &Arc<ProtocolState>,
    candidate_view: u64,
    events: &[&ServiceEvent],
) -> Result<Arc<ProtocolState>, StepError> {
    evolve_on(Versions::Flow, parent, candidate_view, events)
}

/// As [`evolve`], on a network that may run these versions.
///
/// # Errors
/// As [`evolve`].
pub fn evolve_on(
    versions: Versions,
    parent: &Arc<ProtocolState>,
    candidate_view: u64,
    events: &[&ServiceEvent],
) -> Result<Arc<ProtocolState>, StepError> {
    let version = version_upgrade::version_at(parent.kv(), candidate_view);
    let epochs = epochs::evolve(parent, candidate_view, events)?;
    if version == parent.version() && epochs.is_none() && events.is_empty() {
        return Ok(Arc::clone(parent));
    }
    let mut kv = version_upgrade::replicate(parent.kv(), version, versions)?;
    version_upgrade::apply(&mut kv, parent.kv(), (candidate_view, versions), events);
    set_value::apply(&mut kv, events);
    let epochs = match epochs {
        Some(evolved) => parent.epochs().succeed(evolved),
        None => Arc::clone(parent.epochs()),
    };
    kv.epoch_state_id = epochs.id;
    if kv == *parent.kv() {
        return Ok(Arc::clone(parent));
    }
    kv.snapshot_tree_root = snapshot_tree_root(&kv, &epochs);
    let id = kv.id();
    Ok(Arc::new(ProtocolState::from_checked(id, kv, epochs)))
}

/// The root that a state of the store's version commits to; none in Flow's versions.
fn snapshot_tree_root(kv: &KvStore, epochs: &Epochs) -> Option<Identifier> {
    (kv.version == SIMULATED_KV_STORE_VERSION).then(|| {
        let root = snapshot_tree::root_of(kv, &epochs.identities());
        root.expect("the epochs were checked to fit the store, or evolved from such")
    })
}

/// Why no protocol state follows from a parent state and a candidate block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// The network upgraded to a version this crate does not know.
    #[error(
        "unsupported protocol state version, expected at most {KV_STORE_VERSION_MAX}, \
         found {found}"
    )]
    UnsupportedVersion {
        /// Version that becomes active.
        found: u64,
    },
    /// The active version is neither the parent's nor the one after it.
    #[error("expected protocol state version {parent} or the one after it, found {found}")]
    VersionChange {
        /// Version of the parent state.
        parent: u64,
        /// Version that becomes active.
        found: u64,
    },
    /// The current epoch is over, and the next one does not begin at the candidate's view.
    #[error("expected the next epoch to begin at view {view} or before, found {first_view}")]
    NextEpochNotReached {
        /// The candidate's view.
        view: u64,
        /// First view of the next epoch.
        first_view: u64,
    },
    /// A setup or recovery to be applied has a null participant. flow-go's nodes end there.
    #[error("participant {position} of the next epoch's setup is null")]
    NilParticipant {
        /// Nodes before it.
        position: usize,
    },
    /// An epoch would reach beyond the highest view.
    #[error("an epoch extension of {count} views after view {final_view} has no final view")]
    ViewOverflow {
        /// Final view before the extension.
        final_view: u64,
        /// Views to add.
        count: u64,
    },
}

impl StepError {
    /// Whether only a newer version of this crate can go on.
    #[must_use]
    pub fn is_unsupported_version(&self) -> bool {
        matches!(self, Self::UnsupportedVersion { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{node_id, setup_event, state};
    use super::*;
    use crate::model::ViewBasedActivator;
    use crate::snapshot_tree::SnapshotTree;

    #[bounded::test]
    fn returns_the_parent_itself_when_nothing_changes() {
        let parent = state();
        let quiet = evolve(&parent, 101, &[]).unwrap();
        assert!(Arc::ptr_eq(&parent, &quiet));
        let low = ServiceEvent::SetEpochExtensionViewCount { value: 1 };
        let ignored = evolve(&parent, 101, &[&low]).unwrap();
        assert!(Arc::ptr_eq(&parent, &ignored));
    }

    #[bounded::test]
    fn shares_the_epoch_state_when_only_a_value_changes() {
        let parent = state();
        let event = ServiceEvent::SetEpochExtensionViewCount { value: 77 };
        let next = evolve(&parent, 101, &[&event]).unwrap();
        assert_ne!(next.id(), parent.id());
        assert_eq!(next.epoch_state_id(), parent.epoch_state_id());
        assert!(Arc::ptr_eq(next.epoch_state(), parent.epoch_state()));
    }

    /// A simulated network at the version whose store has the snapshot tree's root.
    fn simulated() -> Arc<ProtocolState> {
        let state = state();
        let mut kv = version_upgrade::replicate(state.kv(), 3, Versions::Simulated).unwrap();
        let (version, view) = (SIMULATED_KV_STORE_VERSION, 103);
        kv.version_upgrade = Some(ViewBasedActivator { data: version, activation_view: view });
        let id = kv.id();
        let parent = Arc::new(ProtocolState::from_checked(id, kv, Arc::clone(state.epochs())));
        let before = evolve_on(Versions::Simulated, &parent, view - 1, &[]).unwrap();
        assert!(Arc::ptr_eq(&before, &parent) && before.kv().snapshot_tree_root.is_none());
        let refused = evolve(&parent, view, &[]).unwrap_err();
        assert_eq!(refused, StepError::UnsupportedVersion { found: version });
        evolve_on(Versions::Simulated, &parent, view, &[]).unwrap()
    }

    #[bounded::test]
    fn every_state_of_the_simulated_version_commits_to_its_own_snapshot_tree() {
        let upgraded = simulated();
        let quiet = evolve_on(Versions::Simulated, &upgraded, 104, &[]).unwrap();
        assert!(Arc::ptr_eq(&upgraded, &quiet));
        let events = [
            ServiceEvent::SetEpochExtensionViewCount { value: 77 },
            ServiceEvent::EjectNode { node_id: node_id(7) },
            setup_event(&upgraded),
        ];
        let mut states = [upgraded].to_vec();
        for event in &events {
            let parent = &states[states.len() - 1];
            states.push(evolve_on(Versions::Simulated, parent, 105, &[event]).unwrap());
        }
        let roots: alloc::collections::BTreeSet<_> = states
            .iter()
            .map(|state| {
                let root = state.kv().snapshot_tree_root;
                assert_eq!(root, Some(SnapshotTree::of(state).root()));
                root
            })
            .collect();
        assert_eq!(roots.len(), states.len());
    }

    #[bounded::test]
    fn a_state_of_another_root_is_none() {
        let state = simulated();
        let parts = |change: fn(&mut KvStore)| {
            let mut kv = state.kv().clone();
            change(&mut kv);
            ProtocolState::new(UntrustedProtocolState {
                kv,
                epoch_state: (**state.epoch_state()).clone(),
                previous: None,
                current: state.events(EpochName::Current).unwrap().clone(),
                next: None,
            })
        };
        assert_eq!(parts(|_| ()).unwrap(), *state);
        let other = parts(|kv| kv.snapshot_tree_root = Some(Identifier([1; 32]))).unwrap_err();
        assert!(matches!(other, ProtocolStateError::SnapshotTreeRoot { .. }), "{other}");
        let version = SIMULATED_KV_STORE_VERSION;
        for change in [(|kv| kv.snapshot_tree_root = None) as fn(&mut KvStore), |kv| {
            kv.execution = None;
        }] {
            assert_eq!(parts(change).unwrap_err(), ProtocolStateError::Fields { version });
        }
        let earlier = parts(|kv| kv.version = 3).unwrap_err();
        assert_eq!(earlier, ProtocolStateError::Fields { version: 3 });
    }

    #[bounded::test]
    fn a_stepped_state_equals_the_state_of_its_parts() {
        let parent = state();
        let event = setup_event(&parent);
        let next = evolve(&parent, 101, &[&event]).unwrap();
        let rebuilt = ProtocolState::new(UntrustedProtocolState {
            kv: next.kv().clone(),
            epoch_state: (**next.epoch_state()).clone(),
            previous: None,
            current: next.events(EpochName::Current).unwrap().clone(),
            next: next.events(EpochName::Next).cloned(),
        });
        assert_eq!(rebuilt.unwrap(), *next);
    }
}
