//! Bytes of proofs: RLP, one encoding a proof.
//!
//! A proof is `[node types, [short path lengths], [sibling hashes]]`. A proof of absence is `[]`
//! for the empty tree, else those three, then the diverging short node's number of bits, its path
//! left-aligned, and its child's hash.

use super::KEY_BITS;
use super::bits::Path;
use super::hash::NodeHash;
use super::proof::{
    AbsenceProof, Divergence, Proof, ProofError, Step, check_depth, depth_of, interim_node_types,
    short_path_lengths, sibling_hashes,
};
use crate::codec::rlp::{Decoder, Encoder, RlpError};
use alloc::vec::Vec;

/// Most bytes an encoded proof has.
///
/// A full node takes 33 bytes and one bit, and there are at most 256; a short node takes at most
/// three bytes and a bit, and has a full node below it or ends the way. The rest is one path, one
/// hash and list headers.
pub const PROOF_LEN_MAX: usize = 10 * 1024;

impl Proof {
    /// The proof's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.list(|e| encode_steps(e, self.steps()));
        encoder.finish()
    }

    /// Reads a proof's bytes.
    ///
    /// # Errors
    /// When `bytes` are not exactly what [`Self::encode`] writes for some proof.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofError> {
        let mut decoder = open(bytes)?;
        let raw = decoder.list(RawSteps::take)?;
        decoder.finish()?;
        let steps = raw.check()?;
        check_depth(depth_of(&steps))?;
        Ok(Self::new(steps))
    }
}

impl AbsenceProof {
    /// The proof's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.list(|e| {
            if let Some((steps, divergence)) = self.parts() {
                encode_steps(e, steps);
                e.uint(u64::from(divergence.path.len()));
                e.bytes(divergence.path.as_bytes());
                e.bytes(&divergence.child);
            }
        });
        encoder.finish()
    }

    /// Reads a proof's bytes.
    ///
    /// # Errors
    /// When `bytes` are not exactly what [`Self::encode`] writes for some proof.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofError> {
        let mut decoder = open(bytes)?;
        let raw = decoder.list(|d| {
            if d.is_empty() {
                return Ok(None);
            }
            Ok(Some((RawSteps::take(d)?, d.uint()?, d.bytes()?, d.array::<32>()?)))
        })?;
        decoder.finish()?;
        let Some((raw, len, path, child)) = raw else {
            return Ok(Self::of_empty_tree());
        };
        let steps = raw.check()?;
        let path = check_path(&steps, len, path)?;
        Ok(Self::new(steps, Divergence { path, child }))
    }
}

fn open(bytes: &[u8]) -> Result<Decoder<'_>, ProofError> {
    if bytes.len() > PROOF_LEN_MAX {
        return Err(ProofError::TooLong { max: PROOF_LEN_MAX, found: bytes.len() });
    }
    Ok(Decoder::new(bytes))
}

fn encode_steps(encoder: &mut Encoder, steps: &[Step]) {
    encoder.bytes(&interim_node_types(steps));
    encoder.list_of(&short_path_lengths(steps), |e, len| e.uint(u64::from(*len)));
    encoder.list_of(&sibling_hashes(steps), |e, hash| e.bytes(hash));
}

/// Steps as they are written, not yet fitted together.
struct RawSteps<'a> {
    types: &'a [u8],
    lengths: Vec<u64>,
    siblings: Vec<NodeHash>,
}

impl<'a> RawSteps<'a> {
    fn take(decoder: &mut Decoder<'a>) -> Result<Self, RlpError> {
        Ok(Self {
            types: decoder.bytes()?,
            lengths: decoder.list_of(Decoder::uint)?,
            siblings: decoder.list_of(Decoder::array)?,
        })
    }

    /// The steps, if types, lengths and siblings fit and no short node follows another.
    fn check(self) -> Result<Vec<Step>, ProofError> {
        let (shorts, fulls) = (self.lengths.len(), self.siblings.len());
        let misfit = ProofError::NodeTypes { shorts, fulls };
        let count = shorts + fulls;
        let mut lengths = self.lengths.into_iter();
        let mut siblings = self.siblings.into_iter();
        let mut steps = Vec::with_capacity(count);
        for at in 0..count {
            let types = self.types.get(at / 8).ok_or(misfit.clone())?;
            let step = if types & (0x80 >> (at % 8)) == 0 {
                Step::Full { sibling: siblings.next().ok_or(misfit.clone())? }
            } else {
                let len = lengths.next().ok_or(misfit.clone())?;
                Step::Short { len: short_len(steps.last(), len)? }
            };
            steps.push(step);
        }
        // Compares the padding bits and the number of bytes too.
        if interim_node_types(&steps) != self.types {
            return Err(misfit);
        }
        Ok(steps)
    }
}

/// Checks a short node's bits: 1 to 256, and no short node right above.
fn short_len(above: Option<&Step>, len: u64) -> Result<u16, ProofError> {
    let below_short = matches!(above, Some(Step::Short { .. }));
    match u16::try_from(len) {
        Ok(bits) if (1..=KEY_BITS).contains(&bits) && !below_short => Ok(bits),
        _ => Err(ProofError::ShortNode { len }),
    }
}

fn check_path(steps: &[Step], len: u64, bytes: &[u8]) -> Result<Path, ProofError> {
    let bits = short_len(steps.last(), len)?;
    let depth = depth_of(steps) + u32::from(bits);
    if depth > u32::from(KEY_BITS) {
        return Err(ProofError::Depth { found: depth });
    }
    Path::from_bytes(bytes, bits).ok_or(ProofError::ShortNode { len })
}
