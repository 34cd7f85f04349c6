//! What a server did wrong, in a form that others can check.
//!
//! A wrong answer is checked against what the client trusted when it got it. The server's receipt
//! shows who gave it, and to which request; evidence from the checkpoint on shows that the client
//! was right to trust what it did. With both, nothing of it is the word of whoever saw it. Two final
//! blocks of one height need neither: more than a third of a committee signed both.

mod bytes;

pub use bytes::{MISBEHAVIOUR_BYTES_MAX, MISBEHAVIOUR_VERSION};

use super::{
    ReceiptError, Rejection, Timing, Trust, TrustedState, TrustedStateError, Verified, Violation,
    check_receipt, open_file, verify_file,
};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use weir_protocol::codec::rlp::RlpError;
use weir_protocol::evidence::{Evidence, Question, Receipt, ReceiptRequest};
use weir_protocol::model::Identifier;

/// What a server did wrong, and all that shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misbehaviour {
    /// URL of the server; the word of whoever saw it.
    pub server: String,
    /// The client's time then, Unix milliseconds.
    pub seen_at_ms: u64,
    /// What it did.
    pub act: Act,
}

/// What a server did wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// Its answer breaks a rule.
    WrongAnswer {
        /// What was asked.
        asked: Asked,
        /// The answer: evidence.
        answer: Vec<u8>,
        /// The server's receipt, if it gave one.
        receipt: Option<Box<Receipt>>,
        /// Evidence from the checkpoint on of what the client trusted: of its head, with all hops.
        grounds: Option<Vec<u8>>,
    },
    /// It proves a block final beside another one of the same height.
    Conflict {
        /// URL of the server that proves the other block.
        other_server: String,
        /// Evidence of this server's block and of the other's, each from the checkpoint on.
        evidence: [Vec<u8>; 2],
    },
}

/// What a client asked, with what it trusted then, as [`TrustedState::to_bytes`] writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Asked {
    /// The checkpoint's evidence.
    Checkpoint,
    /// A page of epoch hops.
    EpochHops {
        /// What the client trusted.
        trusted: Vec<u8>,
    },
    /// A question.
    Question {
        /// What the client trusted.
        trusted: Vec<u8>,
        /// The question.
        question: Question,
        /// How much was to be proved: the number that `weir.v1.Proof` has.
        proof: u64,
    },
}

/// What is wrong, as checked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Finding {
    /// The answer breaks a rule.
    BrokenRule {
        /// The rule.
        rule: Box<Violation>,
        /// The ed25519 key of whoever signed that it gave this answer to this request.
        signed_by: Option<[u8; 32]>,
        /// Whether the answer is wrong by the checkpoint alone; else by what the client says it
        /// trusted, or by its clock.
        proved: bool,
    },
    /// Two blocks of one height are final.
    Conflict {
        /// Their height.
        height: u64,
        /// This server's block and the other's.
        block_ids: [Identifier; 2],
    },
}

impl Misbehaviour {
    /// Checks it from the checkpoint on.
    ///
    /// # Errors
    /// When what was trusted goes back to another checkpoint, or nothing is wrong.
    pub fn verify(
        &self,
        checkpoint_id: Identifier,
    ) -> Result<Verified<Finding>, MisbehaviourError> {
        let timing = Timing::at(self.seen_at_ms);
        match &self.act {
            Act::WrongAnswer { asked, answer, receipt, grounds } => {
                let trusted = asked.trusted(checkpoint_id)?;
                let rule =
                    broken_rule(asked.verify(checkpoint_id, trusted.clone(), answer, &timing))?;
                let signed_by = match receipt {
                    Some(receipt) => {
                        asked.check_receipt(checkpoint_id, trusted.as_ref(), receipt, answer)?;
                        Some(receipt.key)
                    }
                    None => None,
                };
                // Without a trusted state, the checkpoint alone was asked for.
                let proved = match (trusted, grounds) {
                    (None, _) => is_the_servers(&rule),
                    (Some(_), None) => false,
                    (Some(trusted), Some(grounds)) => {
                        let own = Some(proved(checkpoint_id, &trusted, grounds, &timing)?);
                        let verdict = asked.verify(checkpoint_id, own, answer, &timing);
                        is_the_servers(&*broken_rule(verdict)?)
                    }
                };
                Ok(Verified(Finding::BrokenRule { rule, signed_by, proved }))
            }
            Act::Conflict { evidence, .. } => conflict(checkpoint_id, evidence, &timing),
        }
    }

    /// What the client trusted, of a signed answer for which evidence of that is missing.
    #[must_use]
    pub fn lacks_grounds(&self) -> Option<TrustedState> {
        match &self.act {
            Act::WrongAnswer {
                asked: Asked::EpochHops { trusted } | Asked::Question { trusted, .. },
                receipt: Some(_),
                grounds: None,
                ..
            } => TrustedState::from_bytes(trusted).ok(),
            _ => None,
        }
    }
}

impl Asked {
    /// What the client trusted; of the checkpoint itself, nothing is needed.
    fn trusted(
        &self,
        checkpoint_id: Identifier,
    ) -> Result<Option<TrustedState>, MisbehaviourError> {
        match self {
            Self::Checkpoint => Ok(None),
            Self::EpochHops { trusted } | Self::Question { trusted, .. } => {
                open(trusted, checkpoint_id).map(Some)
            }
        }
    }

