//! Epochs: identities, setup, commit and recovery.

use super::{Clusters, Identifier, Participants};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

/// Length of a BLS public key in Flow's compressed form, in bytes.
pub const BLS_PUBLIC_KEY_LEN: usize = 96;
/// Length of a network key (ECDSA, raw coordinates), in bytes.
pub const NETWORK_KEY_LEN: usize = 64;
/// Length of an epoch's source of randomness, in bytes.
pub const RANDOM_SOURCE_LEN: usize = 16;

/// A BLS public key, in Flow's compressed form (96 bytes).
pub type BlsPublicKey = [u8; BLS_PUBLIC_KEY_LEN];
/// A network key (64 bytes).
pub type NetworkKey = [u8; NETWORK_KEY_LEN];

/// What a node does in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Role {
    /// Collects transactions.
    Collection = 1,
    /// Decides on blocks.
    Consensus = 2,
    /// Executes blocks.
    Execution = 3,
    /// Verifies execution.
    Verification = 4,
    /// Answers clients.
    Access = 5,
}

impl Role {
    /// All roles, in numeric order.
    pub const ALL: [Self; 5] =
        [Self::Collection, Self::Consensus, Self::Execution, Self::Verification, Self::Access];

    /// The role's number in encodings, 1 to 5.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The role with this number, if there is one.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|role| u64::from(role.number()) == number)
    }

    /// Flow's name, such as `consensus`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Collection => "collection",
            Self::Consensus => "consensus",
            Self::Execution => "execution",
            Self::Verification => "verification",
            Self::Access => "access",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or(UnknownRole)
    }
}

/// The text names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is one of collection, consensus, execution, verification, access")]
pub struct UnknownRole;

/// The part of an identity that is fixed for an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentitySkeleton {
    /// Node ID.
    pub node_id: Identifier,
    /// Network address, `host:port`.
    pub address: String,
    /// Role.
    pub role: Role,
    /// Weight at the start of the epoch.
    pub initial_weight: u64,
    /// Staking key; flow-go takes a setup without it.
    pub staking_key: Option<BlsPublicKey>,
    /// Networking key; flow-go takes a setup without it.
    pub network_key: Option<NetworkKey>,
}

/// Service event that announces the next epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochSetup {
    /// Number of the epoch.
    pub counter: u64,
    /// First view.
    pub first_view: u64,
    /// Last view of the first phase of key generation.
    pub dkg_phase1_final_view: u64,
    /// Last view of its second phase.
    pub dkg_phase2_final_view: u64,
    /// Last view of its third phase.
    pub dkg_phase3_final_view: u64,
    /// Last view, extensions not counted.
    pub final_view: u64,
    /// Participants, in canonical order when valid.
    pub participants: Participants,
    /// Node IDs of each collection cluster.
    pub assignments: Clusters,
    /// Source of randomness, 16 bytes when valid.
    pub random_source: Vec<u8>,
    /// Target duration, seconds.
    pub target_duration: u64,
    /// Target end, Unix seconds.
    pub target_end_time: u64,
}

/// Votes of a cluster for its root block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterQcVoteData {
    /// Aggregated signature, 48 bytes when valid; nobody checks it.
    pub sig_data: Vec<u8>,
    /// Voters.
    pub voter_ids: Vec<Identifier>,
}

/// Service event that commits the next epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochCommit {
    /// Number of the epoch.
    pub counter: u64,
    /// One entry a cluster.
    pub cluster_qcs: Vec<ClusterQcVoteData>,
    /// Random beacon group key.
    pub dkg_group_key: BlsPublicKey,
    /// Random beacon key shares, in index order; as many as members when valid.
    pub dkg_participant_keys: Vec<BlsPublicKey>,
    /// Members of the key generation, in index order.
    pub dkg_member_ids: Vec<Identifier>,
}

/// Service event that ends epoch fallback mode: a setup and a commit at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochRecover {
    /// Setup of the epoch recovered into.
    pub setup: EpochSetup,
    /// Its commit.
    pub commit: EpochCommit,
}
