//! Evidence: what a server sends so that nobody has to believe it.
//!
//! One versioned, deterministic format, the same on the wire and in a file; `docs/evidence.md`
//! describes it. This module knows the format only. Whether evidence proves anything is decided
//! by the client's verifier, never here.

mod block_proof;
mod delta;
mod parts;
mod preimages;
mod receipt;

pub use block_proof::{BlockProof, LastSealedProof, SealProof};
pub use delta::{Bundle, Delta, DeltaError, Piece};
pub use preimages::Preimages;
pub use receipt::{RECEIPT_METADATA, RECEIPT_VERSION, Receipt, Statement};

use crate::codec::rlp::{Decoder, Encoder, RlpError};
use crate::request::Question;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// What a server sends back to one request, or what a client saved of several answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// For a checkpoint.
    Checkpoint(Box<CheckpointProof>),
    /// A page of epoch hops.
    Hops(HopsPage),
    /// For the answer to a question.
    Answer(Box<AnswerProof>),
    /// All of them in one, which stands alone.
    File(Box<EvidenceFile>),
}

/// The checkpoint block with its state; proved by its hash alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointProof {
    /// The block, with neither descendants nor certificate.
    pub block: BlockProof,
    /// Preimages of the IDs that its state mentions.
    pub bundle: Bundle,
}

/// Steps along the epochs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HopsPage {
    /// One block an epoch, oldest first: its state commits the epoch after it.
    pub hops: Vec<Hop>,
    /// Whether the server has more hops after these; a hint, for nothing proves it.
    pub more: bool,
}

/// One step along the epochs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// A final block whose state commits the next epoch.
    pub block: BlockProof,
    /// Preimages of the IDs its state mentions; deltas may build on those of the hop before.
    pub bundle: Bundle,
}

/// A question and the proof of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerProof {
    /// The question as it was asked.
    pub question: Question,
    /// The block the answer is about.
    pub block: BlockProof,
    /// Proof that the block is sealed.
    pub seal: Option<SealProof>,
    /// Proof of the newest block sealed as of the block.
    pub last_sealed: Option<LastSealedProof>,
    /// Preimages of the IDs that all this mentions.
    pub bundle: Bundle,
}

/// Checkpoint, hops and answer in one: all that shows the answer to whoever trusts the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceFile {
    /// The checkpoint block; its preimages are in the answer's bundle.
    pub checkpoint: BlockProof,
    /// Hops from the checkpoint's epoch on.
    pub hops: Vec<Hop>,
    /// The answer, with a bundle for it and for the checkpoint.
    pub answer: AnswerProof,
}

impl Evidence {
    /// Reads evidence.
    ///
    /// # Errors
    /// When the bytes are too many, of another format or version, or not exactly what is written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EvidenceError> {
        parts::read(bytes)
    }

    /// The evidence as bytes, the same for the same evidence.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Checkpoint(proof) => proof.to_bytes(),
            Self::Hops(page) => page.to_bytes(),
            Self::Answer(proof) => proof.to_bytes(),
            Self::File(file) => file.to_bytes(),
        }
    }

    /// What it is, in words.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Checkpoint(_) => "a checkpoint",
            Self::Hops(_) => "epoch hops",
            Self::Answer(_) => "an answer",
            Self::File(_) => "a file of checkpoint, hops and answer",
        }
    }

    fn another(&self, expected: &'static str) -> EvidenceError {
        EvidenceError::Another { expected, found: self.name() }
    }
}

impl CheckpointProof {
    /// Reads evidence for a checkpoint.
    ///
    /// # Errors
    /// As [`Evidence::from_bytes`], and when it is something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EvidenceError> {
        match Evidence::from_bytes(bytes)? {
            Evidence::Checkpoint(proof) => Ok(*proof),
            other => Err(other.another("a checkpoint")),
        }
    }

    /// The evidence as bytes, the same for the same evidence.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        parts::write(Some(&self.block), &HopsPage::default(), None, &self.bundle)
    }
}

