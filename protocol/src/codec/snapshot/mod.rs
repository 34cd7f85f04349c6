//! Protocol state snapshots, the form in which nodes hand on a finalized state.
//!
//! A snapshot is read from flow-go's JSON and checked to be consistent in itself: every ID is the
//! hash of what it names and everything referred to is there. That makes it well-formed, not
//! true: whether its head is part of the chain is for whoever trusts its source, or verifies its
//! certificates, to say (flow-go `state/protocol/inmem`).

mod check;
mod error;
mod read;
mod segment;
mod write;

pub use error::SnapshotError;
pub use segment::{History, HistoryBlock, SegmentError, TRANSACTION_EXPIRY, sealing_segment};

use crate::model::{
    Block, EpochCommit, EpochSetup, EpochStateEntry, ExecutionResult, Identifier, IdentitySkeleton,
    KvStore, QuorumCertificate, Seal, VersionBeacon,
};
use crate::protocol_state::ParticipationStatus;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// Most bytes of a snapshot's JSON.
pub const SNAPSHOT_LEN_MAX: usize = 256 * 1024 * 1024;

/// A protocol state snapshot, consistent in itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    sealing_segment: SealingSegment,
    quorum_certificate: QuorumCertificate,
    params: Params,
    sealed_version_beacon: Option<SealedVersionBeacon>,
}

impl Snapshot {
    /// Joins the parts of a snapshot and checks that they fit together.
    ///
    /// # Errors
    /// As [`Self::from_json`].
    pub fn new(
        sealing_segment: SealingSegment,
        quorum_certificate: QuorumCertificate,
        params: Params,
        sealed_version_beacon: Option<SealedVersionBeacon>,
    ) -> Result<Self, SnapshotError> {
        let snapshot = Self { sealing_segment, quorum_certificate, params, sealed_version_beacon };
        check::snapshot(&snapshot)?;
        Ok(snapshot)
    }

    /// The snapshot as flow-go writes it, field for field.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        write::snapshot(self)
    }

    /// Reads flow-go's JSON of a snapshot and checks it.
    ///
    /// # Errors
    /// When `json` is longer than [`SNAPSHOT_LEN_MAX`], is not the JSON of a snapshot, or the
    /// snapshot contradicts itself: an ID that is not the hash of what it names, a block that
    /// does not extend the one before, a reference to something that is not there.
    pub fn from_json(json: &[u8]) -> Result<Self, SnapshotError> {
        if json.len() > SNAPSHOT_LEN_MAX {
            return Err(SnapshotError::TooLong { max: SNAPSHOT_LEN_MAX, found: json.len() });
        }
        let snapshot = read::snapshot(json)?;
        check::snapshot(&snapshot)?;
        Ok(snapshot)
    }

    /// The block the snapshot is of: the last of the sealing segment.
    #[must_use]
    pub fn head(&self) -> &Block {
        self.sealing_segment
            .blocks
            .last()
            .expect("the constructor rejects a segment without blocks")
    }

    /// The protocol state after the head.
    #[must_use]
    pub fn head_state(&self) -> &ProtocolStateEntry {
        let id = self.head().payload.protocol_state_id;
        let entry = self.sealing_segment.protocol_state_entries.get(&id);
        entry.expect("the constructor rejects a block whose protocol state is missing")
    }

    /// The chain segment from the latest sealed block to the head.
    #[must_use]
    pub fn sealing_segment(&self) -> &SealingSegment {
        &self.sealing_segment
    }

    /// The certificate of the head; its signatures are unchecked.
    #[must_use]
    pub fn quorum_certificate(&self) -> &QuorumCertificate {
        &self.quorum_certificate
    }

    /// The network and its spork.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The version beacon in force, if one was sealed.
    #[must_use]
    pub fn sealed_version_beacon(&self) -> Option<&SealedVersionBeacon> {
        self.sealed_version_beacon.as_ref()
    }
}

/// The blocks a node needs to extend the head (flow-go `flow.SealingSegment`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealingSegment {
    /// Blocks by ascending height, the last is the head; with their proposers' signatures.
    pub blocks: Vec<Block>,
    /// Their ancestors by ascending height, for payload validity; may be empty.
    pub extra_blocks: Vec<Block>,
    /// Results the blocks refer to but do not hold.
    pub execution_results: Vec<ExecutionResult>,
    /// For each of [`Self::blocks`], by ID, the ID of the latest seal as of it.
    pub latest_seals: BTreeMap<Identifier, Identifier>,
    /// The latest seal as of the first block, where no block holds it.
    pub first_seal: Option<Seal>,
    /// Protocol states of all blocks, by ID.
    pub protocol_state_entries: BTreeMap<Identifier, ProtocolStateEntry>,
    /// First block of the spork.
    pub spork_root_block: Block,
}

/// A protocol state with everything it refers to (flow-go `flow.ProtocolStateEntryWrapper`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolStateEntry {
    /// The key-value store, whose ID is the protocol state ID.
    pub kv_store: KvStore,
    /// The epoch state.
    pub epoch_entry: EpochStateEntry,
    /// Setup of the previous epoch, when there is one.
    pub previous_epoch_setup: Option<EpochSetup>,
    /// Commit of the previous epoch, when there is one.
    pub previous_epoch_commit: Option<EpochCommit>,
    /// Setup of the current epoch.
    pub current_epoch_setup: EpochSetup,
    /// Commit of the current epoch.
    pub current_epoch_commit: EpochCommit,
    /// Setup of the next epoch, once set up.
    pub next_epoch_setup: Option<EpochSetup>,
    /// Commit of the next epoch, once committed.
    pub next_epoch_commit: Option<EpochCommit>,
    /// Identity table of the current epoch.
    pub current_epoch_identity_table: Vec<EpochIdentity>,
    /// Identity table of the next epoch; empty when there is none.
    pub next_epoch_identity_table: Vec<EpochIdentity>,
}

/// A node in an identity table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochIdentity {
    /// The part fixed for the epoch.
    pub skeleton: IdentitySkeleton,
    /// How the node takes part.
    pub status: ParticipationStatus,
}

/// The network and its spork (flow-go `inmem.EncodableParams`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// Network, such as `flow-mainnet`.
    pub chain_id: String,
    /// ID of the spork's first block.
    pub spork_id: Identifier,
    /// Height of the spork's first block.
    pub spork_root_block_height: u64,
    /// View of the spork's first block.
    pub spork_root_block_view: u64,
}

/// A version beacon and where it was sealed (flow-go `flow.SealedVersionBeacon`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedVersionBeacon {
    /// The beacon.
    pub beacon: VersionBeacon,
    /// Height of the block that sealed it.
    pub seal_height: u64,
}
