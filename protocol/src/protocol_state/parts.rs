//! Joining a protocol state from its parts.
//!
//! The one way in from outside: every part is checked to be the one that another part names.

use super::identity_table::same_nodes;
use super::working::Epochs;
use super::{EpochEvents, EpochName, ProtocolState, snapshot_tree_root};
use crate::codec::Entity;
use crate::model::{
    EpochStateContainer, EpochStateEntry, Identifier, KV_STORE_VERSION_MAX, KvStore, Versions,
};
use alloc::sync::Arc;

/// The parts of a protocol state before any of them is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UntrustedProtocolState {
    /// Key-value store.
    pub kv: KvStore,
    /// Epoch state the store points to.
    pub epoch_state: EpochStateEntry,
    /// Events of the previous epoch, if the epoch state has one.
    pub previous: Option<EpochEvents>,
    /// Events of the current epoch.
    pub current: EpochEvents,
    /// Events of the next epoch, if the epoch state has one.
    pub next: Option<EpochEvents>,
}

impl ProtocolState {
    /// Joins the parts of a protocol state, checking every identifier they name.
    ///
    /// # Errors
    /// When a part is missing, is not the one that another names, or lists other nodes; when the
    /// store commits to another snapshot tree than that of the parts. Which versions the network
    /// may run is for the caller to check ([`Versions`]).
    pub fn new(parts: UntrustedProtocolState) -> Result<Self, ProtocolStateError> {
        let UntrustedProtocolState { kv, epoch_state, previous, current, next } = parts;
        if !Versions::Future.include(kv.version) {
            return Err(ProtocolStateError::UnsupportedVersion { found: kv.version });
        }
        if !kv.has_fields_of_version() {
            return Err(ProtocolStateError::Fields { version: kv.version });
        }
        let id = epoch_state.id();
        if id != kv.epoch_state_id {
            let expected = kv.epoch_state_id;
            return Err(ProtocolStateError::EpochStateId { expected, found: id });
        }
        check_epoch(EpochName::Previous, epoch_state.previous_epoch.as_ref(), previous.as_ref())?;
        check_epoch(EpochName::Current, Some(&epoch_state.current_epoch), Some(&current))?;
        check_epoch(EpochName::Next, epoch_state.next_epoch.as_ref(), next.as_ref())?;
        let entry = Arc::new(epoch_state);
        let epochs = Arc::new(Epochs { id, entry, previous, current, next });
        let expected = snapshot_tree_root(&kv, &epochs);
        if expected != kv.snapshot_tree_root {
            let (expected, found) =
                (expected.unwrap_or_default(), kv.snapshot_tree_root.unwrap_or_default());
            return Err(ProtocolStateError::SnapshotTreeRoot { expected, found });
        }
        Ok(Self::from_checked(kv.id(), kv, epochs))
    }
}

fn check_epoch(
    epoch: EpochName,
    container: Option<&EpochStateContainer>,
    events: Option<&EpochEvents>,
) -> Result<(), ProtocolStateError> {
    let (container, events) = match (container, events) {
        (None, None) => return Ok(()),
        (Some(container), Some(events)) => (container, events),
        (None, Some(_)) => return Err(ProtocolStateError::UnexpectedEvents { epoch }),
        (Some(_), None) => return Err(ProtocolStateError::MissingEvents { epoch }),
    };
    let found = events.setup.id();
    if found != container.setup_id {
        let expected = container.setup_id;
        return Err(ProtocolStateError::SetupId { epoch, expected, found });
    }
    let found = events.commit.as_ref().map_or(Identifier::ZERO, |commit| commit.id());
    if found != container.commit_id {
        let expected = container.commit_id;
        return Err(ProtocolStateError::CommitId { epoch, expected, found });
    }
    if events.commit.is_none() && epoch != EpochName::Next {
        return Err(ProtocolStateError::NotCommitted { epoch });
    }
    if events.setup.participants.first_nil().is_some() || !same_nodes(container, &events.setup) {
        return Err(ProtocolStateError::Participants { epoch });
    }
    let mut expected = events.setup.final_view.checked_add(1);
    for extension in &container.epoch_extensions {
        if Some(extension.first_view) != expected || extension.final_view < extension.first_view {
            return Err(ProtocolStateError::Extensions { epoch });
        }
        expected = extension.final_view.checked_add(1);
    }
    Ok(())
}

