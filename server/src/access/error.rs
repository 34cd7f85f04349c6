//! Why something cannot be answered.

use thiserror::Error;
use weir_access_api::Refusal;
use weir_protocol::codec::rlp::RlpError;
use weir_protocol::codec::snapshot::SnapshotError;
use weir_protocol::model::Identifier;

use crate::prover::ProverError;
use crate::store::ReadError;

/// Why something cannot be answered. The first three are for the one who asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AccessError {
    /// What flow-go refuses too.
    #[error("{0}")]
    Refused(Refusal),
    /// A payload that is no more kept.
    #[error("not found: the payload of block {block_id} is no more kept")]
    Pruned {
        /// The block.
        block_id: Identifier,
    },
    /// A snapshot that needs more history than there is.
    #[error("failed to convert snapshot to bytes: {reason}")]
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
    pub(crate) fn read(error: ReadError) -> Self {
        Self::Prover(error.into())
    }
}

impl From<Refusal> for AccessError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
