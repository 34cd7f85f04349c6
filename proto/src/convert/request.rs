//! Requests between `weir.v1` messages and the model.

use weir_protocol::model::Identifier;
use weir_protocol::request::{
    AnswerRequest, Depth, HELD_IDS_MAX, Held, HopsRequest, MaxHops, Question, Request, Topic,
};

use super::ConvertError;
use super::question::{
    bytes, epoch_from_wire, epoch_to_number, filter_from_wire, identifier, role_to_wire,
    selector_from_wire, selector_to_wire, status_to_wire,
};
use super::tree::tree_to_wire;
use crate::weir::v1;

/// A request as the message of its method, which wants evidence alone.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// For `GetCheckpoint`.
    Checkpoint(v1::GetCheckpointRequest),
    /// For `GetEpochHops`.
    EpochHops(v1::GetEpochHopsRequest),
    /// For `GetSnapshot`.
    Snapshot(v1::GetSnapshotRequest),
    /// For `GetIdentity`.
    Identity(v1::GetIdentityRequest),
    /// For `ListIdentities`.
    Identities(v1::ListIdentitiesRequest),
    /// For `GetEpoch`.
    Epoch(v1::GetEpochRequest),
    /// For `GetSeal`.
    Seal(v1::GetSealRequest),
    /// For `GetExecutionResult`.
    ExecutionResult(v1::GetExecutionResultRequest),
    /// For `GetTreeProof`.
    TreeProof(v1::GetTreeProofRequest),
}

/// A question's request, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The request.
    pub request: AnswerRequest,
    /// Whether typed values are wanted beside the evidence.
    pub with_value: bool,
}

/// The message of a request.
#[must_use]
pub fn request_to_wire(request: &Request) -> Call {
    match request {
        Request::Checkpoint(block_id) => {
            Call::Checkpoint(v1::GetCheckpointRequest { block_id: bytes(block_id) })
        }
        Request::EpochHops(HopsRequest { epoch_counter, held, max_hops }) => {
            Call::EpochHops(v1::GetEpochHopsRequest {
                epoch_counter: *epoch_counter,
                held: Some(held_to_wire(held)),
                max_hops: max_hops.0,
            })
        }
        Request::Answer(request) => answer_to_wire(request),
        Request::TreeProof(request) => Call::TreeProof(tree_to_wire(request)),
    }
}

fn answer_to_wire(request: &AnswerRequest) -> Call {
    let AnswerRequest { question, held, depth } = request;
    let common = v1::Question {
        block: Some(selector_to_wire(question.block)),
        held: Some(held_to_wire(held)),
        form: v1::Form::EvidenceOnly.into(),
        proof: depth_to_wire(*depth).into(),
    };
    let common = Some(common);
    match &question.topic {
        Topic::Snapshot => Call::Snapshot(v1::GetSnapshotRequest { question: common }),
        Topic::Identity(node_id) => {
            Call::Identity(v1::GetIdentityRequest { question: common, node_id: bytes(node_id) })
        }
        Topic::Identities(filter) => Call::Identities(v1::ListIdentitiesRequest {
            question: common,
            roles: filter.roles.iter().map(|role| role_to_wire(*role).into()).collect(),
            statuses: filter.statuses.iter().map(|s| status_to_wire(*s).into()).collect(),
            node_ids: filter.node_ids.iter().map(bytes).collect(),
        }),
        Topic::Epoch(name) => Call::Epoch(v1::GetEpochRequest {
            question: common,
            epoch: epoch_to_number(*name).into(),
        }),
        Topic::Seal => Call::Seal(v1::GetSealRequest { question: common }),
        Topic::ExecutionResult => {
            Call::ExecutionResult(v1::GetExecutionResultRequest { question: common })
        }
    }
}

/// Reads which checkpoint is asked for.
///
/// # Errors
/// When the block ID has not 32 bytes.
pub fn checkpoint_from_wire(wire: &v1::GetCheckpointRequest) -> Result<Identifier, ConvertError> {
    identifier("block_id", &wire.block_id)
}

