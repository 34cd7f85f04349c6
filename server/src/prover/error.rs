//! Why there is no evidence.

use std::sync::Arc;

use thiserror::Error;
use weir_protocol::codec::rlp::RlpError;
use weir_protocol::model::Identifier;
use weir_protocol::protocol_state::{EpochName, ProtocolStateError};

use crate::store::{Head, ReadError};

/// Why the prover has no evidence; what exists instead is in the head.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProverError {
    /// No such block.
    #[error(
        "block {block_id} is not known; final blocks are served from height {} of epoch {} to \
         height {} of epoch {}",
        head.first_height, head.first_epoch_counter, head.finalized.height, head.epoch_counter
    )]
    UnknownBlock {
        /// The block asked for.
        block_id: Identifier,
        /// What exists.
        head: Arc<Head>,
    },
    /// No final block at the height.
    #[error(
        "height {height} is not served: finalized heights are {} to {}",
        head.first_height, head.finalized.height
    )]
    Height {
        /// Height asked for.
        height: u64,
        /// What exists.
        head: Arc<Head>,
    },
    /// No such epoch.
    #[error(
        "epoch {counter} is not served: epochs are {} to {}",
        head.first_epoch_counter, head.epoch_counter
    )]
    UnknownEpoch {
        /// Epoch asked for.
        counter: u64,
        /// What exists.
        head: Arc<Head>,
    },
    /// The client wants links to its head, but named none.
    #[error("proof by links was asked for, but held.head_id is empty")]
    NoHead,
    /// The client's head is not known.
    #[error("the head {block_id} is not known here; this server may lag behind")]
    UnknownHead {
        /// The client's head.
        block_id: Identifier,
        /// What exists.
        head: Arc<Head>,
    },
    /// The client's head is not on the final chain.
    #[error("the head {block_id} is known, but not final here")]
    HeadNotCanonical {
        /// The client's head.
        block_id: Identifier,
        /// What exists.
        head: Arc<Head>,
    },
    /// The proof would need a newer head.
    #[error("the head is too old: a final block of height {height_needed} or above is needed")]
    HeadTooOld {
        /// Least height needed.
        height_needed: u64,
        /// What exists.
        head: Arc<Head>,
    },
    /// The block is not an ancestor of the client's head.
    #[error("block {block_id} is known, but is no ancestor of the head")]
    Orphaned {
        /// The block asked for.
        block_id: Identifier,
        /// What exists.
        head: Arc<Head>,
    },
    /// The state has no such epoch.
    #[error("there is no {name} at block {block_id}")]
    NoEpoch {
        /// Which epoch.
        name: EpochName,
        /// The block.
        block_id: Identifier,
        /// What exists.
        head: Arc<Head>,
    },
    /// The block is not sealed.
    #[error("block {block_id} is not sealed as of the latest finalized block")]
    NotSealed {
        /// The block.
        block_id: Identifier,
        /// What exists.
        head: Arc<Head>,
    },
    /// The payload was pruned.
    #[error("the payload of block {block_id} is not kept any more")]
    PrunedPayload {
        /// The block.
        block_id: Identifier,
        /// What exists.
        head: Arc<Head>,
    },
    /// Too many headers lie between the block and the checkpoint.
    #[error(
        "{found} headers lie between the block and the checkpoint, at most {max} are sent; use a \
         checkpoint of the same epoch or before it"
    )]
    TooFar {
        /// Headers between.
        found: u64,
        /// Most that are sent.
        max: u64,
    },
    /// A record is missing from the store.
    #[error("the store has no record {ordinal}; run weir-server fsck")]
    MissingRecord {
        /// Its ordinal.
        ordinal: u64,
    },
    /// A preimage is missing from the store.
    #[error("the store has no preimage {id}; run weir-server fsck")]
    MissingPreimage {
        /// Its ID.
        id: Identifier,
    },
    /// A stored value cannot be decoded.
    #[error("stored {what} is malformed: {source}; run weir-server fsck")]
    Malformed {
        /// What it is.
        what: &'static str,
        /// Why.
        source: RlpError,
    },
    /// A stored state does not fit together.
    #[error("stored protocol state is inconsistent: {0}; run weir-server fsck")]
    State(#[from] ProtocolStateError),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] ReadError),
}

impl ProverError {
    pub(super) fn unknown_epoch(counter: u64, head: &Arc<Head>) -> Self {
        Self::UnknownEpoch { counter, head: head.clone() }
    }

    /// What exists instead, where the request asked for something that does not.
    #[must_use]
    pub fn available(&self) -> Option<&Head> {
        match self {
            Self::UnknownBlock { head, .. }
            | Self::Height { head, .. }
            | Self::UnknownEpoch { head, .. }
            | Self::UnknownHead { head, .. }
            | Self::HeadNotCanonical { head, .. }
            | Self::HeadTooOld { head, .. }
            | Self::Orphaned { head, .. }
            | Self::NoEpoch { head, .. }
            | Self::NotSealed { head, .. }
            | Self::PrunedPayload { head, .. } => Some(head),
            _ => None,
        }
    }
}
