//! Proofs about blocks: what a header commits to, what certifies it, what seals it.

use super::{HEADERS_MAX, SEALS_MAX, decode_option, encode_option};
use crate::codec::Entity;
use crate::codec::rlp::{Decoder, Encoder, RlpError};
use crate::merkle::Proof;
use crate::model::{Header, Identifier, PayloadRoots, QuorumCertificate, Seal};
use alloc::vec::Vec;

/// A header, what its payload hash stands for, and how it is anchored.
///
/// The last header of `block, descendants…` is anchored either by `qc`, or by being a block the
/// client already trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockProof {
    /// Header of the block.
    pub header: Header,
    /// The parts of its payload hash; absent where only the header matters.
    pub roots: Option<PayloadRoots>,
    /// Its child, the child's child, and so on.
    pub descendants: Vec<Header>,
    /// Certificate of the last descendant, or of the block itself without descendants.
    pub qc: Option<QuorumCertificate>,
}

/// Proof that a block is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealProof {
    /// The block whose payload holds the seal.
    pub block: BlockProof,
    /// The seal.
    pub seal: Seal,
    /// Position of the seal in the payload.
    pub index: u64,
    /// Merkle proof of the seal's ID at that position under the payload's seals root.
    pub proof: Proof,
}

/// Proof of the newest block sealed as of some block, on its fork.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastSealedProof {
    /// Parent, grandparent and so on, up to the newest ancestor with seals; empty when the block
    /// itself has seals.
    pub ancestors: Vec<(Header, PayloadRoots)>,
    /// All seals of that ancestor, in payload order.
    pub seals: Vec<Seal>,
    /// Headers of the blocks they seal, in the same order.
    pub sealed_headers: Vec<Header>,
}

impl BlockProof {
    pub(super) fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| {
            self.header.encode(e);
            encode_option(e, self.roots.as_ref(), encode_roots);
            e.list_of(&self.descendants, |e, header| header.encode(e));
            encode_option(e, self.qc.as_ref(), |e, qc| qc.encode(e));
        });
    }

    pub(super) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| {
            Ok(Self {
                header: Header::decode(d)?,
                roots: decode_option(d, decode_roots)?,
                descendants: d.list_of_at_most(
                    HEADERS_MAX,
                    "number of descendants",
                    Header::decode,
                )?,
                qc: decode_option(d, QuorumCertificate::decode)?,
            })
        })
    }
}

impl SealProof {
    pub(super) fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| {
            self.block.encode(e);
            self.seal.encode(e);
            e.uint(self.index);
            e.bytes(&self.proof.encode());
        });
    }

    pub(super) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| {
            Ok(Self {
                block: BlockProof::decode(d)?,
                seal: Seal::decode(d)?,
                index: d.uint()?,
                proof: Proof::decode(d.bytes()?)
                    .map_err(|_| RlpError::Invalid { field: "merkle proof" })?,
            })
        })
    }
}

impl LastSealedProof {
    pub(super) fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| {
            e.list_of(&self.ancestors, |e, (header, roots)| {
                e.list(|e| {
                    header.encode(e);
                    encode_roots(e, roots);
                });
            });
            e.list_of(&self.seals, |e, seal| seal.encode(e));
            e.list_of(&self.sealed_headers, |e, header| header.encode(e));
        });
    }

    pub(super) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| {
            Ok(Self {
                ancestors: d.list_of_at_most(HEADERS_MAX, "number of ancestors", |d| {
                    d.list(|d| Ok((Header::decode(d)?, decode_roots(d)?)))
                })?,
                seals: d.list_of_at_most(SEALS_MAX, "number of seals", Seal::decode)?,
                sealed_headers: d.list_of_at_most(
                    SEALS_MAX,
                    "number of sealed headers",
                    Header::decode,
                )?,
            })
        })
    }
}

fn encode_roots(encoder: &mut Encoder, roots: &PayloadRoots) {
    let ids = [
        roots.guarantees_root,
        roots.seals_root,
        roots.receipts_root,
        roots.results_root,
        roots.protocol_state_id,
    ];
    encoder.list_of(&ids, |e, id| e.bytes(&id.0));
}

fn decode_roots(decoder: &mut Decoder<'_>) -> Result<PayloadRoots, RlpError> {
    decoder.list(|d| {
        Ok(PayloadRoots {
            guarantees_root: Identifier(d.array()?),
            seals_root: Identifier(d.array()?),
            receipts_root: Identifier(d.array()?),
            results_root: Identifier(d.array()?),
            protocol_state_id: Identifier(d.array()?),
        })
    })
}
