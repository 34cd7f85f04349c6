//! Verification: approvals of results, and the seals that are made of them.
//!
//! A result is verified once a block includes it and that block is certified: the beacon signature
//! in the certificate says which verification nodes are to verify which chunk. So a result has
//! other approvals on each fork that includes it, and no block seals what its parent includes
//! (flow-go `module/validation/seal_validator.go`).

use std::sync::Arc;

use weir_protocol::chunk_assignment::assign_chunks;
use weir_protocol::codec::entity_id;
use weir_protocol::codec::rlp::Encoder;
use weir_protocol::hotstuff::beacon_signature;
use weir_protocol::model::{AggregatedSignature, Identifier, QuorumCertificate, Role, Seal};
use weir_protocol::protocol_state::ProtocolState;

use crate::execution::{Execution, active_nodes, draw_some};
use crate::nodes::{Node, Nodes};
use crate::random::Random;
use crate::signer::{Job, Signed};

/// An included result that is to be verified.
#[derive(Debug)]
pub struct Task<'a> {
    /// The result.
    pub execution: &'a Execution,
    /// The state after the block that was executed, which says who verifies.
    pub state: &'a ProtocolState,
    /// The certificate of the block that includes the result.
    pub qc: &'a QuorumCertificate,
    /// Verification nodes of a chunk.
    pub alpha: usize,
}

/// A seal whose approvals lack their signatures.
#[derive(Debug)]
pub struct UnsignedSeal {
    seal: Seal,
    /// Who approves each chunk.
    approvers: Vec<Vec<Arc<Node>>>,
}

impl UnsignedSeal {
    /// Has some of the nodes that are assigned to a chunk approve it.
    #[must_use]
    pub fn new(task: &Task<'_>, nodes: &Nodes, random: &mut Random) -> Self {
        let Task { execution, state, qc, alpha } = task;
        let verifiers = active_nodes(state, Role::Verification);
        let source = beacon_signature(qc).expect("the network makes well-formed certificates");
        let chunks = execution.result.chunks.len();
        let assigned = assign_chunks(&verifiers, chunks, source, *alpha)
            .expect("commands that leave too few verification nodes are not carried out");
        let approvers = assigned.into_iter().map(|mut ids| {
            ids.sort_unstable();
            draw_some(&mut ids, random);
            nodes.all(ids)
        });
        let seal = Seal {
            block_id: execution.result.block_id,
            result_id: execution.result_id,
            final_state: execution.final_state(),
            aggregated_approval_sigs: Vec::new(),
        };
        Self { seal, approvers: approvers.collect() }
    }

    /// Returns what is to be signed: each chunk by those who approve it.
    #[must_use]
    pub fn jobs(&self) -> Vec<Job> {
        let Seal { block_id, result_id, .. } = &self.seal;
        let approval = |(index, approvers): (u64, &Vec<Arc<Node>>)| Job {
            keys: approvers.iter().map(|node| node.staking_key).collect(),
            tag: RESULT_APPROVAL,
            message: attestation_id(block_id, result_id, index).0.to_vec(),
        };
        (0..).zip(&self.approvers).map(approval).collect()
    }

    /// Returns the seal with the next of these signatures, which are those of its jobs.
    #[must_use]
    pub fn signed(self, signed: &mut impl Iterator<Item = Signed>) -> Seal {
        let approval = |approvers: Vec<Arc<Node>>| {
            let points = signed.next().unwrap_or_default();
            AggregatedSignature {
                verifier_signatures: points.iter().map(|point| point.to_bytes()).collect(),
                signer_ids: approvers.iter().map(|node| node.id()).collect(),
            }
        };
        let approvals = self.approvers.into_iter().map(approval).collect();
        Seal { aggregated_approval_sigs: approvals, ..self.seal }
    }
}

/// Returns what the signature of an approval covers (flow-go `model/flow/resultApproval.go`,
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

/// Tag of result approvals (flow-go `module/signature/signing_tags.go`).
pub const RESULT_APPROVAL: &str = "FLOW-Result_Approval-V00-CS00-with-";