/// Reads a request for a page of hops.
///
/// # Errors
/// When an ID has not 32 bytes, or there are more than [`HELD_IDS_MAX`].
pub fn hops_from_wire(wire: v1::GetEpochHopsRequest) -> Result<HopsRequest, ConvertError> {
    let v1::GetEpochHopsRequest { epoch_counter, held, max_hops } = wire;
    Ok(HopsRequest { epoch_counter, held: held_from_wire(held)?, max_hops: MaxHops(max_hops) })
}

/// Reads requests of the methods that ask a question: the message, and the topic that it asks about.
macro_rules! questions {
    ($($message:ident($wire:ident) => $topic:expr;)*) => {$(
        impl TryFrom<v1::$message> for Asked {
            type Error = ConvertError;

            fn try_from($wire: v1::$message) -> Result<Self, ConvertError> {
                let topic = $topic;
                asked($wire.question, topic)
            }
        }
    )*};
}

questions! {
    GetSnapshotRequest(wire) => Topic::Snapshot;
    GetIdentityRequest(wire) => Topic::Identity(identifier("node_id", &wire.node_id)?);
    ListIdentitiesRequest(wire) => {
        Topic::Identities(filter_from_wire(&wire.roles, &wire.statuses, &wire.node_ids)?)
    };
    GetEpochRequest(wire) => Topic::Epoch(epoch_from_wire(wire.epoch)?);
    GetSealRequest(wire) => Topic::Seal;
    GetExecutionResultRequest(wire) => Topic::ExecutionResult;
}

fn asked(wire: Option<v1::Question>, topic: Topic) -> Result<Asked, ConvertError> {
    let wire = wire.unwrap_or_default();
    let form = v1::Form::try_from(wire.form);
    let form = form.map_err(|_| ConvertError::unknown("question.form", wire.form))?;
    let depth = u64::try_from(wire.proof).ok().and_then(Depth::from_number);
    let depth = depth.ok_or_else(|| ConvertError::unknown("question.proof", wire.proof))?;
    let question = Question { block: selector_from_wire(wire.block)?, topic };
    let request = AnswerRequest { question, held: held_from_wire(wire.held)?, depth };
    Ok(Asked { request, with_value: form == v1::Form::Unspecified })
}

fn depth_to_wire(depth: Depth) -> v1::Proof {
    match depth {
        Depth::Finality => v1::Proof::Unspecified,
        Depth::Seal => v1::Proof::Sealed,
        Depth::KnownBlock => v1::Proof::KnownBlock,
        Depth::Linked => v1::Proof::Linked,
    }
}

fn held_from_wire(held: Option<v1::Held>) -> Result<Held, ConvertError> {
    let held = held.unwrap_or_default();
    if held.preimage_ids.len() > HELD_IDS_MAX {
        let (max, found) = (HELD_IDS_MAX, held.preimage_ids.len());
        return Err(ConvertError::too_many("held.preimage_ids", max, found));
    }
    let optional = |field, bytes: &[u8]| match bytes {
        [] => Ok(None),
        bytes => identifier(field, bytes).map(Some),
    };
    let ids: Result<_, ConvertError> =
        held.preimage_ids.iter().map(|id| identifier("held.preimage_ids", id)).collect();
    Ok(Held {
        checkpoint_id: optional("held.checkpoint_id", &held.checkpoint_id)?,
        head_id: optional("held.head_id", &held.head_id)?,
        newest_epoch_counter: held.newest_epoch_counter,
        preimage_ids: ids?,
    })
}

fn held_to_wire(held: &Held) -> v1::Held {
    let optional = |id: Option<Identifier>| id.as_ref().map(bytes).unwrap_or_default();
    v1::Held {
        checkpoint_id: optional(held.checkpoint_id),
        head_id: optional(held.head_id),
        newest_epoch_counter: held.newest_epoch_counter,
        preimage_ids: held.preimage_ids.iter().take(HELD_IDS_MAX).map(bytes).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[bounded::test]
    fn a_depth_has_the_number_of_its_wire_value() {
        for depth in Depth::ALL {
            let number = u64::try_from(i32::from(depth_to_wire(depth))).unwrap();
            assert_eq!(number, depth.number());
        }
    }
}
