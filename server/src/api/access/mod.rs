//! `flow.access.AccessAPI`: Weir in the place of an access node.
//!
//! Blocks, headers, snapshots, results and subscriptions are answered from the store. Other methods
//! go to an upstream access node where one is configured, marked as unverified.

mod messages;
mod passthrough;
mod service;
mod subscriptions;

pub use passthrough::{Passthrough, UNVERIFIED_METADATA};
pub(super) use service::AccessService;

use tonic::{Code, Status};
use weir_protocol::model::Identifier;

use crate::access::AccessError;

/// The status that flow-go gives for the same reason.
fn status_of(error: &AccessError) -> Status {
    let code = match error {
        AccessError::NotFound { .. } | AccessError::Pruned { .. } => Code::NotFound,
        AccessError::Orphaned => Code::InvalidArgument,
        AccessError::Pending { .. } => Code::FailedPrecondition,
        AccessError::NoSnapshot { .. } => Code::Internal,
        _ => {
            tracing::error!(%error, "the store is damaged");
            Code::Internal
        }
    };
    Status::new(code, error.to_string())
}

/// An ID in a request; flow-go takes any length and fails to find it, here it must be 32 bytes.
fn block_id(bytes: &[u8]) -> Result<Identifier, Status> {
    Identifier::try_from(bytes).map_err(|_| {
        let found = bytes.len();
        Status::invalid_argument(format!("invalid block id: expected 32 bytes, found {found}"))
    })
}