    /// What the verifier says of an answer.
    fn verify(
        &self,
        checkpoint_id: Identifier,
        trusted: Option<TrustedState>,
        answer: &[u8],
        timing: &Timing,
    ) -> Result<(), Rejection> {
        let evidence = Evidence::from_bytes(answer).map_err(Violation::Evidence)?;
        match (self, trusted) {
            (Self::EpochHops { .. }, Some(mut trusted)) => {
                trusted.apply_hops(&evidence, timing).map(|_| ())
            }
            (Self::Question { question, .. }, Some(mut trusted)) => {
                trusted.verify(question, &evidence, timing).map(|_| ())
            }
            _ => TrustedState::from_checkpoint(checkpoint_id, &evidence).map(|_| ()),
        }
    }

    /// The receipt is about this request, as a client in this state sends it, and this answer.
    fn check_receipt(
        &self,
        checkpoint_id: Identifier,
        trusted: Option<&TrustedState>,
        receipt: &Receipt,
        answer: &[u8],
    ) -> Result<(), ReceiptError> {
        let held = trusted.map(TrustedState::held).unwrap_or_default();
        let held = &held;
        let request = match self {
            Self::Checkpoint => ReceiptRequest::Checkpoint(checkpoint_id),
            Self::EpochHops { .. } => {
                let epoch_counter = held.newest_epoch_counter;
                ReceiptRequest::EpochHops { epoch_counter, held, max_hops: 0 }
            }
            Self::Question { question, proof, .. } => {
                ReceiptRequest::Question { question, held, proof: *proof }
            }
        };
        check_receipt(receipt, &request, answer)
    }
}

fn open(bytes: &[u8], checkpoint_id: Identifier) -> Result<TrustedState, MisbehaviourError> {
    let trusted = TrustedState::from_bytes(bytes)?;
    let found = trusted.checkpoint().block_id;
    if found != checkpoint_id {
        return Err(MisbehaviourError::Checkpoint { expected: checkpoint_id, found });
    }
    Ok(trusted)
}

fn broken_rule(verdict: Result<(), Rejection>) -> Result<Box<Violation>, MisbehaviourError> {
    match verdict {
        Err(Rejection::Invalid(rule)) => Ok(rule),
        Err(Rejection::NotEnough(_)) | Ok(()) => Err(MisbehaviourError::Nothing),
    }
}

/// Whether the server alone is to blame: not the client's clock, which nothing proves, nor the
/// committee.
fn is_the_servers(rule: &Violation) -> bool {
    !matches!(rule, Violation::FromTheFuture { .. } | Violation::ConflictingFinality { .. })
}

/// What evidence from the checkpoint on proves, at the client's head and with the preimages that it
/// held: those are named by their hashes.
fn proved(
    checkpoint_id: Identifier,
    trusted: &TrustedState,
    grounds: &[u8],
    timing: &Timing,
) -> Result<TrustedState, MisbehaviourError> {
    let (own, proof, head) = open_file(checkpoint_id, grounds, timing)?;
    if head.trust < Trust::Finalized || head.block_id != trusted.head().block_id {
        return Err(MisbehaviourError::Grounds { head_id: trusted.head().block_id });
    }
    Ok(own.with_head(&proof.block).holding(trusted.preimages().clone()))
}

fn conflict(
    checkpoint_id: Identifier,
    evidence: &[Vec<u8>; 2],
    timing: &Timing,
) -> Result<Verified<Finding>, MisbehaviourError> {
    let final_block = |bytes: &Vec<u8>| {
        let (_, answer) = verify_file(checkpoint_id, bytes, timing)?;
        Ok((answer.trust >= Trust::Finalized).then_some((answer.height, answer.block_id)))
    };
    let blocks: Result<Vec<_>, Rejection> = evidence.iter().map(final_block).collect();
    match blocks?[..] {
        [Some((height, this)), Some((other_height, other))]
            if height == other_height && this != other =>
        {
            Ok(Verified(Finding::Conflict { height, block_ids: [this, other] }))
        }
        _ => Err(MisbehaviourError::Nothing),
    }
}

/// Why nothing is shown.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MisbehaviourError {
    /// Other bytes.
    #[error("this is no file about a server's misbehaviour")]
    NotMisbehaviour,
    /// A version this client does not know.
    #[error("misbehaviour format {found} is not known here; this is {MISBEHAVIOUR_VERSION}")]
    Version {
        /// The version.
        found: u64,
    },
    /// More bytes than it may have.
    #[error("at most {MISBEHAVIOUR_BYTES_MAX} bytes, found {found}")]
    TooLarge {
        /// Bytes found.
        found: usize,
    },
    /// Damaged bytes.
    #[error("damaged: {0}")]
    Rlp(#[from] RlpError),
    /// What the client trusted cannot be read.
    #[error("what the client trusted: {0}")]
    Trusted(#[from] TrustedStateError),
    /// It was seen from another checkpoint.
    #[error("seen from checkpoint {found}, not from {expected}")]
    Checkpoint {
        /// The checkpoint to check from.
        expected: Identifier,
        /// The one it was seen from.
        found: Identifier,
    },
    /// Evidence of a conflicting block, or of what the client trusted, does not verify.
    #[error("evidence from the checkpoint on: {0}")]
    Evidence(#[from] Rejection),
    /// The receipt is about something else, or is not valid.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// The evidence of what the client trusted is about another block than its head.
    #[error("the evidence of what the client trusted does not prove its head, block {head_id}")]
    Grounds {
        /// The client's head.
        head_id: Identifier,
    },
    /// The answer is right, or too little to tell.
    #[error("nothing is wrong with what the server said")]
    Nothing,
}
