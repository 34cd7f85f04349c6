//! The model to `flow.entities.Block`, as a full block response carries it.

use prost_types::Timestamp;
use weir_protocol::codec::Entity as _;
use weir_protocol::model::{
    Block, ByteStrings, Chunk, CollectionGuarantee, ExecutionReceiptStub, ExecutionResult, Header,
    Identifier, QuorumCertificate, Seal, TimeoutCertificate,
};

use crate::flow::{ExecutionReceiptMeta, entities};

/// The message of a full block response; signers are given by indices, not by ID.
#[must_use]
pub fn block_to_wire(block: &Block) -> entities::Block {
    let mut header = header_to_wire(&block.header, block.last_view_tc.as_ref());
    header.proposer_sig_data = block.proposer_sig_data.clone().into();
    let payload = &block.payload;
    entities::Block {
        id: header.id.clone(),
        parent_id: header.parent_id.clone(),
        height: header.height,
        timestamp: header.timestamp,
        signatures: vec![header.parent_voter_sig_data.clone()],
        collection_guarantees: payload.guarantees.iter().map(guarantee).collect(),
        block_seals: payload.seals.iter().map(seal).collect(),
        execution_receipt_meta_list: payload.receipts.iter().map(receipt).collect(),
        execution_result_list: payload.results.iter().map(result_to_wire).collect(),
        protocol_state_id: bytes(&payload.protocol_state_id),
        block_header: Some(header),
    }
}

/// The message of a light block response: what the header names, and the guarantees.
#[must_use]
pub fn light_block_to_wire(block: &Block) -> entities::Block {
    let header = &block.header;
    entities::Block {
        id: bytes(&header.id()),
        parent_id: bytes(&header.parent_id),
        height: header.height,
        timestamp: Some(timestamp(header.timestamp_ms)),
        collection_guarantees: block.payload.guarantees.iter().map(guarantee).collect(),
        signatures: vec![header.parent_voter_sig_data.clone().into()],
        ..Default::default()
    }
}

/// The message of a header; signers are given by indices, not by ID.
#[must_use]
pub fn header_to_wire(
    header: &Header,
    last_view_tc: Option<&TimeoutCertificate>,
) -> entities::BlockHeader {
    entities::BlockHeader {
        id: bytes(&header.id()),
        parent_id: bytes(&header.parent_id),
        height: header.height,
        timestamp: Some(timestamp(header.timestamp_ms)),
        payload_hash: bytes(&header.payload_hash),
        view: header.view,
        parent_voter_ids: Vec::new(),
        parent_voter_sig_data: header.parent_voter_sig_data.clone().into(),
        proposer_id: bytes(&header.proposer_id),
        proposer_sig_data: bytes::Bytes::new(),
        chain_id: header.chain_id.clone(),
        parent_voter_indices: header.parent_voter_indices.clone().into(),
        last_view_tc: last_view_tc.map(timeout_certificate),
        parent_view: header.parent_view,
    }
}

/// A time in milliseconds since 1970.
fn timestamp(millis: u64) -> Timestamp {
    Timestamp {
        seconds: i64::try_from(millis / 1000).unwrap_or(i64::MAX),
        nanos: i32::try_from(millis % 1000 * 1_000_000).unwrap_or_default(),
    }
}

fn timeout_certificate(tc: &TimeoutCertificate) -> entities::TimeoutCertificate {
    entities::TimeoutCertificate {
        view: tc.view,
        high_qc_views: tc.newest_qc_views.clone(),
        highest_qc: Some(quorum_certificate(&tc.newest_qc)),
        signer_indices: tc.signer_indices.clone().into(),
        sig_data: tc.sig_data.clone().into(),
    }
}

fn quorum_certificate(qc: &QuorumCertificate) -> entities::QuorumCertificate {
    entities::QuorumCertificate {
        view: qc.view,
        block_id: bytes(&qc.block_id),
        signer_indices: qc.signer_indices.clone().into(),
        sig_data: qc.sig_data.clone().into(),
    }
}

fn guarantee(guarantee: &CollectionGuarantee) -> entities::CollectionGuarantee {
    entities::CollectionGuarantee {
        collection_id: bytes(&guarantee.collection_id),
        reference_block_id: bytes(&guarantee.reference_block_id),
        cluster_chain_id: guarantee.cluster_chain_id.clone().into_bytes().into(),
        signer_indices: guarantee.signer_indices.clone().into(),
        signatures: vec![guarantee.signature.clone().into()],
        signature: guarantee.signature.clone().into(),
        ..Default::default()
    }
}

fn seal(seal: &Seal) -> entities::BlockSeal {
    let approvals = seal.aggregated_approval_sigs.iter();
    entities::BlockSeal {
        block_id: bytes(&seal.block_id),
        result_id: bytes(&seal.result_id),
        // flow-go fills the deprecated field with the result's ID, too.
        execution_receipt_id: bytes(&seal.result_id),
        final_state: bytes(&seal.final_state),
        aggregated_approval_sigs: approvals
            .map(|approval| entities::AggregatedSignature {
                verifier_signatures: byte_strings(&approval.verifier_signatures),
                signer_ids: approval.signer_ids.iter().map(bytes).collect(),
            })
            .collect(),
        ..Default::default()
    }
}

fn receipt(receipt: &ExecutionReceiptStub) -> ExecutionReceiptMeta {
    ExecutionReceiptMeta {
        executor_id: bytes(&receipt.executor_id),
        result_id: bytes(&receipt.result_id),
        spocks: receipt.spocks.clone(),
        executor_signature: receipt.executor_signature.clone().into(),
    }
}

/// The message of an execution result.
#[must_use]
pub fn result_to_wire(result: &ExecutionResult) -> entities::ExecutionResult {
    let events = result.service_events.iter();
    entities::ExecutionResult {
        previous_result_id: bytes(&result.previous_result_id),
        block_id: bytes(&result.block_id),
        chunks: result.chunks.iter().map(chunk).collect(),
        service_events: events
            .map(|event| entities::ServiceEvent {
                r#type: event.type_name().to_owned(),
                payload: event.to_json().into(),
            })
            .collect(),
        execution_data_id: bytes(&result.execution_data_id),
    }
}

fn chunk(chunk: &Chunk) -> entities::Chunk {
    entities::Chunk {
        collection_index: u32::try_from(chunk.collection_index).unwrap_or(u32::MAX),
        start_state: bytes(&chunk.start_state),
        event_collection: bytes(&chunk.event_collection),
        block_id: bytes(&chunk.block_id),
        total_computation_used: chunk.total_computation_used,
        number_of_transactions: u32::try_from(chunk.number_of_transactions).unwrap_or(u32::MAX),
        index: chunk.index,
        end_state: bytes(&chunk.end_state),
        service_event_count: chunk.service_event_count.unwrap_or_default().into(),
        ..Default::default()
    }
}

fn bytes(id: &Identifier) -> bytes::Bytes {
    id.0.to_vec().into()
}

fn byte_strings(items: &ByteStrings) -> Vec<bytes::Bytes> {
    items.iter().map(bytes::Bytes::copy_from_slice).collect()
}
