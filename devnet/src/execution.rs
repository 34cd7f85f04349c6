//! Execution and its verification: results, receipts and seals.
//!
//! No transactions run here, so states and hashes are made up. IDs, shapes and links are the
//! network's, and so are the signatures of execution and verification nodes.

use std::sync::Arc;

use weir_protocol::codec::rlp::Encoder;
use weir_protocol::codec::{Entity as _, entity_id};
use weir_protocol::model::{
    AggregatedSignature, Chunk, ExecutionReceiptStub, ExecutionResult, Identifier, Role, Seal,
    ServiceEvent,
};
use weir_protocol::protocol_state::{EpochName, ProtocolState};

use crate::nodes::{Node, Nodes};
use crate::random::Random;
use crate::signer::{Job, Signed};
use crate::spock::Spocks;

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

/// An execution whose receipts and approvals lack their signatures.
#[derive(Debug)]
pub struct UnsignedExecution {
    execution: Execution,
    executors: Vec<Arc<Node>>,
    verifiers: Vec<Arc<Node>>,
}

impl UnsignedExecution {
    /// Executes a block.
    #[must_use]
    pub fn new(task: Task<'_>, nodes: &Nodes, spocks: &mut Spocks, random: &mut Random) -> Self {
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
        let executors = nodes.all(nodes_of(task.state, Role::Execution, random));
        let verifiers = nodes.all(nodes_of(task.state, Role::Verification, random));
        let mut receipt = |executor: &Arc<Node>| ExecutionReceiptStub {
            executor_id: executor.id(),
            result_id,
            spocks: result.chunks.iter().map(|chunk| spocks.prove(executor, chunk)).collect(),
            executor_signature: Vec::new(),
        };
        let receipts = executors.iter().map(&mut receipt).collect();
        let seal = Seal {
            block_id: task.block_id,
            result_id,
            final_state,
            aggregated_approval_sigs: Vec::new(),
        };
        let execution = Execution { result: Arc::new(result), result_id, receipts, seal };
        Self { execution, executors, verifiers }
    }

    /// What is to be signed: each receipt by its executor, and each chunk by those who verify it.
    #[must_use]
    pub fn jobs(&self) -> Vec<Job> {
        let Execution { result, result_id, receipts, .. } = &self.execution;
        let receipt = |(receipt, executor): (&ExecutionReceiptStub, &Arc<Node>)| {
            Job::single(executor.staking_key, EXECUTION_RECEIPT, &unsigned_receipt_id(receipt).0)
        };
        let keys: Vec<_> = self.verifiers.iter().map(|node| node.staking_key).collect();
        let approval = |chunk: &Chunk| Job {
            keys: keys.clone(),
            tag: RESULT_APPROVAL,
            message: attestation_id(&result.block_id, result_id, chunk.index).0.to_vec(),
        };
        let receipts = receipts.iter().zip(&self.executors).map(receipt);
        receipts.chain(result.chunks.iter().map(approval)).collect()
    }

    /// The execution with the next of these signatures, which are those of its jobs.
    #[must_use]
    pub fn signed(self, signed: &mut impl Iterator<Item = Signed>) -> Execution {
        let Self { mut execution, verifiers, .. } = self;
        let mut next = || -> Vec<Vec<u8>> {
            let points = signed.next().unwrap_or_default();
            points.iter().map(|point| point.to_bytes().to_vec()).collect()
        };
        for receipt in &mut execution.receipts {
            receipt.executor_signature = next().concat();
        }
        let signer_ids: Vec<_> = verifiers.iter().map(|node| node.id()).collect();
        let approval = |_: &Chunk| AggregatedSignature {
            verifier_signatures: next(),
            signer_ids: signer_ids.clone(),
        };
        let approvals = execution.result.chunks.iter().map(approval).collect();
        execution.seal.aggregated_approval_sigs = approvals;
        execution
    }
}

/// What the signature of a receipt covers: all of it but the signature (flow-go
/// `model/flow/execution_receipt.go`, `UnsignedExecutionReceiptStub`).
#[must_use]
pub fn unsigned_receipt_id(receipt: &ExecutionReceiptStub) -> Identifier {
    let mut encoder = Encoder::new();
    encoder.list(|e| {
        e.bytes(&receipt.executor_id.0);
        e.bytes(&receipt.result_id.0);
        e.list_of(&receipt.spocks, |e, spock| e.bytes(spock));
    });
    entity_id(&encoder.finish())
}

/// What the signature of an approval covers (flow-go `model/flow/resultApproval.go`,
/// `Attestation`): block, result and chunk.
#[must_use]
pub fn attestation_id(
    block_id: &Identifier,
    result_id: &Identifier,
    chunk_index: u64,
) -> Identifier {
    let mut encoder = Encoder::new();
    encoder.list(|e| {
        e.bytes(&block_id.0);
        e.bytes(&result_id.0);
        e.uint(chunk_index);
    });
    entity_id(&encoder.finish())
}

impl Execution {
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

/// Tag of receipts (flow-go `module/signature/signing_tags.go`, as the other tags).
pub const EXECUTION_RECEIPT: &str = "FLOW-Execution_Receipt-V00-CS00-with-";
/// Tag of result approvals.
pub const RESULT_APPROVAL: &str = "FLOW-Result_Approval-V00-CS00-with-";
/// Nodes that execute a block, and nodes that approve a chunk.
const WITNESSES: usize = 2;
