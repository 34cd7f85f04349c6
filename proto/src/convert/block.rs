//! `flow.entities.Block` to the model.

use bytes::Bytes;
use prost_types::Timestamp;
use weir_protocol::model::{
    AggregatedSignature, Block, ByteStrings, Chunk, CollectionGuarantee, ExecutionReceiptStub,
    ExecutionResult, Header, Identifier, Payload, QuorumCertificate, Seal, ServiceEvent,
    TimeoutCertificate,
};

use super::ConvertError;
use super::question::identifier;
use crate::flow::{ExecutionReceiptMeta, entities};

/// Parses a block of a full block response.
///
/// The ID is not compared with the header's hash; that is a rule, and ingest's to check.
///
/// # Errors
/// When a field is missing, malformed, too long, or contradicts the one it repeats.
pub fn block_from_wire(wire: entities::Block) -> Result<Block, ConvertError> {
    let header = wire.block_header.as_ref().ok_or(ConvertError::missing("block_header"))?;
    check_repeated_fields(&wire, header)?;
    let last_view_tc = header.last_view_tc.as_ref().map(timeout_certificate).transpose()?;
    let tc_id = last_view_tc.as_ref().map(weir_protocol::codec::Entity::id);
    Ok(Block {
        header: header_from_wire(header, tc_id.unwrap_or_default())?,
        last_view_tc,
        proposer_sig_data: bounded("proposer_sig_data", &header.proposer_sig_data)?,
        payload: Payload {
            guarantees: list("collection_guarantees", &wire.collection_guarantees, guarantee)?,
            seals: list("block_seals", &wire.block_seals, seal)?,
            receipts: list(
                "execution_receipt_metaList",
                &wire.execution_receipt_meta_list,
                receipt,
            )?,
            results: list("execution_result_list", &wire.execution_result_list, result_from_wire)?,
            protocol_state_id: identifier("protocol_state_id", &wire.protocol_state_id)?,
        },
    })
}

/// The block repeats some of its header's fields; where set, they must be equal.
fn check_repeated_fields(
    wire: &entities::Block,
    header: &entities::BlockHeader,
) -> Result<(), ConvertError> {
    let checks = [
        (wire.id.is_empty() || wire.id == header.id, "id", "block_header.id"),
        (
            wire.parent_id.is_empty() || wire.parent_id == header.parent_id,
            "parent_id",
            "block_header.parent_id",
        ),
        (wire.height == 0 || wire.height == header.height, "height", "block_header.height"),
        (
            wire.timestamp.is_none() || wire.timestamp == header.timestamp,
            "timestamp",
            "block_header.timestamp",
        ),
    ];
    match checks.into_iter().find(|(equal, ..)| !equal) {
        Some((_, field, other)) => Err(ConvertError::Differs { field, other }),
        None => Ok(()),
    }
}

fn header_from_wire(
    wire: &entities::BlockHeader,
    last_view_tc_id: Identifier,
) -> Result<Header, ConvertError> {
    Ok(Header {
        chain_id: text("block_header.chain_id", &wire.chain_id)?,
        parent_id: identifier("block_header.parent_id", &wire.parent_id)?,
        height: wire.height,
        payload_hash: identifier("block_header.payload_hash", &wire.payload_hash)?,
        timestamp_ms: milliseconds("block_header.timestamp", wire.timestamp.as_ref())?,
        view: wire.view,
        parent_view: wire.parent_view,
        parent_voter_indices: bounded("parent_voter_indices", &wire.parent_voter_indices)?,
        parent_voter_sig_data: bounded("parent_voter_sig_data", &wire.parent_voter_sig_data)?,
        proposer_id: identifier("block_header.proposer_id", &wire.proposer_id)?,
        last_view_tc_id,
    })
}