impl HopsPage {
    /// Reads a page of hops.
    ///
    /// # Errors
    /// As [`Evidence::from_bytes`], and when it is something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EvidenceError> {
        match Evidence::from_bytes(bytes)? {
            Evidence::Hops(page) => Ok(page),
            other => Err(other.another("epoch hops")),
        }
    }

    /// The evidence as bytes, the same for the same evidence.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        parts::write(None, self, None, &Bundle::default())
    }
}

impl AnswerProof {
    /// Reads evidence for an answer.
    ///
    /// # Errors
    /// As [`Evidence::from_bytes`], and when it is something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EvidenceError> {
        match Evidence::from_bytes(bytes)? {
            Evidence::Answer(proof) => Ok(*proof),
            other => Err(other.another("an answer")),
        }
    }

    /// The evidence as bytes, the same for the same evidence.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        parts::write(None, &HopsPage::default(), Some(self), &self.bundle)
    }
}

impl EvidenceFile {
    /// Puts together what came from a checkpoint on. The bundle is opened before the hops, so in the
    /// answer's nothing may be a delta against what only the hops bring.
    #[must_use]
    pub fn new(checkpoint: CheckpointProof, hops: Vec<Hop>, answer: AnswerProof) -> Self {
        let CheckpointProof { block, mut bundle } = checkpoint;
        bundle.extend(answer.bundle);
        Self { checkpoint: block, hops, answer: AnswerProof { bundle, ..answer } }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As [`Evidence::from_bytes`], and when it is something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EvidenceError> {
        match Evidence::from_bytes(bytes)? {
            Evidence::File(file) => Ok(*file),
            other => Err(other.another("a file of checkpoint, hops and answer")),
        }
    }

    /// The evidence as bytes, the same for the same evidence.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let hops = HopsPage { hops: self.hops.clone(), more: false };
        parts::write(Some(&self.checkpoint), &hops, Some(&self.answer), &self.answer.bundle)
    }
}

/// Why bytes are not evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// More bytes than evidence may have.
    #[error("evidence has at most {EVIDENCE_BYTES_MAX} bytes, found {found}")]
    TooLarge {
        /// Bytes found.
        found: usize,
    },
    /// Something else altogether.
    #[error("these bytes are not weir evidence")]
    NotEvidence,
    /// A version this build cannot read.
    #[error("evidence version {EVIDENCE_VERSION} is supported, found version {found}")]
    Version {
        /// Version found.
        found: u64,
    },
    /// Another kind of evidence than the request is answered with.
    #[error("expected {expected}, found {found}")]
    Another {
        /// What is expected.
        expected: &'static str,
        /// What was found.
        found: &'static str,
    },
    /// Malformed content.
    #[error("malformed evidence: {0}")]
    Malformed(#[from] RlpError),
}

fn encode_option<T>(
    encoder: &mut Encoder,
    value: Option<&T>,
    encode: impl FnOnce(&mut Encoder, &T),
) {
    match value {
        Some(value) => encode(encoder, value),
        None => encoder.list(|_| ()),
    }
}

fn decode_option<'a, T>(
    decoder: &mut Decoder<'a>,
    decode: impl FnOnce(&mut Decoder<'a>) -> Result<T, RlpError>,
) -> Result<Option<T>, RlpError> {
    if decoder.next_is_empty_list() {
        return decoder.list(|_| Ok(None));
    }
    decode(decoder).map(Some)
}

/// Version of the format that this build writes and reads.
pub const EVIDENCE_VERSION: u64 = 2;
/// Most bytes evidence may have: 64 MiB, some four hundred hops of a large network.
pub const EVIDENCE_BYTES_MAX: usize = 64 << 20;
/// Most epoch hops in one piece of evidence.
pub const HOPS_MAX: usize = 4096;
/// Most headers in a chain of descendants or ancestors.
pub const HEADERS_MAX: usize = 8192;
/// Most preimages.
pub const PREIMAGES_MAX: usize = 16_384;
/// Most deltas in one bundle.
pub const DELTAS_MAX: usize = 1024;
/// Most bytes that the preimages of one bundle have together: 64 MiB.
pub const BUNDLE_BYTES_MAX: usize = 64 << 20;
/// Most seals of one block's payload.
pub const SEALS_MAX: usize = 1024;
