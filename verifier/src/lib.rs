//! The verifier: what evidence proves, and to whom.
//!
//! There are three ways in, from the simplest to the one a wallet uses:
//!
//! 1. [`Anchor::KnownBlock`]: the caller knows the block ID; hashing and Merkle proofs decide.
//! 2. [`Anchor::Committee`]: the caller trusts one epoch's committee; certificates decide.
//! 3. [`Anchor::Trusted`]: the caller has a [`TrustedState`], made from a checkpoint and moved
//!    forward one epoch at a time.
//!
//! Every outcome is one of three: a [`Verified`] value, [`Rejection::NotEnough`] with what is
//! missing, or [`Rejection::Invalid`] with the rule that was broken.
//!
//! It is pure: bytes in, a verdict out; no transport, no clock, no `std`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod answer;
mod certify;
mod changes;
mod error;
#[cfg(feature = "json")]
pub mod json;
mod misbehaviour;
mod receipt;
mod rules;
mod sources;
mod state;
mod timing;
mod tree;
mod trusted;

pub use answer::{
    Answer, AnswerValue, EpochAnswer, ExecutionResultAnswer, IdentityAnswer, SealAnswer,
    SnapshotAnswer,
};
pub use certify::{AnchoredBy, Trust};
pub use changes::{Change, EpochAt, StateAt, VersionAt, about_state, state_at};
pub use error::{Missing, Rejection, Violation};
pub use misbehaviour::{
    Act, Asked, Finding, MISBEHAVIOUR_BYTES_MAX, MISBEHAVIOUR_VERSION, Misbehaviour,
    MisbehaviourError,
};
pub use receipt::{ReceiptError, check_receipt};
pub use timing::{
    CLOCK_SKEW_MS_DEFAULT, CLOCK_SKEW_MS_MAX, TRUSTING_PERIOD_MS_MAX, TRUSTING_PERIOD_MS_MIN,
    Timing, TimingError,
};
pub use tree::{
    TreeRoot, committed_tree_root, derive_tree_root, verify_committed_tree, verify_tree,
};
pub use trusted::{
    HopsApplied, TRUSTED_STATE_BYTES_MAX, TRUSTED_STATE_VERSION, TrustedBlock, TrustedEpoch,
    TrustedState, TrustedStateError,
};

use alloc::sync::Arc;
use certify::{Anchored, Certifier};
use sources::Sources;
use state::StateView;
use weir_protocol::evidence::{
    AnswerProof, Bundle, DeltaError, Evidence, Preimages, Question, Selector, Topic,
};
use weir_protocol::hotstuff::Committee;
use weir_protocol::model::Identifier;

/// A value that the verifier derived from verified bytes and bound to the question.
///
/// Only this module can make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// The value.
    pub fn value(&self) -> &T {
        &self.0
    }

    /// The value, without the mark.
    pub fn into_value(self) -> T {
        self.0
    }
}