fn milliseconds(field: &'static str, wire: Option<&Timestamp>) -> Result<u64, ConvertError> {
    let wire = wire.ok_or(ConvertError::missing(field))?;
    let malformed = || ConvertError::Timestamp { field };
    let (Ok(seconds), Ok(nanos)) = (u64::try_from(wire.seconds), u64::try_from(wire.nanos)) else {
        return Err(malformed());
    };
    if nanos >= 1_000_000_000 || nanos % 1_000_000 != 0 {
        return Err(malformed());
    }
    let whole = seconds.checked_mul(1000).ok_or_else(malformed)?;
    whole.checked_add(nanos / 1_000_000).ok_or_else(malformed)
}

fn timeout_certificate(
    wire: &entities::TimeoutCertificate,
) -> Result<TimeoutCertificate, ConvertError> {
    let newest_qc = wire.highest_qc.as_ref();
    let newest_qc = newest_qc.ok_or(ConvertError::missing("last_view_tc.highest_qc"))?;
    Ok(TimeoutCertificate {
        view: wire.view,
        newest_qc_views: list("last_view_tc.high_qc_views", &wire.high_qc_views, |v| Ok(*v))?,
        newest_qc: QuorumCertificate {
            view: newest_qc.view,
            block_id: identifier("last_view_tc.highest_qc.block_id", &newest_qc.block_id)?,
            signer_indices: bounded("highest_qc.signer_indices", &newest_qc.signer_indices)?,
            sig_data: bounded("highest_qc.sig_data", &newest_qc.sig_data)?,
        },
        signer_indices: bounded("last_view_tc.signer_indices", &wire.signer_indices)?,
        sig_data: bounded("last_view_tc.sig_data", &wire.sig_data)?,
    })
}

fn guarantee(wire: &entities::CollectionGuarantee) -> Result<CollectionGuarantee, ConvertError> {
    let cluster = core::str::from_utf8(&wire.cluster_chain_id);
    let cluster = cluster.map_err(|_| ConvertError::missing("cluster_chain_id as utf-8"))?;
    Ok(CollectionGuarantee {
        collection_id: identifier("collection_guarantees.collection_id", &wire.collection_id)?,
        reference_block_id: identifier(
            "collection_guarantees.reference_block_id",
            &wire.reference_block_id,
        )?,
        cluster_chain_id: text("collection_guarantees.cluster_chain_id", cluster)?,
        signer_indices: bounded("collection_guarantees.signer_indices", &wire.signer_indices)?,
        signature: bounded("collection_guarantees.signature", &wire.signature)?,
    })
}

fn seal(wire: &entities::BlockSeal) -> Result<Seal, ConvertError> {
    Ok(Seal {
        block_id: identifier("block_seals.block_id", &wire.block_id)?,
        result_id: identifier("block_seals.result_id", &wire.result_id)?,
        final_state: identifier("block_seals.final_state", &wire.final_state)?,
        aggregated_approval_sigs: list(
            "block_seals.aggregated_approval_sigs",
            &wire.aggregated_approval_sigs,
            approval,
        )?,
    })
}

fn approval(wire: &entities::AggregatedSignature) -> Result<AggregatedSignature, ConvertError> {
    let field = "aggregated_approval_sigs.verifier_signatures";
    Ok(AggregatedSignature {
        verifier_signatures: byte_strings(field, &wire.verifier_signatures)?,
        signer_ids: list("aggregated_approval_sigs.signer_ids", &wire.signer_ids, |id| {
            identifier("aggregated_approval_sigs.signer_ids", id)
        })?,
    })
}

fn receipt(wire: &ExecutionReceiptMeta) -> Result<ExecutionReceiptStub, ConvertError> {
    let field = "execution_receipt_metaList.spocks";
    Ok(ExecutionReceiptStub {
        executor_id: identifier("execution_receipt_metaList.executor_id", &wire.executor_id)?,
        result_id: identifier("execution_receipt_metaList.result_id", &wire.result_id)?,
        spocks: spocks(field, &wire.spocks)?,
        executor_signature: bounded("executor_signature", &wire.executor_signature)?,
    })
}

