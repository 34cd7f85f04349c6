//! What a server did wrong, in a form that others can check.
//!
//! A wrong answer is checked against what the client trusted when it got it; only a signature of
//! the server would show who gave it. Two final blocks of one height need no such word: more than
//! a third of a committee signed both.

use super::{
    Rejection, Timing, Trust, TrustedState, TrustedStateError, Verified, Violation, verify_file,
};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use weir_protocol::codec::rlp::{Decoder, Encoder, RlpError};
use weir_protocol::evidence::{EVIDENCE_BYTES_MAX, Evidence, Question};
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
    },
}

/// What is wrong, as checked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Finding {
    /// The answer breaks this rule.
    BrokenRule(Box<Violation>),
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
            Act::WrongAnswer { asked, answer } => {
                match asked.verify(checkpoint_id, answer, &timing)? {
                    Err(Rejection::Invalid(rule)) => Ok(Verified(Finding::BrokenRule(rule))),
                    Err(Rejection::NotEnough(_)) | Ok(()) => Err(MisbehaviourError::Nothing),
                }
            }
            Act::Conflict { evidence, .. } => conflict(checkpoint_id, evidence, &timing),
        }
    }

    /// As bytes, the same for the same misbehaviour.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.list(|e| {
            e.bytes(MAGIC.as_bytes());
            e.uint(MISBEHAVIOUR_VERSION);
            e.bytes(self.server.as_bytes());
            e.uint(self.seen_at_ms);
            self.act.encode(e);
        });
        encoder.finish()
    }

    /// Whether the bytes begin as those of [`Self::to_bytes`] do.
    #[must_use]
    pub fn is_meant(bytes: &[u8]) -> bool {
        // A list's header is at most nine bytes long, the text's is one.
        let head = &bytes[..bytes.len().min(10 + MAGIC.len())];
        head.windows(MAGIC.len()).any(|window| window == MAGIC.as_bytes())
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the bytes are too many, of another format or version, or not exactly what
    /// [`Self::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MisbehaviourError> {
        if bytes.len() > MISBEHAVIOUR_BYTES_MAX {
            return Err(MisbehaviourError::TooLarge { found: bytes.len() });
        }
        if !Self::is_meant(bytes) {
            return Err(MisbehaviourError::NotMisbehaviour);
        }
        let mut decoder = Decoder::new(bytes);
        let found = decoder.list(|d| {
            if d.text() != Ok(MAGIC) {
                return Err(RlpError::Invalid { field: "name of the format" });
            }
            let version = d.uint()?;
            if version != MISBEHAVIOUR_VERSION {
                while !d.is_empty() {
                    d.raw()?;
                }
                return Ok(Err(MisbehaviourError::Version { found: version }));
            }
            let (server, seen_at_ms) = (d.text()?.into(), d.uint()?);
            Ok(Ok(Self { server, seen_at_ms, act: Act::decode(d)? }))
        })??;
        decoder.finish()?;
        Ok(found)
    }
}

impl Asked {
    /// What the verifier says of an answer.
    fn verify(
        &self,
        checkpoint_id: Identifier,
        answer: &[u8],
        timing: &Timing,
    ) -> Result<Result<(), Rejection>, MisbehaviourError> {
        let decode = || -> Result<Evidence, Rejection> {
            Evidence::from_bytes(answer).map_err(|error| Violation::Evidence(error).into())
        };
        Ok(match self {
            Self::Checkpoint => decode()
                .and_then(|evidence| TrustedState::from_checkpoint(checkpoint_id, &evidence))
                .map(|_| ()),
            Self::EpochHops { trusted } => {
                let mut trusted = open(trusted, checkpoint_id)?;
                decode().and_then(|evidence| trusted.apply_hops(&evidence, timing)).map(|_| ())
            }
            Self::Question { trusted, question } => {
                let mut trusted = open(trusted, checkpoint_id)?;
                decode()
                    .and_then(|evidence| trusted.verify(question, &evidence, timing))
                    .map(|_| ())
            }
        })
    }

    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| match self {
            Self::Checkpoint => e.uint(0),
            Self::EpochHops { trusted } => {
                e.uint(1);
                e.bytes(trusted);
            }
            Self::Question { trusted, question } => {
                e.uint(2);
                e.bytes(trusted);
                question.encode(e);
            }
        });
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| match d.uint()? {
            0 => Ok(Self::Checkpoint),
            1 => Ok(Self::EpochHops { trusted: d.bytes()?.to_vec() }),
            2 => {
                let trusted = d.bytes()?.to_vec();
                Ok(Self::Question { trusted, question: Question::decode(d)? })
            }
            _ => Err(RlpError::Invalid { field: "kind of request" }),
        })
    }
}

impl Act {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| match self {
            Self::WrongAnswer { asked, answer } => {
                e.uint(0);
                asked.encode(e);
                e.bytes(answer);
            }
            Self::Conflict { other_server, evidence: [this, other] } => {
                e.uint(1);
                e.bytes(other_server.as_bytes());
                e.bytes(this);
                e.bytes(other);
            }
        });
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| match d.uint()? {
            0 => Ok(Self::WrongAnswer { asked: Asked::decode(d)?, answer: d.bytes()?.to_vec() }),
            1 => Ok(Self::Conflict {
                other_server: d.text()?.into(),
                evidence: [d.bytes()?.to_vec(), d.bytes()?.to_vec()],
            }),
            _ => Err(RlpError::Invalid { field: "kind of misbehaviour" }),
        })
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
    /// Evidence of one of two conflicting blocks does not verify.
    #[error("evidence of one of the blocks: {0}")]
    Evidence(#[from] Rejection),
    /// The answer is right, or too little to tell.
    #[error("nothing is wrong with what the server said")]
    Nothing,
}

/// Version of the format.
pub const MISBEHAVIOUR_VERSION: u64 = 1;
/// Most bytes of it: two pieces of evidence, and room for what was trusted.
pub const MISBEHAVIOUR_BYTES_MAX: usize = 2 * EVIDENCE_BYTES_MAX + (1 << 20);

const MAGIC: &str = "weir misbehaviour";
