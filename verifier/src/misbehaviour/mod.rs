//! What a server did wrong, in a form that others can check.
//!
//! A wrong answer is checked as the client checked it that asked: by its request, and by what it
//! trusted. The server's receipt signs the request, which names the checkpoint, the client's head, its
//! newest epoch and every preimage that it held; evidence from the checkpoint on proves the state that
//! these name. With both, nothing that the verdict depends on is the word of whoever accuses. Two final
//! blocks of one height need neither: more than a third of a committee signed both.

mod bytes;
mod judge;

pub use bytes::{MISBEHAVIOUR_BYTES_MAX, MISBEHAVIOUR_VERSION};

use super::{ReceiptError, Rejection, TrustedState, TrustedStateError, Violation, about_state};
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use weir_protocol::codec::rlp::RlpError;
use weir_protocol::evidence::{Preimages, Receipt};
use weir_protocol::model::Identifier;
use weir_protocol::request::{Depth, Held, Question, Request, Selector, Topic, TreeRequest};

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
    WrongAnswer(Box<WrongAnswer>),
    /// It proves a block final beside another one of the same height.
    Conflict {
        /// URL of the server that proves the other block.
        other_server: String,
        /// Evidence of this server's block and of the other's, each from the checkpoint on.
        evidence: [Vec<u8>; 2],
    },
}

/// An answer that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongAnswer {
    /// What was asked.
    pub request: Request,
    /// The answer: evidence, or a proof about a snapshot tree.
    pub answer: Vec<u8>,
    /// The server's receipt, if it gave one.
    pub receipt: Option<Receipt>,
    /// What the client trusted when it asked.
    pub grounds: Grounds,
}

/// What a client trusted when it asked, beyond what its request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grounds {
    /// Nothing: the checkpoint, or the block that is named, was asked for by its ID. With the
    /// preimages that were held.
    Named(Preimages),
    /// Its trusted state, as [`TrustedState::to_bytes`] writes it: the word of whoever accuses.
    Word(Vec<u8>),
    /// The root of the snapshot tree: the word of whoever accuses.
    RootWord(Identifier),
    /// Proof of it, with the preimages that were held.
    Proof {
        /// A file of evidence from the checkpoint on: about the client's head, with the hops to its
        /// newest epoch; or about the whole state at the block whose tree was asked about.
        file: Vec<u8>,
        /// The preimages that were held.
        held: Preimages,
    },
}

/// What would prove an accusation: evidence from the checkpoint on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofWanted {
    /// The question of the evidence.
    pub question: Question,
    /// The newest epoch that its hops lead to; where `None`, as far as they have to.
    pub newest_epoch: Option<u64>,
}

/// What is wrong, as checked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Finding {
    /// The answer breaks a rule.
    BrokenRule {
        /// The rule.
        rule: Arc<Violation>,
        /// The ed25519 key of whoever signed that it gave this answer to this request.
        signed_by: Option<[u8; 32]>,
        /// Whether the answer is wrong by the checkpoint alone; else by what the accuser says it
        /// trusted.
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

impl Finding {
    /// Whether nothing of it is the word of whoever accuses.
    #[must_use]
    pub fn convicts(&self) -> bool {
        match self {
            Self::BrokenRule { signed_by, proved, .. } => signed_by.is_some() && *proved,
            Self::Conflict { .. } => true,
        }
    }
}

impl WrongAnswer {
    /// An answer to a client that trusted this when it asked.
    #[must_use]
    pub fn new(request: Request, answer: Vec<u8>, trusted: &TrustedState) -> Self {
        let grounds = match named(&request) {
            Some(held) => Grounds::Named(trusted.preimages().only(held)),
            None => Grounds::Word(trusted.to_bytes()),
        };
        Self { request, answer, receipt: None, grounds }
    }

    /// What was sent for a checkpoint, of which only the ID was trusted.
    #[must_use]
    pub fn about_checkpoint(checkpoint_id: Identifier, answer: Vec<u8>) -> Self {
        let request = Request::Checkpoint(checkpoint_id);
        Self { request, answer, receipt: None, grounds: Grounds::Named(Preimages::default()) }
    }

    /// A proof about the snapshot tree with this root.
    #[must_use]
    pub fn about_tree(request: TreeRequest, proof: Vec<u8>, root: Identifier) -> Self {
        let (request, grounds) = (Request::TreeProof(request), Grounds::RootWord(root));
        Self { request, answer: proof, receipt: None, grounds }
    }

    /// With the receipt that the server gave, if it gave one.
    #[must_use]
    pub fn with_receipt(self, receipt: Option<Receipt>) -> Self {
        Self { receipt, ..self }
    }

    /// What would prove it, where it is signed and not proved yet.
    #[must_use]
    pub fn proof_wanted(&self) -> Option<ProofWanted> {
        self.receipt.as_ref()?;
        match (&self.grounds, &self.request) {
            (Grounds::Named(_) | Grounds::Proof { .. }, _) => None,
            (_, Request::TreeProof(asked)) => {
                let question = about_state(asked.block);
                Some(ProofWanted { question, newest_epoch: None })
            }
            (_, request) => {
                let held = held(request)?;
                let block = Selector::Id(held.head_id?);
                let question = Question { block, topic: Topic::Snapshot };
                Some(ProofWanted { question, newest_epoch: Some(held.newest_epoch_counter) })
            }
        }
    }

    /// The same with such proof.
    #[must_use]
    pub fn with_proof(self, file: Vec<u8>) -> Self {
        let trusted = match &self.grounds {
            Grounds::Word(bytes) => TrustedState::from_bytes(bytes).ok(),
            _ => None,
        };
        let preimages = trusted
            .zip(held(&self.request))
            .map(|(trusted, held)| trusted.preimages().only(&held.preimage_ids));
        let grounds = Grounds::Proof { file, held: preimages.unwrap_or_default() };
        Self { grounds, ..self }
    }
}

/// What a request says that the client holds.
fn held(request: &Request) -> Option<&Held> {
    match request {
        Request::EpochHops(asked) => Some(&asked.held),
        Request::Answer(asked) => Some(&asked.held),
        Request::Checkpoint(_) | Request::TreeProof(_) => None,
    }
}

/// What is held, where the request names all that its answer is checked by.
fn named(request: &Request) -> Option<&BTreeSet<Identifier>> {
    match request {
        Request::Checkpoint(_) => Some(&NOTHING),
        Request::Answer(asked) if asked.depth == Depth::KnownBlock => {
            Some(&asked.held.preimage_ids)
        }
        _ => None,
    }
}

static NOTHING: BTreeSet<Identifier> = BTreeSet::new();

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
    /// What the client is said to have trusted is not what its request names.
    #[error("what the client is said to have trusted is not what its request names: {what}")]
    Grounds {
        /// What differs.
        what: &'static str,
    },
    /// The answer is right, or too little to tell.
    #[error("nothing is wrong with what the server said")]
    Nothing,
}
