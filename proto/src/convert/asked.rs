//! How a question is asked: what the client holds, how far the block is to be proved, in which form.

use weir_protocol::evidence::{HELD_IDS_MAX, Held, Question, Topic};
use weir_protocol::model::Identifier;

use super::ConvertError;
use super::question::{bytes, identifier, selector_from_wire};
use crate::weir::v1;

/// A request's question, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The question.
    pub question: Question,
    /// What the client holds.
    pub held: Held,
    /// How far the block is to be proved.
    pub proof: v1::Proof,
    /// What the answer should contain.
    pub form: v1::Form,
}

/// Reads the question of a request about `topic`.
///
/// # Errors
/// When a part of it is missing, malformed, too long or unknown.
pub fn asked_from_wire(wire: Option<v1::Question>, topic: Topic) -> Result<Asked, ConvertError> {
    let wire = wire.unwrap_or_default();
    let form = v1::Form::try_from(wire.form);
    let form = form.map_err(|_| ConvertError::unknown("question.form", wire.form))?;
    let proof = v1::Proof::try_from(wire.proof);
    let proof = proof.map_err(|_| ConvertError::unknown("question.proof", wire.proof))?;
    let block = selector_from_wire(wire.block)?;
    let held = held_from_wire(wire.held)?;
    Ok(Asked { question: Question { block, topic }, held, proof, form })
}

/// How much to prove, as receipts name it: the number that `weir.v1.Proof` has.
#[must_use]
pub fn proof_number(proof: v1::Proof) -> u64 {
    i32::from(proof).unsigned_abs().into()
}

/// Reads what a client holds.
///
/// # Errors
/// When an ID has not 32 bytes, or there are more than [`HELD_IDS_MAX`].
pub fn held_from_wire(held: Option<v1::Held>) -> Result<Held, ConvertError> {
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

/// The message that says what a client holds.
#[must_use]
pub fn held_to_wire(held: &Held) -> v1::Held {
    let optional = |id: Option<Identifier>| id.as_ref().map(bytes).unwrap_or_default();
    v1::Held {
        checkpoint_id: optional(held.checkpoint_id),
        head_id: optional(held.head_id),
        newest_epoch_counter: held.newest_epoch_counter,
        preimage_ids: held.preimage_ids.iter().take(HELD_IDS_MAX).map(bytes).collect(),
    }
}
