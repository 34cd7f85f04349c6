//! The verifier: what evidence proves, and to whom.
//!
//! There are three ways in, from the simplest to the one a wallet uses:
//!
//! 1. [`Anchor::KnownBlock`]: the caller knows the block ID; hashing and Merkle proofs decide.
//! 2. [`Anchor::Committee`]: the caller trusts one epoch's committee; certificates decide.
//! 3. [`Anchor::Trusted`]: the caller has a [`TrustedState`], made from a checkpoint and moved
//!    forward one epoch at a time.
//!
//! There is one door, [`open`], which proves the block that evidence is about; answer, state and
//! tree root are read from the [`ProvedBlock`]. [`TrustedState::read`] goes through it and moves the
//! state on.
//!
//! Every outcome says who can act: a [`Verified`] value; or of a [`Rejection`] what is missing, what
//! nobody can prove yet, what needs a newer version of this program, or the rule that was broken. Only
//! the last accuses anybody.
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
mod open;
mod receipt;
mod rules;
mod sources;
mod state;
mod status;
mod timing;
mod tree;
mod trust;
mod trusted;
mod upgrade;
mod violation;

pub use answer::{
    Answer, AnswerValue, EpochAnswer, ExecutionResultAnswer, IdentityAnswer, SealAnswer,
    SnapshotAnswer,
};
pub use changes::{Change, EpochAt, StateAt, VersionAt, about_state};
pub use error::{Missing, NeedsUpdate, NotYet, Rejection};
pub use misbehaviour::{
    Act, Finding, Grounds, MISBEHAVIOUR_BYTES_MAX, MISBEHAVIOUR_VERSION, Misbehaviour,
    MisbehaviourError, ProofWanted, WrongAnswer,
};
pub use open::{ProvedBlock, open};
pub use receipt::{ReceiptError, check_receipt};
pub use status::StatusAnswer;
pub use timing::{
    CLOCK_SKEW_MS_DEFAULT, CLOCK_SKEW_MS_MAX, TRUSTING_PERIOD_MS_MAX, TRUSTING_PERIOD_MS_MIN,
    Timing, TimingError,
};
pub use tree::{TreeRoot, verify_tree};
pub use trust::{AnchoredBy, Trust};
pub use trusted::{
    HopsApplied, TRUSTED_STATE_BYTES_MAX, TRUSTED_STATE_VERSION, TrustedBlock, TrustedEpoch,
    TrustedState, TrustedStateError,
};
pub use violation::Violation;

use alloc::sync::Arc;
use sources::Sources;
use weir_protocol::evidence::{AnswerProof, EvidenceFile, HopsPage, Preimages};
use weir_protocol::hotstuff::Committee;
use weir_protocol::model::Identifier;
use weir_protocol::request::Question;

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

/// What the caller trusts before any evidence arrives, and which preimages it holds, so that evidence
/// may leave them out.
#[derive(Clone, Copy, Debug)]
pub enum Anchor<'a> {
    /// The ID of the block asked about.
    KnownBlock {
        /// The block.
        block_id: Identifier,
        /// Preimages from earlier evidence.
        held: &'a Preimages,
    },
    /// The committee of the epoch the block is in.
    Committee {
        /// The committee.
        committee: &'a Arc<Committee>,
        /// Preimages from earlier evidence.
        held: &'a Preimages,
    },
    /// A checkpoint and the epochs proved from it.
    Trusted(&'a TrustedState),
}

impl<'a> Anchor<'a> {
    fn held(self) -> &'a Preimages {
        match self {
            Self::KnownBlock { held, .. } | Self::Committee { held, .. } => held,
            Self::Trusted(trusted) => trusted.preimages(),
        }
    }

    fn sources(self, preimages: &'a [&'a Preimages]) -> Sources<'a> {
        match self {
            Self::Trusted(trusted) => Sources::new(preimages).with_decoded(trusted.decoded()),
            Self::KnownBlock { .. } | Self::Committee { .. } => Sources::new(preimages),
        }
    }
}

/// Verifies saved evidence that stands alone, from a checkpoint's ID.
///
/// The question is the one saved with the evidence.
///
/// # Errors
/// As [`TrustedState::verify`], and when the bytes are not such evidence.
pub fn verify_file(
    checkpoint_id: Identifier,
    bytes: &[u8],
    timing: &Timing,
) -> Result<(Question, Verified<Answer>), Rejection> {
    let (_, proof, answer) = open_file(checkpoint_id, bytes, timing, |block| block.answer())?;
    Ok((proof.question, answer))
}

/// As [`verify_file`], but only how far the block is, which needs no protocol state.
///
/// # Errors
/// As [`verify_file`].
pub fn verify_file_status(
    checkpoint_id: Identifier,
    bytes: &[u8],
    timing: &Timing,
) -> Result<(Question, Verified<Answer>), Rejection> {
    let (_, proof, answer) = open_file(checkpoint_id, bytes, timing, |block| block.status())?;
    Ok((proof.question, answer))
}

/// As [`verify_file`], but for what `read` makes of the block; with what is trusted after it, and the
/// answer's proof.
fn open_file<T>(
    checkpoint_id: Identifier,
    bytes: &[u8],
    timing: &Timing,
    read: impl FnOnce(&ProvedBlock<'_>) -> Result<T, Rejection>,
) -> Result<(TrustedState, AnswerProof, T), Rejection> {
    let EvidenceFile { checkpoint, hops, answer } = EvidenceFile::from_bytes(bytes)?;
    let trusted = TrustedState::from_block(checkpoint_id, &checkpoint, &answer.bundle)?;
    let mut trusted = trusted.into_value();
    trusted.apply_hops(&HopsPage { hops, more: false }, timing)?;
    let value = trusted.read(&answer.question, &answer, timing, read)?;
    Ok((trusted, answer, value))
}
