//! The wire: `weir.v1.SnapshotAPI`, the messages of Flow's Access API, and their conversion to the
//! model.
//!
//! Conversions parse: what comes out of [`convert`] has every length and limit checked. No rule of
//! the protocol is judged here, and nothing is kept.
#![forbid(unsafe_code)]

pub mod convert;
pub mod evidence_client;
pub mod frames;
pub mod memory;
mod receipt_stub;
pub mod status;

/// Generated from `proto/proto/weir/v1`.
pub mod weir {
    /// `weir.v1`.
    #[expect(
        missing_docs,
        unused_qualifications,
        clippy::all,
        clippy::allow_attributes,
        reason = "generated from the .proto file"
    )]
    pub mod v1 {
        include!("generated/weir.v1.rs");
    }
}

/// Generated from `proto/proto/flow`.
pub mod flow {
    pub use crate::receipt_stub::ExecutionReceiptMeta;

    /// `flow.access`: the API that every access node serves.
    #[expect(
        missing_docs,
        unused_qualifications,
        clippy::allow_attributes,
        reason = "generated; Flow's names speak for themselves"
    )]
    pub mod access {
        include!("generated/flow.access.rs");
    }

    /// `flow.entities`.
    #[expect(missing_docs, reason = "generated; Flow's names speak for themselves")]
    pub mod entities {
        include!("generated/flow.entities.rs");
    }
}

/// All definitions as an encoded `FileDescriptorSet`, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/descriptors.bin");
