//! The protocol state: the key-value store and the epoch state it points to.

use super::{Identifier, KV_STORE_VERSION_MAX, SIMULATED_KV_STORE_VERSION, Versions};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

/// A value that becomes active at a view (flow-go `protocol.ViewBasedActivator`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewBasedActivator<T> {
    /// The value.
    pub data: T,
    /// First view at which it is active.
    pub activation_view: u64,
}

/// A value with, possibly, a scheduled successor (flow-go `protocol.UpdatableField`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdatableField<T> {
    /// The value in force.
    pub current_value: T,
    /// Its successor, if one is scheduled.
    pub update: Option<ViewBasedActivator<T>>,
}

/// A component version of two numbers (flow-go `protocol.MagnitudeVersion`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MagnitudeVersion {
    /// Major part.
    pub major: u64,
    /// Minor part.
    pub minor: u64,
}

/// Weights and limits of execution metering (flow-go `protocol.ExecutionMeteringParameters`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecutionMeteringParameters {
    /// Weight of each kind of computation.
    pub execution_effort_weights: BTreeMap<u32, u64>,
    /// Weight of each kind of memory use.
    pub execution_memory_weights: BTreeMap<u32, u64>,
    /// Memory limit.
    pub execution_memory_limit: u64,
}

/// Fields that version 3 of the key-value store adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionParameters {
    /// Metering parameters.
    pub metering: UpdatableField<ExecutionMeteringParameters>,
    /// Version of the execution component.
    pub execution_component_version: UpdatableField<MagnitudeVersion>,
    /// Version of the Cadence component.
    pub cadence_component_version: UpdatableField<MagnitudeVersion>,
}

/// Flow's protocol state: a key-value store of a version from 0 to 3.
///
/// Versions 0, 1 and 2 have the same fields; version 3 adds [`ExecutionParameters`]. After it
/// [`SIMULATED_KV_STORE_VERSION`], which is not Flow's, adds the snapshot tree's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvStore {
    /// Version of the model.
    pub version: u64,
    /// Scheduled version upgrade; stays set after activation.
    pub version_upgrade: Option<ViewBasedActivator<u64>>,
    /// ID of the epoch state.
    pub epoch_state_id: Identifier,
    /// Views an epoch extension adds.
    pub epoch_extension_view_count: u64,
    /// Views before a deadline from which on it counts as missed.
    pub finalization_safety_threshold: u64,
    /// Present exactly from version 3 on.
    pub execution: Option<ExecutionParameters>,
    /// Root of the snapshot tree over the rest of this state, 32 bytes; present exactly in version
    /// [`SIMULATED_KV_STORE_VERSION`].
    pub snapshot_tree_root: Option<Identifier>,
}

impl KvStore {
    /// The upgrade that is scheduled, until its version is in force.
    #[must_use]
    pub fn pending_upgrade(&self) -> Option<ViewBasedActivator<u64>> {
        self.version_upgrade.filter(|upgrade| upgrade.data != self.version)
    }

    /// The upgrade that is scheduled or in force, if it leads to a version that is none of these.
    #[must_use]
    pub fn upgrade_beyond(&self, known: Versions) -> Option<ViewBasedActivator<u64>> {
        self.version_upgrade.filter(|upgrade| !known.include(upgrade.data))
    }

    /// Whether exactly the fields are there that the version has.
    #[must_use]
    pub fn has_fields_of_version(&self) -> bool {
        self.execution.is_some() == (self.version >= KV_STORE_VERSION_MAX)
            && self.snapshot_tree_root.is_some() == (self.version == SIMULATED_KV_STORE_VERSION)
    }
}

/// A node's participation in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DynamicIdentityEntry {
    /// Node ID.
    pub node_id: Identifier,
    /// Whether the node was ejected.
    pub ejected: bool,
}

/// Views added to an epoch in fallback mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochExtension {
    /// First view added.
    pub first_view: u64,
    /// Last view added.
    pub final_view: u64,
}

/// One epoch as the epoch state refers to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochStateContainer {
    /// ID of the epoch's setup event.
    pub setup_id: Identifier,
    /// ID of its commit event; zero while only set up.
    pub commit_id: Identifier,
    /// Participants, in canonical order.
    pub active_identities: Vec<DynamicIdentityEntry>,
    /// Extensions, in order.
    pub epoch_extensions: Vec<EpochExtension>,
}

/// The epoch state a key-value store points to (flow-go `flow.MinEpochStateEntry`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochStateEntry {
    /// Epoch before the current one, if there was one in this spork.
    pub previous_epoch: Option<EpochStateContainer>,
    /// Current epoch.
    pub current_epoch: EpochStateContainer,
    /// Next epoch, once set up.
    pub next_epoch: Option<EpochStateContainer>,
    /// Whether the network is in epoch fallback mode.
    pub epoch_fallback_triggered: bool,
}

/// Phase of the current epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochPhase {
    /// No next epoch yet.
    Staking,
    /// Next epoch set up.
    Setup,
    /// Next epoch committed.
    Committed,
    /// Fallback mode without a committed next epoch.
    Fallback,
}

impl EpochPhase {
    /// flow-go's name, such as `EpochPhaseStaking`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Staking => "EpochPhaseStaking",
            Self::Setup => "EpochPhaseSetup",
            Self::Committed => "EpochPhaseCommitted",
            Self::Fallback => "EpochPhaseFallback",
        }
    }
}

impl fmt::Display for EpochPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl EpochStateEntry {
    /// Phase of the current epoch (flow-go `flow.EpochPhase`).
    #[must_use]
    pub fn phase(&self) -> EpochPhase {
        let next_committed = self.next_epoch.as_ref().is_some_and(|next| !next.commit_id.is_zero());
        match (self.epoch_fallback_triggered, &self.next_epoch) {
            (_, Some(_)) if next_committed => EpochPhase::Committed,
            (true, _) => EpochPhase::Fallback,
            (false, None) => EpochPhase::Staking,
            (false, Some(_)) => EpochPhase::Setup,
        }
    }
}
