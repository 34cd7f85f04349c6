//! Service events: how Flow's contracts speak to the protocol.

use super::{EpochCommit, EpochRecover, EpochSetup, Identifier};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// An event emitted by a system contract and included in an execution result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceEvent {
    /// `setup`.
    EpochSetup(Box<EpochSetup>),
    /// `commit`.
    EpochCommit(Box<EpochCommit>),
    /// `recover`.
    EpochRecover(Box<EpochRecover>),
    /// `eject-node`.
    EjectNode {
        /// Ejected node.
        node_id: Identifier,
    },
    /// `protocol-state-version-upgrade`.
    ProtocolStateVersionUpgrade {
        /// Version to upgrade to.
        new_protocol_state_version: u64,
        /// First view of the new version.
        active_view: u64,
    },
    /// `set-epoch-extension-view-count`.
    SetEpochExtensionViewCount {
        /// Views an epoch extension adds.
        value: u64,
    },
    /// `version-beacon`; not part of the protocol state.
    VersionBeacon(VersionBeacon),
}

impl ServiceEvent {
    /// The last valid version beacon among events, which is the one that counts.
    pub fn last_version_beacon<'a>(
        events: impl IntoIterator<Item = &'a Self, IntoIter: DoubleEndedIterator>,
    ) -> Option<&'a VersionBeacon> {
        events.into_iter().rev().find_map(|event| match event {
            Self::VersionBeacon(beacon) => Some(beacon).filter(|beacon| beacon.is_valid()),
            _ => None,
        })
    }
}

/// Which software version executes from which height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionBeacon {
    /// Boundaries, by ascending height.
    pub version_boundaries: Vec<VersionBoundary>,
    /// Position among all version beacons.
    pub sequence: u64,
}

/// One entry of a [`VersionBeacon`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionBoundary {
    /// First height the version applies to.
    pub block_height: u64,
    /// Semantic version.
    pub version: String,
}

impl ServiceEvent {
    /// The event's type name on the wire.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::EpochSetup(_) => "setup",
            Self::EpochCommit(_) => "commit",
            Self::EpochRecover(_) => "recover",
            Self::EjectNode { .. } => "eject-node",
            Self::ProtocolStateVersionUpgrade { .. } => "protocol-state-version-upgrade",
            Self::SetEpochExtensionViewCount { .. } => "set-epoch-extension-view-count",
            Self::VersionBeacon(_) => "version-beacon",
        }
    }
}
