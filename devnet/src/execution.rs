//! Execution: results and receipts.
//!
//! No transactions run here, so states and hashes are made up. IDs, shapes and links are the
//! network's, and so are the signatures of execution nodes.

use std::sync::Arc;

use weir_protocol::codec::rlp::Encoder;
use weir_protocol::codec::{Entity as _, entity_id};
use weir_protocol::model::{
    Chunk, ExecutionReceiptStub, ExecutionResult, Identifier, Role, ServiceEvent,
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
    /// Who executes.
    pub state: &'a ProtocolState,
    /// Events the system chunk emits.
    pub events: Vec<ServiceEvent>,
}

/// An execution whose receipts lack their signatures.
#[derive(Debug)]
pub struct UnsignedExecution {
    execution: Execution,
    executors: Vec<Arc<Node>>,
}

impl UnsignedExecution {
    /// Executes a block.
    #[must_use]
    pub fn new(task: Task<'_>, nodes: &Nodes, spocks: &mut Spocks, random: &mut Random) -> Self {
        let chunks = chunks(&task, random);
        let result = ExecutionResult {
            previous_result_id: task.parent.result_id,
            block_id: task.block_id,
            chunks,
            service_events: task.events,
            execution_data_id: random.identifier(),
        };
        let result_id = result.id();
        let mut executors = active_nodes(task.state, Role::Execution);
        draw_some(&mut executors, random);
        let executors = nodes.all(executors);
        let mut receipt = |executor: &Arc<Node>| ExecutionReceiptStub {
            executor_id: executor.id(),
            result_id,
            spocks: result.chunks.iter().map(|chunk| spocks.prove(executor, chunk)).collect(),
            executor_signature: Vec::new(),
        };
        let receipts = executors.iter().map(&mut receipt).collect();
        let execution = Execution { result: Arc::new(result), result_id, receipts };
        Self { execution, executors }
    }

    /// What is to be signed: each receipt by its executor.
    #[must_use]
    pub fn jobs(&self) -> Vec<Job> {
        let receipt = |(receipt, executor): (&ExecutionReceiptStub, &Arc<Node>)| {
            Job::single(executor.staking_key, EXECUTION_RECEIPT, &unsigned_receipt_id(receipt).0)
        };
        self.execution.receipts.iter().zip(&self.executors).map(receipt).collect()
    }

    /// The execution with the next of these signatures, which are those of its jobs.
    #[must_use]
    pub fn signed(self, signed: &mut impl Iterator<Item = Signed>) -> Execution {
        let Self { mut execution, .. } = self;
        for receipt in &mut execution.receipts {
            let points = signed.next().unwrap_or_default();
            receipt.executor_signature = points.iter().flat_map(|point| point.to_bytes()).collect();
        }
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
        receipt.spocks.encode(e);
    });
    entity_id(&encoder.finish())
}

impl Execution {
    /// Returns the state after the last chunk.
    #[must_use]
    pub fn final_state(&self) -> Identifier {
        self.result.chunks.last().map_or(Identifier::ZERO, |chunk| chunk.end_state)
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
        Self { result: Arc::new(result), result_id, receipts: Vec::new() }
    }
}

/// One chunk a collection, then the system chunk, which emits all service events.
fn chunks(task: &Task<'_>, random: &mut Random) -> Vec<Chunk> {
    let mut start_state = task.parent.final_state();
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

/// Returns the nodes of a role that are active in the current epoch, in canonical order.
pub(crate) fn active_nodes(state: &ProtocolState, role: Role) -> Vec<Identifier> {
    let participants = &state.current_setup().participants;
    let entries = state.container(EpochName::Current).map(|epoch| &epoch.active_identities[..]);
    let nodes = participants.iter().zip(entries.unwrap_or_default());
    let active = nodes.filter(|(node, entry)| node.role == role && !entry.ejected);
    active.map(|(node, _)| node.node_id).collect()
}

/// Leaves as many nodes as vouch for something, and keeps their order.
pub(crate) fn draw_some(ids: &mut Vec<Identifier>, random: &mut Random) {
    while ids.len() > WITNESSES {
        ids.remove(random.position(ids.len()));
    }
}

/// Tag of receipts (flow-go `module/signature/signing_tags.go`).
pub const EXECUTION_RECEIPT: &str = "FLOW-Execution_Receipt-V00-CS00-with-";
/// Nodes that execute a block, and nodes that approve a chunk.
const WITNESSES: usize = 2;
