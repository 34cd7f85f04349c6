//! Execution results, receipts and seals.

use super::{ByteStrings, Identifier, ServiceEvent};
use alloc::vec::Vec;

/// Signatures of verification nodes over one chunk, with the signers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregatedSignature {
    /// Verifier signatures, 48 bytes each.
    pub verifier_signatures: ByteStrings,
    /// Nodes that signed, in the same order.
    pub signer_ids: Vec<Identifier>,
}

/// A seal: the committed result of executing a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Sealed block.
    pub block_id: Identifier,
    /// Its execution result.
    pub result_id: Identifier,
    /// Execution state after the block.
    pub final_state: Identifier,
    /// One entry a chunk.
    pub aggregated_approval_sigs: Vec<AggregatedSignature>,
}

/// An execution receipt without the result it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionReceiptStub {
    /// Execution node.
    pub executor_id: Identifier,
    /// Result it commits to.
    pub result_id: Identifier,
    /// Proofs of confidential knowledge, one a chunk.
    pub spocks: ByteStrings,
    /// Signature over the above.
    pub executor_signature: Vec<u8>,
}

/// One chunk of an execution result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Collection executed in the chunk.
    pub collection_index: u64,
    /// State before.
    pub start_state: Identifier,
    /// Hash of the chunk's events.
    pub event_collection: Identifier,
    /// Service events in the chunk; `None` in chunks made before mainnet27, where the
    /// identifier leaves the field out.
    pub service_event_count: Option<u16>,
    /// Executed block.
    pub block_id: Identifier,
    /// Computation used by all transactions.
    pub total_computation_used: u64,
    /// Number of transactions.
    pub number_of_transactions: u64,
    /// Position among the result's chunks.
    pub index: u64,
    /// State after.
    pub end_state: Identifier,
}

/// The result of executing a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionResult {
    /// Result of the parent block.
    pub previous_result_id: Identifier,
    /// Executed block.
    pub block_id: Identifier,
    /// Chunks, in order.
    pub chunks: Vec<Chunk>,
    /// Service events emitted, in order.
    pub service_events: Vec<ServiceEvent>,
    /// ID of the execution data.
    pub execution_data_id: Identifier,
}
