//! `GetTreeProof`: proofs from snapshot trees.

use weir_proto::weir::v1;

use super::values;
use crate::prover::TreeProof;

/// The answer.
pub(super) fn response(proved: TreeProof) -> v1::GetTreeProofResponse {
    v1::GetTreeProofResponse {
        block: Some(values::block(&proved.block)),
        protocol_state_id: values::bytes(&proved.block.record.protocol_state_id),
        root: values::bytes(&proved.root),
        proof: proved.proof.into(),
    }
}
