//! Checkpoints of the log: what the index is made from where a segment begins.

use weir_protocol::codec::rlp::{Decoder, Encoder, RlpError};
use weir_protocol::model::Identifier;

use super::block::SealedRef;
use super::records::{EpochRecord, Head, below_root_from_rlp, below_root_to_rlp, whole};

/// What the log says before a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Checkpoint {
    /// Before the first: the root snapshot, as the source gave it.
    Root(Vec<u8>),
    /// Before any later one.
    Later(Box<Index>),
    /// Where an index can begin although blocks or payloads before it are gone.
    Begin(Begin),
}

/// A block to begin an index with, as if it were the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Begin {
    /// The block's ordinal: at the checkpoint or soon after it. All blocks behind descend from it.
    pub(super) ordinal: u64,
    /// Its height.
    pub(super) height: u64,
    /// The protocol state snapshot at it, as JSON.
    pub(super) json: Vec<u8>,
}

/// What an index has to know to go on behind the blocks of a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index {
    /// The head.
    pub(super) head: Head,
    /// What is known of the blocks from the head's resume ordinal on.
    pub(super) blocks: Vec<(SealedRef, u64)>,
    /// All epochs, by counter.
    pub(super) epochs: Vec<(u64, EpochRecord)>,
    /// RLP of the states of those blocks, and of what they name.
    pub(super) preimages: Vec<Vec<u8>>,
    /// Heights and IDs of blocks below the root.
    pub(super) below_root: Vec<(u64, Identifier)>,
}

impl Checkpoint {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.list(|e| match self {
            Self::Root(json) => {
                e.uint(ROOT);
                e.bytes(json);
            }
            Self::Later(index) => {
                e.uint(LATER);
                index.put(e);
            }
            Self::Begin(begin) => {
                e.uint(BEGIN);
                e.uint(begin.ordinal);
                e.uint(begin.height);
                e.bytes(&begin.json);
            }
        });
        encoder.finish()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, RlpError> {
        whole(bytes, |d| match d.uint()? {
            ROOT => Ok(Self::Root(d.bytes()?.to_vec())),
            BEGIN => {
                let (ordinal, height, json) = (d.uint()?, d.uint()?, d.bytes()?.to_vec());
                Ok(Self::Begin(Begin { ordinal, height, json }))
            }
            _ => Ok(Self::Later(Box::new(Index::take(d)?))),
        })
    }
}

impl Index {
    fn put(&self, encoder: &mut Encoder) {
        encoder.raw(&self.head.to_rlp());
        encoder.list_of(&self.blocks, |e, (sealed, epoch)| {
            e.list(|e| {
                let (kind, number) = match sealed {
                    SealedRef::Stored(ordinal) => (STORED, *ordinal),
                    SealedRef::BelowRoot(height) => (BELOW_ROOT, *height),
                };
                e.uint(kind);
                e.uint(number);
                e.uint(*epoch);
            });
        });
        encoder.list_of(&self.epochs, |e, (counter, epoch)| {
            e.list(|e| {
                e.uint(*counter);
                e.raw(&epoch.to_rlp());
            });
        });
        encoder.list_of(&self.preimages, |e, preimage| e.bytes(preimage));
        encoder.raw(&below_root_to_rlp(&self.below_root));
    }

    fn take(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        Ok(Self {
            head: Head::from_rlp(decoder.raw()?)?,
            blocks: decoder.list_of(|d| {
                d.list(|d| {
                    let (kind, number) = (d.uint()?, d.uint()?);
                    let sealed = match kind {
                        STORED => SealedRef::Stored(number),
                        _ => SealedRef::BelowRoot(number),
                    };
                    Ok((sealed, d.uint()?))
                })
            })?,
            epochs: decoder
                .list_of(|d| d.list(|d| Ok((d.uint()?, EpochRecord::from_rlp(d.raw()?)?))))?,
            preimages: decoder.list_of(|d| Ok(d.bytes()?.to_vec()))?,
            below_root: below_root_from_rlp(decoder.raw()?)?,
        })
    }
}

const ROOT: u64 = 1;
const LATER: u64 = 2;
const BEGIN: u64 = 3;
const STORED: u64 = 1;
const BELOW_ROOT: u64 = 2;
