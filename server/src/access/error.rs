//! Why something cannot be answered.

use thiserror::Error;
use weir_protocol::codec::rlp::RlpError;
use weir_protocol::codec::snapshot::SnapshotError;
use weir_protocol::model::Identifier;

use crate::prover::ProverError;
use crate::store::ReadError;

/// Why something cannot be answered. The first five are for the one who asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AccessError {
    /// Nothing of that kind is known.
    #[error("data not found for {entity}: {reason}")]
    NotFound {
        /// What was asked for.
        entity: &'static str,
        /// Why it is not there.
        reason: String,
    },
    /// A snapshot of a block that will never be final.
    #[error("invalid argument: failed to retrieve snapshot: block orphaned")]
    Orphaned,
    /// A snapshot of a block that may become final.
    #[error(
        "precondition failed: failed to retrieve snapshot: block {height} still pending finalization"
    )]
    Pending {
        /// Its height.
        height: u64,
    },
    /// A payload that is no more kept.
    #[error("data not found for block: the payload of block {block_id} is no more kept")]
    Pruned {
        /// The block.
        block_id: Identifier,
    },
    /// A snapshot that needs more history than there is.
    #[error("snapshots might not be possible for every block: {reason}")]
    NoSnapshot {
        /// What is missing.
        reason: String,
    },
    /// The store fails.
    #[error(transparent)]
    Prover(#[from] ProverError),
    /// A stored payload that cannot be decoded.
    #[error("a stored payload is malformed: {0}")]
    Payload(#[from] RlpError),
    /// A store without its root snapshot.
    #[error("the store has no root snapshot; rebuild it from its source")]
    NoRootSnapshot,
    /// A root snapshot that cannot be read.
    #[error("the stored root snapshot cannot be read: {0}")]
    RootSnapshot(SnapshotError),
}

impl AccessError {
    pub(super) fn read(error: ReadError) -> Self {
        Self::Prover(error.into())
    }

    pub(super) fn not_found(entity: &'static str, reason: impl Into<String>) -> Self {
        Self::NotFound { entity, reason: reason.into() }
    }
}
