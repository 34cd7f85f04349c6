//! How far a block is: its seal, and the newest block sealed as of it.

use super::{Missing, Rejection, Trust, Violation, rules};
use alloc::vec::Vec;
use weir_protocol::codec::Entity;
use weir_protocol::evidence::{AnswerProof, LastSealedProof};
use weir_protocol::merkle;
use weir_protocol::model::{Identifier, PayloadRoots};

/// How far a block is, besides its level of trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusAnswer {
    /// ID of the block's protocol state, if the evidence has what the block's payload commits to.
    pub protocol_state_id: Option<Identifier>,
    /// Newest block sealed as of this block, where the evidence proves it.
    pub last_sealed_block_id: Option<Identifier>,
    /// ID and height of the block whose payload has the block's own seal, where the evidence proves it.
    pub sealed_by: Option<(Identifier, u64)>,
}

/// Derives it from the evidence about a block of this level of trust.
pub(super) fn derive(proof: &AnswerProof, trust: Trust) -> Result<StatusAnswer, Rejection> {
    let last_sealed = proof.last_sealed.as_ref();
    Ok(StatusAnswer {
        protocol_state_id: proof.block.roots.as_ref().map(|roots| roots.protocol_state_id),
        last_sealed_block_id: last_sealed.map(|last| last_sealed_id(proof, last)).transpose()?,
        sealed_by: match (&proof.seal, trust) {
            (Some(seal), Trust::Sealed) => Some((seal.block.header.id(), seal.block.header.height)),
            _ => None,
        },
    })
}

/// The highest block sealed in the newest payload with seals, back from the block.
fn last_sealed_id(proof: &AnswerProof, last: &LastSealedProof) -> Result<Identifier, Rejection> {
    let broken = |reason| Violation::LastSealed { reason };
    let missing = || Missing::PayloadRoots { block_id: proof.block.header.id() };
    let mut newest = (&proof.block.header, proof.block.roots.as_ref().ok_or_else(missing)?);
    for (header, roots) in &last.ancestors {
        if !has_no_seals(newest.1) {
            return Err(broken("a newer payload has seals").into());
        }
        rules::continues(header, newest.0)?;
        rules::payload_hash(header, roots)?;
        newest = (header, roots);
    }
    let ids: Vec<_> = last.seals.iter().map(Entity::id).collect();
    if ids.is_empty() || merkle::root_of_complete_list(&ids) != Ok(newest.1.seals_root) {
        return Err(broken("the seals are not those of the payload").into());
    }
    if last.sealed_headers.len() != last.seals.len() {
        return Err(broken("one header is needed for every seal").into());
    }
    for (seal, header) in last.seals.iter().zip(&last.sealed_headers) {
        if seal.block_id != header.id() {
            return Err(broken("a header is not that of the sealed block").into());
        }
    }
    let highest = last.sealed_headers.iter().max_by_key(|header| header.height);
    Ok(highest.map(Entity::id).ok_or(broken("no seals"))?)
}

fn has_no_seals(roots: &PayloadRoots) -> bool {
    roots.seals_root == merkle::root(&[])
}