/// Parses an execution result.
///
/// # Errors
/// When a field is missing, malformed or too long.
pub fn result_from_wire(wire: &entities::ExecutionResult) -> Result<ExecutionResult, ConvertError> {
    Ok(ExecutionResult {
        previous_result_id: identifier(
            "execution_result_list.previous_result_id",
            &wire.previous_result_id,
        )?,
        block_id: identifier("execution_result_list.block_id", &wire.block_id)?,
        chunks: list("execution_result_list.chunks", &wire.chunks, chunk)?,
        service_events: list("execution_result_list.service_events", &wire.service_events, event)?,
        execution_data_id: identifier(
            "execution_result_list.execution_data_id",
            &wire.execution_data_id,
        )?,
    })
}

fn chunk(wire: &entities::Chunk) -> Result<Chunk, ConvertError> {
    // flow-go keeps the low 16 bits (engine/common/rpc/convert).
    let low_bits = wire.service_event_count & u32::from(u16::MAX);
    Ok(Chunk {
        collection_index: u64::from(wire.collection_index),
        start_state: identifier("chunks.start_state", &wire.start_state)?,
        event_collection: identifier("chunks.event_collection", &wire.event_collection)?,
        service_event_count: u16::try_from(low_bits).ok(),
        block_id: identifier("chunks.block_id", &wire.block_id)?,
        total_computation_used: wire.total_computation_used,
        number_of_transactions: u64::from(wire.number_of_transactions),
        index: wire.index,
        end_state: identifier("chunks.end_state", &wire.end_state)?,
    })
}

fn event(wire: &entities::ServiceEvent) -> Result<ServiceEvent, ConvertError> {
    Ok(ServiceEvent::from_json(&wire.r#type, &wire.payload)?)
}

fn list<T, U>(
    field: &'static str,
    items: &[T],
    item: impl FnMut(&T) -> Result<U, ConvertError>,
) -> Result<Vec<U>, ConvertError> {
    if items.len() > LIST_LEN_MAX {
        return Err(ConvertError::too_many(field, LIST_LEN_MAX, items.len()));
    }
    items.iter().map(item).collect()
}

fn byte_strings(field: &'static str, items: &[Bytes]) -> Result<ByteStrings, ConvertError> {
    if items.len() > LIST_LEN_MAX {
        return Err(ConvertError::too_many(field, LIST_LEN_MAX, items.len()));
    }
    items.iter().try_for_each(|item| check_len(field, item))?;
    Ok(items.iter().collect())
}

fn spocks(field: &'static str, items: &ByteStrings) -> Result<ByteStrings, ConvertError> {
    if items.len() > LIST_LEN_MAX {
        return Err(ConvertError::too_many(field, LIST_LEN_MAX, items.len()));
    }
    items.iter().try_for_each(|item| check_len(field, item))?;
    Ok(items.clone())
}

fn check_len(field: &'static str, bytes: &[u8]) -> Result<(), ConvertError> {
    if bytes.len() > SIGNATURE_BYTES_MAX {
        let (max, found) = (SIGNATURE_BYTES_MAX, bytes.len());
        return Err(ConvertError::TooLong { field, max, found });
    }
    Ok(())
}

fn bounded(field: &'static str, bytes: &[u8]) -> Result<Vec<u8>, ConvertError> {
    check_len(field, bytes)?;
    Ok(bytes.to_vec())
}

fn text(field: &'static str, text: &str) -> Result<String, ConvertError> {
    if text.len() > NAME_BYTES_MAX {
        let (max, found) = (NAME_BYTES_MAX, text.len());
        return Err(ConvertError::TooLong { field, max, found });
    }
    Ok(text.to_owned())
}

/// Most entries of any list in a block, and most bytes of a signature: what fits into the largest
/// message between Flow's nodes (`network/underlay`, 10 MB), for what is behind a signature, and how
/// many proofs of knowledge a receipt has, nobody checks before a block is certified.
const LIST_LEN_MAX: usize = 10 << 20;
/// As [`LIST_LEN_MAX`].
const SIGNATURE_BYTES_MAX: usize = 10 << 20;
/// Most bytes of the name of a chain.
const NAME_BYTES_MAX: usize = 128;
