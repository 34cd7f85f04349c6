//! Execution and its verification: results, receipts and seals.
//!
//! No transactions run here, so states and hashes are made up; receipts and approvals are not
//! signed, for nothing outside could check them. IDs, shapes and links are the network's.

use std::sync::Arc;

use weir_protocol::bls::SIGNATURE_LEN;
use weir_protocol::codec::Entity as _;
use weir_protocol::model::{
    AggregatedSignature, Chunk, ExecutionReceiptStub, ExecutionResult, Identifier, Role, Seal,
    ServiceEvent,
};
use weir_protocol::protocol_state::{EpochName, ProtocolState};

use crate::random::Random;

/// What the execution of a block brought forth.
#[derive(Clone, Debug)]
pub struct Execution {
    /// The result.
    pub result: Arc<ExecutionResult>,
    /// Its ID.
    pub result_id: Identifier,
    /// Receipts of the nodes that executed the block.
    pub receipts: Vec<ExecutionReceiptStub>,
    /// The seal, with the approvals of verification nodes.
    pub seal: Seal,
}

/// What the execution of a block starts from.
#[derive(Debug)]
pub struct Task<'a> {
    /// The block.
    pub block_id: Identifier,
    /// Number of collections in it.
    pub collections: usize,
    /// Its parent's execution.
    pub parent: &'a Execution,
    /// Who executes and verifies.
    pub state: &'a ProtocolState,
    /// Events the system chunk emits.
    pub events: Vec<ServiceEvent>,
}

impl Execution {
    /// Executes a block.
    #[must_use]
    pub fn new(task: Task<'_>, random: &mut Random) -> Self {
        let chunks = chunks(&task, random);
        let final_state = chunks.last().map_or(Identifier::ZERO, |chunk| chunk.end_state);
        let result = ExecutionResult {
            previous_result_id: task.parent.result_id,
            block_id: task.block_id,
            chunks,
            service_events: task.events,
            execution_data_id: random.identifier(),
        };
        let result_id = result.id();
        let count = result.chunks.len();
        let receipts = nodes_of(task.state, Role::Execution, random)
            .into_iter()
            .map(|executor_id| receipt(executor_id, result_id, count, random))
            .collect();
        let verifiers = nodes_of(task.state, Role::Verification, random);
        let approval = |_| AggregatedSignature {
            verifier_signatures: verifiers.iter().map(|_| signature(random)).collect(),
            signer_ids: verifiers.clone(),
        };
        let aggregated_approval_sigs = (0..count).map(approval).collect();
        let block_id = task.block_id;
        let seal = Seal { block_id, result_id, final_state, aggregated_approval_sigs };
        Self { result: Arc::new(result), result_id, receipts, seal }
    }

    /// The execution of the root block, sealed from the start.
    #[must_use]
    pub fn root(block_id: Identifier, events: Vec<ServiceEvent>, final_state: Identifier) -> Self {
        let chunk = Chunk {
            collection_index: 0,
            start_state: Identifier::ZERO,
            event_collection: Identifier::ZERO,
            service_event_count: Some(0),
            block_id: Identifier::ZERO,
            total_computation_used: 0,
            number_of_transactions: 0,
            index: 0,
            end_state: final_state,
        };
        let result = ExecutionResult {
            previous_result_id: Identifier::ZERO,
            block_id,
            chunks: vec![chunk],
            service_events: events,
            execution_data_id: Identifier::ZERO,
        };
        let result_id = result.id();
        let aggregated_approval_sigs = Vec::new();
        let seal = Seal { block_id, result_id, final_state, aggregated_approval_sigs };
        Self { result: Arc::new(result), result_id, receipts: Vec::new(), seal }
    }
}

/// One chunk a collection, then the system chunk, which emits all service events.
fn chunks(task: &Task<'_>, random: &mut Random) -> Vec<Chunk> {
    let mut start_state = task.parent.seal.final_state;
    let system = task.collections;
    let chunk = |index: usize| {
        let is_system = index == system;
        let count = if is_system { task.events.len() } else { 0 };
        let end_state = random.identifier();
        let chunk = Chunk {
            collection_index: index as u64,
            start_state,
            event_collection: random.identifier(),
            service_event_count: Some(u16::try_from(count).unwrap_or(u16::MAX)),
            block_id: task.block_id,
            total_computation_used: random.between(100, 9999),
            number_of_transactions: if is_system { 1 } else { random.between(1, 50) },
            index: index as u64,
            end_state,
        };
        start_state = end_state;
        chunk
    };
    (0..=system).map(chunk).collect()
}

fn receipt(
    executor_id: Identifier,
    result_id: Identifier,
    chunks: usize,
    random: &mut Random,
) -> ExecutionReceiptStub {
    ExecutionReceiptStub {
        executor_id,
        result_id,
        spocks: (0..chunks).map(|_| signature(random)).collect(),
        executor_signature: signature(random),
    }
}

fn signature(random: &mut Random) -> Vec<u8> {
    random.bytes::<SIGNATURE_LEN>().to_vec()
}

/// Some nodes of a role that are not ejected, in canonical order.
fn nodes_of(state: &ProtocolState, role: Role, random: &mut Random) -> Vec<Identifier> {
    let participants = &state.current_setup().participants;
    let entries = state.container(EpochName::Current).map(|epoch| &epoch.active_identities[..]);
    let nodes = participants.iter().zip(entries.unwrap_or_default());
    let mut ids: Vec<Identifier> = nodes
        .filter(|(node, entry)| node.role == role && !entry.ejected)
        .map(|(node, _)| node.node_id)
        .collect();
    while ids.len() > WITNESSES {
        ids.remove(random.position(ids.len()));
    }
    ids
}

/// Nodes that execute a block, and nodes that approve a chunk.
const WITNESSES: usize = 2;