impl<T> core::ops::Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// What the caller trusts before any evidence arrives.
#[derive(Clone, Copy, Debug)]
pub enum Anchor<'a> {
    /// The ID of the block asked about.
    KnownBlock(Identifier),
    /// The committee of the epoch the block is in.
    Committee(&'a Arc<Committee>),
    /// A checkpoint and the epochs proved from it.
    Trusted(&'a TrustedState),
}

/// Verifies the answer to `question` in `evidence`.
///
/// `held` are preimages the caller got from earlier evidence; evidence may leave them out.
///
/// # Errors
/// [`Rejection::NotEnough`] when something is missing, such as the epochs between the caller's
/// trust and the block; [`Rejection::Invalid`] when a rule is broken.
pub fn verify(
    anchor: Anchor<'_>,
    question: &Question,
    evidence: &Evidence,
    held: &Preimages,
) -> Result<Verified<Answer>, Rejection> {
    let preimages = expand(&evidence.bundle, &[held])?;
    let both = [&preimages, held];
    let sources = Sources::new(&both);
    verify_expanded(anchor, question, evidence, sources).map(|(answer, _)| answer)
}

/// As [`verify`], with the evidence's preimages in `sources`, deltas expanded; and the state at the
/// block, if the evidence has it.
fn verify_expanded(
    anchor: Anchor<'_>,
    question: &Question,
    evidence: &Evidence,
    sources: Sources<'_>,
) -> Result<(Verified<Answer>, Option<StateView>), Rejection> {
    let proof = evidence.answer.as_ref().ok_or(Missing::Answer)?;
    rules::answers_the_question(question, &proof.question)?;
    let state = match &proof.block.roots {
        Some(roots) => {
            rules::payload_hash(&proof.block.header, roots)?;
            Some(StateView::derive(&proof.block.header, roots, sources)?)
        }
        None => None,
    };
    let anchored = level_of_trust(&Certifier::new(anchor, sources), proof, state.as_ref())?;
    rules::selected_block(question.block, &proof.block.header, anchored.trust)?;
    let answer = answer::derive(question, proof, state.as_ref(), sources, anchored)?;
    Ok((Verified(answer), state))
}

/// All preimages of a bundle.
fn expand(bundle: &Bundle, held: &[&Preimages]) -> Result<Preimages, Rejection> {
    bundle.expand(held).map_err(|error| match error {
        DeltaError::Base { base } => Missing::Preimage { what: "base of a delta", id: base }.into(),
        error => Violation::Delta(error).into(),
    })
}

/// Verifies saved evidence that stands alone: checkpoint, hops and answer.
///
/// The question is the one saved with the evidence.
///
/// # Errors
/// As [`TrustedState::verify`], and when the bytes are not evidence.
pub fn verify_file(
    checkpoint_id: Identifier,
    bytes: &[u8],
    timing: &Timing,
) -> Result<(Question, Verified<Answer>), Rejection> {
    let (_, proof, answer) = open_file(checkpoint_id, bytes, timing)?;
    Ok((proof.question, answer))
}

/// As [`verify_file`], and returns what is trusted after it, and the answer's proof.
fn open_file(
    checkpoint_id: Identifier,
    bytes: &[u8],
    timing: &Timing,
) -> Result<(TrustedState, AnswerProof, Verified<Answer>), Rejection> {
    let evidence = Evidence::from_bytes(bytes).map_err(Violation::Evidence)?;
    let mut trusted = TrustedState::from_checkpoint(checkpoint_id, &evidence)?.into_value();
    trusted.apply_hops(&evidence, timing)?;
    let question = &evidence.answer.as_ref().ok_or(Missing::Answer)?.question;
    let answer = trusted.verify(question, &evidence, timing)?;
    let proof = evidence.answer.ok_or(Missing::Answer)?;
    Ok((trusted, proof, answer))
}

/// How far the block is proved: by its own certificates, and further by its seal.
fn level_of_trust(
    certifier: &Certifier<'_>,
    proof: &AnswerProof,
    state: Option<&StateView>,
) -> Result<Anchored, Rejection> {
    let anchored = certifier.block(&proof.block, state)?;
    let Some(seal) = &proof.seal else {
        return Ok(anchored);
    };
    match certifier.seal((&proof.block.header, state), seal) {
        Ok(()) => Ok(Anchored { trust: Trust::Sealed, ..anchored }),
        // The seal may lie in an epoch the caller does not know yet; the rest stands without it,
        // unless the seal is what was asked for.
        Err(Rejection::NotEnough(missing)) if !needs_seal(&proof.question, &missing) => {
            Ok(anchored)
        }
        Err(rejection) => Err(rejection),
    }
}

/// Whether there is no answer without the seal, for which something is missing.
///
/// Of an answer about the seal itself it is said below that the seal is missing, unless the caller
/// only has to learn of the seal's epoch.
fn needs_seal(question: &Question, missing: &Missing) -> bool {
    let is_about_seal = matches!(question.topic, Topic::Seal | Topic::ExecutionResult);
    question.block == Selector::LatestSealed
        || (is_about_seal && matches!(missing, Missing::LaterEpoch { .. }))
}
