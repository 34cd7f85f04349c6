//! What no field of a block may be.
//!
//! flow-go's constructors refuse an entity with one of these left empty (`model/flow`: `NewPayload`,
//! `NewCollectionGuarantee`, `NewSeal`, `NewExecutionReceiptStub`, `NewExecutionResult`, `NewChunk`,
//! `NewHeaderBody`). The root of a spork is under other rules and does not come here.

use weir_protocol::model::{
    Block, Chunk, CollectionGuarantee, ExecutionReceiptStub, ExecutionResult, Identifier, Seal,
};

use super::Rule;

/// Checks the fields that other rules do not look at.
pub(super) fn check(block: &Block) -> Result<(), Rule> {
    let payload = &block.payload;
    let guarantees = payload.guarantees.iter().flat_map(guarantee);
    let seals = payload.seals.iter().flat_map(seal);
    let receipts = payload.receipts.iter().flat_map(receipt);
    let results = payload.results.iter().flat_map(result);
    let header = [id("proposer_id", &block.header.proposer_id)];
    let mut fields =
        header.into_iter().chain(guarantees).chain(seals).chain(receipts).chain(results);
    match fields.find(|field| field.is_empty) {
        Some(Field { name, .. }) => Err(Rule::EmptyField { field: name }),
        None => Ok(()),
    }
}

struct Field {
    name: &'static str,
    is_empty: bool,
}

fn id(name: &'static str, id: &Identifier) -> Field {
    Field { name, is_empty: id.is_zero() }
}

fn list<T>(name: &'static str, list: &[T]) -> Field {
    Field { name, is_empty: list.is_empty() }
}

/// The signature may be empty: consensus nodes do not look at it.
fn guarantee(guarantee: &CollectionGuarantee) -> [Field; 4] {
    [
        id("collection_guarantees.collection_id", &guarantee.collection_id),
        id("collection_guarantees.reference_block_id", &guarantee.reference_block_id),
        list("collection_guarantees.signer_indices", &guarantee.signer_indices),
        list("collection_guarantees.cluster_chain_id", guarantee.cluster_chain_id.as_bytes()),
    ]
}

fn seal(seal: &Seal) -> [Field; 3] {
    [
        id("block_seals.block_id", &seal.block_id),
        id("block_seals.result_id", &seal.result_id),
        id("block_seals.final_state", &seal.final_state),
    ]
}

fn receipt(receipt: &ExecutionReceiptStub) -> [Field; 4] {
    [
        id("execution_receipt_metaList.executor_id", &receipt.executor_id),
        id("execution_receipt_metaList.result_id", &receipt.result_id),
        Field { name: "execution_receipt_metaList.spocks", is_empty: receipt.spocks.is_empty() },
        list("execution_receipt_metaList.executor_signature", &receipt.executor_signature),
    ]
}

fn result(result: &ExecutionResult) -> impl Iterator<Item = Field> + '_ {
    [
        id("execution_result_list.previous_result_id", &result.previous_result_id),
        id("execution_result_list.block_id", &result.block_id),
        list("execution_result_list.chunks", &result.chunks),
        id("execution_result_list.execution_data_id", &result.execution_data_id),
    ]
    .into_iter()
    .chain(result.chunks.iter().flat_map(chunk))
}

fn chunk(chunk: &Chunk) -> [Field; 4] {
    [
        id("chunks.block_id", &chunk.block_id),
        id("chunks.start_state", &chunk.start_state),
        id("chunks.event_collection", &chunk.event_collection),
        id("chunks.end_state", &chunk.end_state),
    ]
}
