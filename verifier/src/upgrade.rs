//! Versions of the protocol state that this build does not know: where a proved state schedules one.
//!
//! Flow's versions are in force from a view on that the protocol state schedules, more than the
//! finalization safety threshold of views ahead (flow-go
//! `state/protocol/protocol_state/kvstore/upgrade_statemachine.go`). So whoever proved a state without
//! such a schedule knows up to which view there can be no new version.

use super::{Anchor, Missing, NeedsUpdate, Rejection, Violation};
use weir_protocol::codec::Entity as _;
use weir_protocol::model::{Header, KvStore, Versions, ViewBasedActivator};

/// What is proved of upgrades where a block's state has a version that is not known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Schedule {
    /// The caller vouches for the block, and so for its version.
    Vouched,
    /// Nothing.
    Unproved,
    /// What a state of a block says.
    Proved {
        /// View of the block at least.
        view: u64,
        /// Views from a block on within which no upgrade that it does not schedule comes into force.
        threshold: u64,
        /// The upgrade to a version that is not known, if it schedules one.
        upgrade: Option<ViewBasedActivator<u64>>,
    },
}

impl Schedule {
    /// What a state with the parent's rules says, of a block of this view at least.
    pub(super) fn of(kv: &KvStore, chain_id: &str, view: u64) -> Self {
        let threshold = kv.finalization_safety_threshold;
        let upgrade = kv.upgrade_beyond(Versions::of_chain(chain_id));
        Self::Proved { view, threshold, upgrade }
    }

    /// What a block of a version that is not known means.
    pub(super) fn verdict(self, header: &Header, version: u64) -> Rejection {
        let Header { view, height, .. } = *header;
        match self {
            Self::Vouched => NeedsUpdate::ProtocolVersion { version, since_view: None }.into(),
            Self::Proved { upgrade: Some(upgrade), .. }
                if upgrade.data <= version && upgrade.activation_view <= view =>
            {
                let since_view = Some(upgrade.activation_view);
                NeedsUpdate::ProtocolVersion { version, since_view }.into()
            }
            Self::Proved { view: proved, threshold, .. }
                if view <= proved.saturating_add(threshold) =>
            {
                Violation::UnscheduledVersion { version, view, proved_view: proved }.into()
            }
            Self::Proved { .. } | Self::Unproved => {
                Missing::UpgradeSchedule { version, block_id: header.id(), height, view }.into()
            }
        }
    }
}

impl Anchor<'_> {
    pub(super) fn schedule(self) -> Schedule {
        match self {
            Self::KnownBlock { .. } => Schedule::Vouched,
            Self::Committee { .. } => Schedule::Unproved,
            Self::Trusted(trusted) => trusted.schedule(),
        }
    }
}
