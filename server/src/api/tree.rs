//! `GetTreeProof`: proofs from snapshot trees.

use tonic::Status;
use weir_proto::convert::{selector_from_wire, tree_question_from_wire};
use weir_proto::weir::v1;
use weir_protocol::evidence::Selector;
use weir_protocol::snapshot_tree::TreeQuestion;

use super::errors::invalid;
use super::values;
use crate::prover::TreeProof;

/// Which block, and what of its tree.
pub(super) fn asked(request: v1::GetTreeProofRequest) -> Result<(Selector, TreeQuestion), Status> {
    let block = selector_from_wire(request.block).map_err(|error| invalid(&error))?;
    let question = tree_question_from_wire(request.items).map_err(|error| invalid(&error))?;
    Ok((block, question))
}

/// The answer.
pub(super) fn response(proved: TreeProof) -> v1::GetTreeProofResponse {
    v1::GetTreeProofResponse {
        block: Some(values::block(&proved.block)),
        protocol_state_id: values::bytes(&proved.block.record.roots.protocol_state_id),
        root: values::bytes(&proved.root),
        proof: proved.proof.into(),
    }
}