/// Why parts are not a protocol state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolStateError {
    /// A version this crate does not know.
    #[error(
        "unsupported protocol state version, expected at most {KV_STORE_VERSION_MAX}, \
         found {found}"
    )]
    UnsupportedVersion {
        /// Version found.
        found: u64,
    },
    /// Fields that the version does not have, or not all that it has.
    #[error("the key-value store's fields are not those of its version {version}")]
    Fields {
        /// Version found.
        version: u64,
    },
    /// The store commits to another snapshot tree than that of the state.
    #[error("expected snapshot tree root {expected}, found {found}")]
    SnapshotTreeRoot {
        /// Root of the tree of the parts.
        expected: Identifier,
        /// Root in the store.
        found: Identifier,
    },
    /// The epoch state is not the one the store names.
    #[error("expected epoch state {expected}, found {found}")]
    EpochStateId {
        /// ID in the store.
        expected: Identifier,
        /// ID of the epoch state given.
        found: Identifier,
    },
    /// An epoch without its events.
    #[error("expected the events of the {epoch}, found none")]
    MissingEvents {
        /// The epoch.
        epoch: EpochName,
    },
    /// Events of an epoch that the epoch state does not have.
    #[error("expected no events of the {epoch}, found some")]
    UnexpectedEvents {
        /// The epoch.
        epoch: EpochName,
    },
    /// The setup is not the one the epoch state names.
    #[error("expected setup {expected} for the {epoch}, found {found}")]
    SetupId {
        /// The epoch.
        epoch: EpochName,
        /// ID in the epoch state.
        expected: Identifier,
        /// ID of the setup given.
        found: Identifier,
    },
    /// The commit is not the one the epoch state names (zero: none).
    #[error("expected commit {expected} for the {epoch}, found {found}")]
    CommitId {
        /// The epoch.
        epoch: EpochName,
        /// ID in the epoch state.
        expected: Identifier,
        /// ID of the commit given.
        found: Identifier,
    },
    /// An epoch that began without a commit.
    #[error("expected the {epoch} to be committed")]
    NotCommitted {
        /// The epoch.
        epoch: EpochName,
    },
    /// The epoch state and the setup list different nodes.
    #[error("nodes of the {epoch} differ between epoch state and setup")]
    Participants {
        /// The epoch.
        epoch: EpochName,
    },
    /// Extensions that leave a gap, overlap or end before they begin.
    #[error("extensions of the {epoch} are not contiguous")]
    Extensions {
        /// The epoch.
        epoch: EpochName,
    },
}

#[cfg(test)]
mod tests {
    use super::super::testing::parts;
    use super::*;

    fn error(change: impl FnOnce(&mut UntrustedProtocolState)) -> ProtocolStateError {
        let mut parts = parts();
        change(&mut parts);
        ProtocolState::new(parts).unwrap_err()
    }

    /// Changes the epoch state, and the store's reference to it.
    fn entry_error(change: impl FnOnce(&mut EpochStateEntry)) -> ProtocolStateError {
        error(|parts| {
            change(&mut parts.epoch_state);
            parts.kv.epoch_state_id = parts.epoch_state.id();
        })
    }

    #[bounded::test]
    fn accepts_parts_that_fit() {
        let state = ProtocolState::new(parts()).unwrap();
        assert_eq!((state.epoch_counter(), state.first_view(), state.final_view()), (7, 101, 200));
        assert_eq!(state.id(), parts().kv.id());
    }

    #[bounded::test]
    fn rejects_another_epoch_state_or_event() {
        use ProtocolStateError as E;
        let found = error(|parts| parts.epoch_state.epoch_fallback_triggered = true);
        assert!(matches!(found, E::EpochStateId { .. }));
        let found = error(|parts| Arc::make_mut(&mut parts.current.setup).target_duration += 1);
        assert!(matches!(found, E::SetupId { epoch: EpochName::Current, .. }));
        let found = error(|parts| parts.current.commit = None);
        assert!(matches!(found, E::CommitId { epoch: EpochName::Current, .. }));
        let found = error(|parts| parts.next = Some(parts.current.clone()));
        assert_eq!(found, E::UnexpectedEvents { epoch: EpochName::Next });
        let found = entry_error(|entry| entry.next_epoch = Some(entry.current_epoch.clone()));
        assert_eq!(found, E::MissingEvents { epoch: EpochName::Next });
    }

    #[bounded::test]
    fn rejects_other_nodes_and_gaps_between_extensions() {
        use crate::model::EpochExtension;
        use ProtocolStateError as E;
        let epoch = EpochName::Current;
        let found = entry_error(|entry| entry.current_epoch.active_identities.truncate(7));
        assert_eq!(found, E::Participants { epoch });
        let extension = EpochExtension { first_view: 202, final_view: 300 };
        let found = entry_error(|entry| entry.current_epoch.epoch_extensions.push(extension));
        assert_eq!(found, E::Extensions { epoch });
    }

    #[bounded::test]
    fn rejects_versions_it_does_not_know() {
        use crate::model::FUTURE_KV_STORE_VERSION;
        let unknown = FUTURE_KV_STORE_VERSION + 1;
        let found = error(|parts| parts.kv.version = unknown);
        assert_eq!(found, ProtocolStateError::UnsupportedVersion { found: unknown });
        for version in [3, FUTURE_KV_STORE_VERSION] {
            let found = error(|parts| parts.kv.version = version);
            assert_eq!(found, ProtocolStateError::Fields { version });
        }
    }
}
