//! The parts of evidence as one RLP list, whatever it is evidence of.

use super::{
    AnswerProof, BlockProof, Bundle, CheckpointProof, EVIDENCE_BYTES_MAX, EVIDENCE_VERSION,
    Evidence, EvidenceError, EvidenceFile, HOPS_MAX, Hop, HopsPage, LastSealedProof, SealProof,
    decode_option, encode_option,
};
use crate::codec::rlp::{Decoder, Encoder, RlpError};
use crate::request::Question;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Writes evidence of these parts.
pub(super) fn write(
    checkpoint: Option<&BlockProof>,
    page: &HopsPage,
    answer: Option<&AnswerProof>,
    bundle: &Bundle,
) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.list(|e| {
        e.bytes(MAGIC.as_bytes());
        e.uint(EVIDENCE_VERSION);
        encode_option(e, checkpoint, |e, proof| proof.encode(e));
        e.list_of(&page.hops, |e, hop| {
            e.list(|e| {
                hop.block.encode(e);
                hop.bundle.encode(e);
            });
        });
        e.boolean(page.more);
        encode_option(e, answer, encode_answer);
        bundle.encode(e);
    });
    encoder.finish()
}

/// Reads evidence of any kind.
pub(super) fn read(bytes: &[u8]) -> Result<Evidence, EvidenceError> {
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
        parts(d).map(Ok)
    });
    let evidence = match evidence {
        Ok(evidence) => evidence?,
        Err(_) if !starts_like_evidence(bytes) => return Err(EvidenceError::NotEvidence),
        Err(error) => return Err(error.into()),
    };
    decoder.finish()?;
    Ok(evidence)
}

/// Reads the parts: one kind of evidence has neither more of them nor fewer.
fn parts(decoder: &mut Decoder<'_>) -> Result<Evidence, RlpError> {
    let checkpoint = decode_option(decoder, BlockProof::decode)?;
    let hops = decoder.list_of_at_most(HOPS_MAX, "number of epoch hops", hop)?;
    let more = decoder.boolean()?;
    let answer = decode_option(decoder, decode_answer)?;
    let bundle = Bundle::decode(decoder)?;
    let is_bare = |proof: &BlockProof| proof.descendants.is_empty() && proof.qc.is_none();
    match (checkpoint, answer) {
        (Some(block), None) if hops.is_empty() && !more && is_bare(&block) => {
            Ok(Evidence::Checkpoint(Box::new(CheckpointProof { block, bundle })))
        }
        (None, None) if bundle.is_empty() && (!more || !hops.is_empty()) => {
            Ok(Evidence::Hops(HopsPage { hops, more }))
        }
        (None, Some(answer)) if hops.is_empty() && !more => {
            Ok(Evidence::Answer(Box::new(AnswerProof { bundle, ..answer })))
        }
        (Some(checkpoint), Some(answer)) if !more && is_bare(&checkpoint) => {
            let answer = AnswerProof { bundle, ..answer };
            Ok(Evidence::File(Box::new(EvidenceFile { checkpoint, hops, answer })))
        }
        _ => Err(RlpError::Invalid { field: "set of parts" }),
    }
}

fn hop(decoder: &mut Decoder<'_>) -> Result<Hop, RlpError> {
    decoder.list(|d| Ok(Hop { block: BlockProof::decode(d)?, bundle: Bundle::decode(d)? }))
}

fn encode_answer(encoder: &mut Encoder, answer: &AnswerProof) {
    encoder.list(|e| {
        answer.question.encode(e);
        answer.block.encode(e);
        encode_option(e, answer.seal.as_ref(), |e, seal| seal.encode(e));
        encode_option(e, answer.last_sealed.as_ref(), |e, last_sealed| last_sealed.encode(e));
    });
}

/// Reads an answer; its bundle stands beside it.
fn decode_answer(decoder: &mut Decoder<'_>) -> Result<AnswerProof, RlpError> {
    decoder.list(|d| {
        Ok(AnswerProof {
            question: Question::decode(d)?,
            block: BlockProof::decode(d)?,
            seal: decode_option(d, SealProof::decode)?,
            last_sealed: decode_option(d, LastSealedProof::decode)?,
            bundle: Bundle::default(),
        })
    })
}

fn starts_like_evidence(bytes: &[u8]) -> bool {
    let longest_list_header = 5;
    bytes
        .get(..longest_list_header + 1 + MAGIC.len())
        .unwrap_or(bytes)
        .windows(MAGIC.len())
        .any(|window| window == MAGIC.as_bytes())
}

const MAGIC: &str = "weir-evidence";
