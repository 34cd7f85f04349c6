//! Typed values, made from what was verified and from nothing else.

use tonic::Status;
use weir_proto::convert::{
    CurrentEpoch, block_reference, epoch_to_wire, identity_to_wire, state_to_wire,
};
use weir_proto::weir::v1;
use weir_protocol::codec::Entity as _;
use weir_protocol::evidence::AnswerProof;
use weir_protocol::model::Identifier;
use weir_verifier::{Answer, AnswerValue, EpochAnswer, IdentityAnswer, SnapshotAnswer, Trust};

/// The block that an answer is about.
pub(crate) fn block(answer: &Answer) -> v1::BlockReference {
    block_reference(&answer.block_id, answer.height, answer.view)
}

/// The summary of a block's protocol state, and how far the proxy proves the block.
pub(crate) fn snapshot(answer: &Answer) -> Option<v1::Snapshot> {
    let AnswerValue::Snapshot(state) = &answer.value else {
        return None;
    };
    let SnapshotAnswer { kv_store, extensions, last_sealed_block_id, .. } = state;
    let epoch = CurrentEpoch {
        counter: state.epoch_counter,
        phase: state.epoch_phase,
        fallback_triggered: state.epoch_fallback_triggered,
        first_view: state.first_view,
        final_view: state.final_view,
        extensions,
    };
    Some(v1::Snapshot {
        block: Some(block(answer)),
        certified: answer.trust >= Trust::Certified,
        finalized: answer.trust >= Trust::Finalized,
        sealed: answer.trust >= Trust::Sealed,
        last_sealed_block_id: last_sealed_block_id.as_ref().map(bytes).unwrap_or_default(),
        ..state_to_wire(&state.protocol_state_id, kv_store, &epoch)
    })
}

/// One node.
pub(crate) fn node(answer: &Answer, node_id: Identifier) -> Result<v1::Identity, Status> {
    match &answer.value {
        AnswerValue::Identity(Some(node)) => Ok(identity(node)),
        _ => {
            let block_id = answer.block_id;
            let message = format!("node {node_id} is not in the identity table at {block_id}");
            Err(Status::not_found(message))
        }
    }
}

/// The nodes of an identity table.
pub(crate) fn nodes(answer: &Answer) -> Vec<v1::Identity> {
    match &answer.value {
        AnswerValue::Identities(nodes) => nodes.iter().map(identity).collect(),
        _ => Vec::new(),
    }
}

fn identity(node: &IdentityAnswer) -> v1::Identity {
    identity_to_wire(&node.skeleton, node.status)
}

/// Setup and commit of an epoch.
pub(crate) fn epoch(answer: &Answer) -> v1::GetEpochResponse {
    let AnswerValue::Epoch(EpochAnswer { setup_id, setup, commit, .. }) = &answer.value else {
        return v1::GetEpochResponse::default();
    };
    let commit = commit.as_ref().map(|(id, commit)| (id, commit));
    let response = epoch_to_wire((setup_id, setup), commit);
    v1::GetEpochResponse { block: Some(block(answer)), ..response }
}

/// A seal, and the block that holds it.
pub(crate) fn seal(answer: &Answer, evidence: &AnswerProof) -> v1::GetSealResponse {
    let AnswerValue::Seal(found) = &answer.value else {
        return v1::GetSealResponse::default();
    };
    let proof = evidence.seal.as_ref();
    let (sealing_id, height) = &found.sealing_block;
    let view = proof.map_or(0, |proof| proof.block.header.view);
    v1::GetSealResponse {
        block: Some(block(answer)),
        seal_id: bytes(&found.seal_id),
        seal: found.seal.to_rlp().into(),
        sealing_block: Some(block_reference(sealing_id, *height, view)),
        evidence: prost::bytes::Bytes::new(),
    }
}

/// An execution result.
pub(crate) fn result(answer: &Answer) -> v1::GetExecutionResultResponse {
    let AnswerValue::ExecutionResult(found) = &answer.value else {
        return v1::GetExecutionResultResponse::default();
    };
    v1::GetExecutionResultResponse {
        block: Some(block(answer)),
        result_id: bytes(&found.result_id),
        result: found.result.to_rlp().into(),
        evidence: prost::bytes::Bytes::new(),
    }
}

pub(crate) fn bytes(id: &Identifier) -> prost::bytes::Bytes {
    id.0.to_vec().into()
}
