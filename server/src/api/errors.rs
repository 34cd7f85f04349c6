//! Errors as gRPC statuses: what is wrong, and what exists instead.

use tonic::{Code, Status};
use weir_proto::convert::{ConvertError, block_reference};
use weir_proto::status::with_available;
use weir_proto::weir::v1::{Available, BlockReference, Reason};

use crate::prover::ProverError;
use crate::store::{BlockRef, Head};

/// A malformed request.
pub(super) fn invalid(error: &ConvertError) -> Status {
    Status::invalid_argument(error.to_string())
}

/// Something that cannot be proved.
pub(super) fn unproved(error: &ProverError) -> Status {
    let message = error.to_string();
    let code = match error {
        ProverError::UnknownBlock { .. } | ProverError::NoEpoch { .. } => Code::NotFound,
        ProverError::NoHead => Code::InvalidArgument,
        ProverError::Height { .. } | ProverError::UnknownEpoch { .. } => Code::OutOfRange,
        ProverError::UnknownHead { .. }
        | ProverError::HeadNotCanonical { .. }
        | ProverError::HeadTooOld { .. }
        | ProverError::Orphaned { .. }
        | ProverError::NotSealed { .. }
        | ProverError::PrunedPayload { .. }
        | ProverError::TooFar { .. } => Code::FailedPrecondition,
        _ => {
            tracing::error!(%error, "the store is damaged");
            Code::Internal
        }
    };
    match error.available() {
        Some(head) => {
            let (reason, height_needed) = reason(error);
            let available = Available {
                reason: reason.into(),
                height_needed: height_needed.unwrap_or_default(),
                ..available(head)
            };
            with_available(code, &message, &available)
        }
        None => Status::new(code, message),
    }
}

fn reason(error: &ProverError) -> (Reason, Option<u64>) {
    match error {
        ProverError::UnknownBlock { .. } => (Reason::UnknownBlock, None),
        ProverError::HeadTooOld { height_needed, .. } => (Reason::HeadTooOld, Some(*height_needed)),
        ProverError::HeadNotCanonical { .. } => (Reason::HeadNotCanonical, None),
        _ => (Reason::Unspecified, None),
    }
}

fn available(head: &Head) -> Available {
    Available {
        first_height: head.first_height,
        latest_finalized: Some(reference(&head.finalized)),
        latest_sealed: Some(reference(&head.sealed)),
        first_epoch_counter: head.first_epoch_counter,
        latest_epoch_counter: head.epoch_counter,
        ..Available::default()
    }
}

pub(super) fn reference(block: &BlockRef) -> BlockReference {
    block_reference(&block.id, block.height, block.view)
}
