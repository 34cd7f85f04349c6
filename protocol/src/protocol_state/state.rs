//! The protocol state as a value whose parts fit together.
//!
//! A [`ProtocolState`] exists only joined from parts with every identifier checked (see
//! [`super::parts`]), or made by the step.

use super::working::{Epochs, final_view};
use crate::model::{
    EpochCommit, EpochPhase, EpochSetup, EpochStateContainer, EpochStateEntry, Identifier, KvStore,
};
use alloc::sync::Arc;
use core::fmt;

/// Protocol state as of a block: key-value store, epoch state, and the epochs' service events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolState {
    id: Identifier,
    kv: KvStore,
    epochs: Arc<Epochs>,
}

/// Service events that set up and committed an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochEvents {
    /// The setup.
    pub setup: Arc<EpochSetup>,
    /// The commit; `None` while the epoch is only set up.
    pub commit: Option<Arc<EpochCommit>>,
}

/// Which of the epoch state's epochs is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochName {
    /// The epoch before the current one.
    Previous,
    /// The current epoch.
    Current,
    /// The epoch after the current one.
    Next,
}

impl EpochName {
    /// This epoch of an epoch state.
    #[must_use]
    pub fn container(self, entry: &EpochStateEntry) -> Option<&EpochStateContainer> {
        match self {
            Self::Previous => entry.previous_epoch.as_ref(),
            Self::Current => Some(&entry.current_epoch),
            Self::Next => entry.next_epoch.as_ref(),
        }
    }
}

impl fmt::Display for EpochName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Previous => "previous epoch",
            Self::Current => "current epoch",
            Self::Next => "next epoch",
        })
    }
}

impl ProtocolState {
    /// The protocol state ID, which block payloads commit to.
    #[must_use]
    pub fn id(&self) -> Identifier {
        self.id
    }

    /// Version of the key-value store.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.kv.version
    }

    /// The key-value store.
    #[must_use]
    pub fn kv(&self) -> &KvStore {
        &self.kv
    }

    /// ID of the epoch state.
    #[must_use]
    pub fn epoch_state_id(&self) -> Identifier {
        self.epochs.id
    }

    /// The epoch state.
    #[must_use]
    pub fn epoch_state(&self) -> &Arc<EpochStateEntry> {
        &self.epochs.entry
    }

    /// Counter of the current epoch.
    #[must_use]
    pub fn epoch_counter(&self) -> u64 {
        self.current_setup().counter
    }

    /// Phase of the current epoch.
    #[must_use]
    pub fn phase(&self) -> EpochPhase {
        self.epochs.entry.phase()
    }

    /// Whether the network is in epoch fallback mode.
    #[must_use]
    pub fn epoch_fallback_triggered(&self) -> bool {
        self.epochs.entry.epoch_fallback_triggered
    }

    /// First view of the current epoch.
    #[must_use]
    pub fn first_view(&self) -> u64 {
        self.current_setup().first_view
    }

    /// Final view of the current epoch, extensions counted.
    #[must_use]
    pub fn final_view(&self) -> u64 {
        final_view(&self.epochs.entry.current_epoch, self.current_setup())
    }

    /// The epoch as the epoch state refers to it: its event IDs, nodes and extensions.
    #[must_use]
    pub fn container(&self, epoch: EpochName) -> Option<&EpochStateContainer> {
        epoch.container(&self.epochs.entry)
    }

    /// Setup and commit of an epoch.
    #[must_use]
    pub fn events(&self, epoch: EpochName) -> Option<&EpochEvents> {
        match epoch {
            EpochName::Previous => self.epochs.previous.as_ref(),
            EpochName::Current => Some(&self.epochs.current),
            EpochName::Next => self.epochs.next.as_ref(),
        }
    }

    /// Setup of the previous epoch.
    #[must_use]
    pub fn previous_setup(&self) -> Option<&Arc<EpochSetup>> {
        self.epochs.previous.as_ref().map(|events| &events.setup)
    }

    /// Commit of the previous epoch.
    #[must_use]
    pub fn previous_commit(&self) -> Option<&Arc<EpochCommit>> {
        self.epochs.previous.as_ref().and_then(|events| events.commit.as_ref())
    }

    /// Setup of the current epoch.
    #[must_use]
    pub fn current_setup(&self) -> &Arc<EpochSetup> {
        &self.epochs.current.setup
    }

    /// Commit of the current epoch.
    #[must_use]
    pub fn current_commit(&self) -> &Arc<EpochCommit> {
        self.epochs.current.commit.as_ref().expect("only a committed epoch becomes current")
    }

    /// Setup of the next epoch, once there is one.
    #[must_use]
    pub fn next_setup(&self) -> Option<&Arc<EpochSetup>> {
        self.epochs.next.as_ref().map(|events| &events.setup)
    }

    /// Commit of the next epoch, once there is one.
    #[must_use]
    pub fn next_commit(&self) -> Option<&Arc<EpochCommit>> {
        self.epochs.next.as_ref().and_then(|events| events.commit.as_ref())
    }

    pub(super) fn epochs(&self) -> &Arc<Epochs> {
        &self.epochs
    }

    pub(super) fn from_checked(id: Identifier, kv: KvStore, epochs: Arc<Epochs>) -> Self {
        Self { id, kv, epochs }
    }
}
