//! The records in the store and their RLP.

use weir_protocol::codec::rlp::{Decoder, Encoder, RlpError};
use weir_protocol::model::Identifier;

/// The network a store follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainInfo {
    /// Network, such as `flow-mainnet`.
    pub chain_id: String,
    /// Spork the blocks belong to.
    pub spork_id: Identifier,
    /// Height of the spork's root block.
    pub spork_root_block_height: u64,
    /// View of the spork's root block.
    pub spork_root_block_view: u64,
}

/// A block, with its position in the order of ingestion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockRef {
    /// Position in the order of ingestion; the first block has 0.
    pub ordinal: u64,
    /// Block ID.
    pub id: Identifier,
    /// Height.
    pub height: u64,
    /// View.
    pub view: u64,
}

/// What the store holds as of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Network.
    pub chain: ChainInfo,
    /// Height of the first finalized block.
    pub first_height: u64,
    /// Number of blocks; the next one gets this ordinal.
    pub blocks: u64,
    /// Highest view of any block.
    pub highest_view: u64,
    /// Latest finalized block.
    pub finalized: BlockRef,
    /// Latest block sealed as of the finalized block.
    pub sealed: BlockRef,
    /// Where ingestion goes on after a restart.
    pub resume_ordinal: u64,
    /// Epoch of the latest finalized block.
    pub epoch_counter: u64,
    /// Epoch of the first block.
    pub first_epoch_counter: u64,
    /// Evidence of two certified blocks that conflict, if any were seen.
    pub conflicting: Option<Vec<u8>>,
}

/// Where an epoch begins, and where it can be left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochRecord {
    /// First finalized block of the epoch whose state has the next epoch committed.
    pub hop_ordinal: Option<u64>,
    /// First finalized block of the epoch.
    pub first_ordinal: u64,
}

impl Head {
    pub(super) fn to_rlp(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.list(|e| {
            e.list(|e| {
                e.bytes(self.chain.chain_id.as_bytes());
                e.bytes(&self.chain.spork_id.0);
                e.uint(self.chain.spork_root_block_height);
                e.uint(self.chain.spork_root_block_view);
            });
            e.uint(self.first_height);
            e.uint(self.blocks);
            e.uint(self.highest_view);
            put_block_ref(e, &self.finalized);
            put_block_ref(e, &self.sealed);
            e.uint(self.resume_ordinal);
            e.uint(self.epoch_counter);
            e.uint(self.first_epoch_counter);
            e.list(|e| self.conflicting.iter().for_each(|evidence| e.bytes(evidence)));
        });
        encoder.finish()
    }

    pub(super) fn from_rlp(rlp: &[u8]) -> Result<Self, RlpError> {
        whole(rlp, |d| {
            Ok(Self {
                chain: d.list(take_chain)?,
                first_height: d.uint()?,
                blocks: d.uint()?,
                highest_view: d.uint()?,
                finalized: take_block_ref(d)?,
                sealed: take_block_ref(d)?,
                resume_ordinal: d.uint()?,
                epoch_counter: d.uint()?,
                first_epoch_counter: d.uint()?,
                conflicting: d.list(|d| {
                    if d.is_empty() { Ok(None) } else { Ok(Some(d.bytes()?.to_vec())) }
                })?,
            })
        })
    }
}

impl EpochRecord {
    pub(super) fn to_rlp(self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.list(|e| {
            e.uint(self.first_ordinal);
            e.list(|e| self.hop_ordinal.iter().for_each(|ordinal| e.uint(*ordinal)));
        });
        encoder.finish()
    }

    pub(super) fn from_rlp(rlp: &[u8]) -> Result<Self, RlpError> {
        whole(rlp, |d| {
            Ok(Self {
                first_ordinal: d.uint()?,
                hop_ordinal: d.list(
                    |d| {
                        if d.is_empty() { Ok(None) } else { d.uint().map(Some) }
                    },
                )?,
            })
        })
    }
}

/// Reads one list that is all of `rlp`.
pub(super) fn whole<'a, T>(
    rlp: &'a [u8],
    content: impl FnOnce(&mut Decoder<'a>) -> Result<T, RlpError>,
) -> Result<T, RlpError> {
    let mut decoder = Decoder::own(rlp);
    let value = decoder.list(content)?;
    decoder.finish()?;
    Ok(value)
}

fn put_block_ref(encoder: &mut Encoder, block: &BlockRef) {
    encoder.list(|e| {
        e.uint(block.ordinal);
        e.bytes(&block.id.0);
        e.uint(block.height);
        e.uint(block.view);
    });
}

fn take_block_ref(decoder: &mut Decoder<'_>) -> Result<BlockRef, RlpError> {
    decoder.list(|d| {
        Ok(BlockRef { ordinal: d.uint()?, id: take_id(d)?, height: d.uint()?, view: d.uint()? })
    })
}

fn take_chain(decoder: &mut Decoder<'_>) -> Result<ChainInfo, RlpError> {
    Ok(ChainInfo {
        chain_id: decoder.text()?.to_owned(),
        spork_id: take_id(decoder)?,
        spork_root_block_height: decoder.uint()?,
        spork_root_block_view: decoder.uint()?,
    })
}

pub(super) fn take_id(decoder: &mut Decoder<'_>) -> Result<Identifier, RlpError> {
    decoder.array().map(Identifier)
}

/// Heights and IDs of blocks below the root.
pub(super) fn below_root_to_rlp(blocks: &[(u64, Identifier)]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.list_of(blocks, |e, (height, id)| {
        e.list(|e| {
            e.uint(*height);
            e.bytes(&id.0);
        });
    });
    encoder.finish()
}

/// What [`below_root_to_rlp`] wrote.
pub(super) fn below_root_from_rlp(rlp: &[u8]) -> Result<Vec<(u64, Identifier)>, RlpError> {
    let mut decoder = Decoder::own(rlp);
    let blocks = decoder.list_of(|d| d.list(|d| Ok((d.uint()?, take_id(d)?))))?;
    decoder.finish()?;
    Ok(blocks)
}
