//! Evidence: what a server sends so that nobody has to believe it.
//!
//! One versioned, deterministic format, the same on the wire and in a file; `docs/evidence.md`
//! describes it. This module knows the format only. Whether evidence proves anything is decided
//! by the client's verifier, never here.

mod block_proof;
mod delta;
mod held;
mod preimages;
mod question;
mod receipt;

pub use block_proof::{BlockProof, LastSealedProof, SealProof};
pub use delta::{Bundle, Delta, DeltaError, Piece};
pub use held::Held;
pub use preimages::Preimages;
pub use question::{IdentityFilter, Question, Selector, Topic};
pub use receipt::{RECEIPT_METADATA, RECEIPT_VERSION, Receipt, ReceiptRequest, Statement};

use crate::codec::rlp::{Decoder, Encoder, RlpError};
use alloc::vec::Vec;

/// Everything a server has to say about one question, or the part of it the client lacks.
///
/// A saved file has all parts and stands alone; an answer on the wire has only those asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The checkpoint block with its state; proved by its hash alone.
    pub checkpoint: Option<BlockProof>,
    /// One block an epoch, oldest first: its state commits the epoch after it.
    pub hops: Vec<Hop>,
    /// Whether the server has more hops after these; a hint, for nothing proves it.
    pub more_hops: bool,
    /// The question and the block that answers it.
    pub answer: Option<AnswerProof>,
    /// Preimages of the IDs mentioned in checkpoint and answer.
    pub bundle: Bundle,
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
}

impl Evidence {
    /// The evidence as bytes, the same for the same evidence.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.list(|e| {
            e.bytes(MAGIC.as_bytes());
            e.uint(EVIDENCE_VERSION);
            encode_option(e, self.checkpoint.as_ref(), |e, proof| proof.encode(e));
            e.list_of(&self.hops, |e, hop| {
                e.list(|e| {
                    hop.block.encode(e);
                    hop.bundle.encode(e);
                });
            });
            e.boolean(self.more_hops);
            encode_option(e, self.answer.as_ref(), |e, answer| answer.encode(e));
            self.bundle.encode(e);
        });
        encoder.finish()
    }

    /// Reads evidence.
    ///
    /// # Errors
    /// When the bytes are too many, of another format or version, or not exactly what
    /// [`Self::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EvidenceError> {
        if bytes.len() > EVIDENCE_BYTES_MAX {
            return Err(EvidenceError::TooLarge { found: bytes.len() });
        }
        let mut decoder = Decoder::new(bytes);
        let evidence = decoder.list(|d| {
            if d.text() != Ok(MAGIC) {
                return Ok(Err(EvidenceError::NotEvidence));
            }
            let version = d.uint()?;
            if version != EVIDENCE_VERSION {
                while !d.is_empty() {
                    d.raw()?;
                }
                return Ok(Err(EvidenceError::Version { found: version }));
            }
            Ok(Ok(Self {
                checkpoint: decode_option(d, BlockProof::decode)?,
                hops: limited(d.list_of(hop)?, HOPS_MAX, "number of epoch hops")?,
                more_hops: d.boolean()?,
                answer: decode_option(d, AnswerProof::decode)?,
                bundle: Bundle::decode(d)?,
            }))
        });
        let evidence = match evidence {
            Ok(evidence) => evidence?,
            Err(_) if !starts_like_evidence(bytes) => return Err(EvidenceError::NotEvidence),
            Err(error) => return Err(error.into()),
        };
        decoder.finish()?;
        Ok(evidence)
    }

    /// Adds the parts of `other` that this evidence lacks; hops are appended.
    pub fn merge(&mut self, other: Self) {
        self.checkpoint = other.checkpoint.or_else(|| self.checkpoint.take());
        self.hops.extend(other.hops);
        self.more_hops = other.more_hops;
        self.answer = other.answer.or_else(|| self.answer.take());
        self.bundle.extend(other.bundle);
    }
}

fn hop(decoder: &mut Decoder<'_>) -> Result<Hop, RlpError> {
    decoder.list(|d| Ok(Hop { block: BlockProof::decode(d)?, bundle: Bundle::decode(d)? }))
}

impl AnswerProof {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| {
            self.question.encode(e);
            self.block.encode(e);
            encode_option(e, self.seal.as_ref(), |e, seal| seal.encode(e));
            encode_option(e, self.last_sealed.as_ref(), |e, last_sealed| last_sealed.encode(e));
        });
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| {
            Ok(Self {
                question: Question::decode(d)?,
                block: BlockProof::decode(d)?,
                seal: decode_option(d, SealProof::decode)?,
                last_sealed: decode_option(d, LastSealedProof::decode)?,
            })
        })
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
    /// Malformed content.
    #[error("malformed evidence: {0}")]
    Malformed(#[from] RlpError),
}

fn starts_like_evidence(bytes: &[u8]) -> bool {
    let longest_list_header = 5;
    bytes
        .get(..longest_list_header + 1 + MAGIC.len())
        .unwrap_or(bytes)
        .windows(MAGIC.len())
        .any(|window| window == MAGIC.as_bytes())
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

fn limited<T>(items: Vec<T>, max: usize, field: &'static str) -> Result<Vec<T>, RlpError> {
    if items.len() > max { Err(RlpError::Invalid { field }) } else { Ok(items) }
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
/// Most node IDs in a filter.
pub const FILTER_IDS_MAX: usize = 1024;
/// Most IDs of held preimages in a request.
pub const HELD_IDS_MAX: usize = 1024;

const MAGIC: &str = "weir-evidence";
