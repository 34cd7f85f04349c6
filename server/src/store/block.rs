//! A block in the log: the body of its record, and what is read back from it.

use std::sync::OnceLock;

use weir_protocol::codec::rlp::{Encoder, RlpError};
use weir_protocol::codec::{Entity, entity_id};
use weir_protocol::merkle;
use weir_protocol::model::{Header, Identifier, PayloadRoots};

use super::engine::Record;
use super::log::LoggedBlock;
use super::records::{take_id, whole};

/// A block to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockRecord {
    /// The header.
    pub header: Header,
    /// ID of the protocol state after the block, which is part of its payload.
    pub protocol_state_id: Identifier,
    /// The proposer's own signature; empty where the source has none.
    pub proposer_sig_data: Vec<u8>,
    /// Latest block sealed as of this block.
    pub last_sealed: SealedRef,
    /// Epoch of the block.
    pub epoch_counter: u64,
}

/// Where the latest sealed block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealedRef {
    /// In the store, at an ordinal.
    Stored(u64),
    /// Below the root, at a height; the root snapshot has it.
    BelowRoot(u64),
}

/// A block read from the store.
#[derive(Debug)]
pub struct StoredBlock {
    /// The header.
    pub header: Header,
    /// ID of the protocol state after the block.
    pub protocol_state_id: Identifier,
    /// The proposer's own signature; empty where the source has none.
    pub proposer_sig_data: Vec<u8>,
    /// Latest block sealed as of this block.
    pub last_sealed: SealedRef,
    /// Epoch of the block.
    pub epoch_counter: u64,
    id: Identifier,
    payload: Payload,
    roots: OnceLock<PayloadRoots>,
}

/// What the log still has of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Payload {
    Kept(Vec<u8>),
    /// Only the roots of its lists: guarantees, seals, receipts, results.
    Pruned([Identifier; 4]),
}

/// The body of a record, before anything of the index is added.
#[derive(Debug)]
pub(super) struct Body {
    header: Header,
    protocol_state_id: Identifier,
    proposer_sig_data: Vec<u8>,
    payload: Payload,
}

impl StoredBlock {
    /// The block of a record whose ID is `id`, with what the index knows of it.
    pub(super) fn new(
        id: Identifier,
        body: Body,
        last_sealed: SealedRef,
        epoch_counter: u64,
    ) -> Self {
        let Body { header, protocol_state_id, proposer_sig_data, payload } = body;
        let roots = OnceLock::new();
        Self {
            header,
            protocol_state_id,
            proposer_sig_data,
            last_sealed,
            epoch_counter,
            id,
            payload,
            roots,
        }
    }

    /// The block ID.
    #[must_use]
    pub fn id(&self) -> Identifier {
        self.id
    }

    /// The payload; `None` when it was pruned.
    #[must_use]
    pub fn payload(&self) -> Option<&[u8]> {
        match &self.payload {
            Payload::Kept(bytes) => Some(bytes),
            Payload::Pruned(_) => None,
        }
    }

    /// What the payload hash is made of, hashed once.
    ///
    /// # Errors
    /// When the payload is none, which its hash would have shown before it was stored.
    pub fn roots(&self) -> Result<PayloadRoots, RlpError> {
        if let Some(roots) = self.roots.get() {
            return Ok(*roots);
        }
        let lists = match &self.payload {
            Payload::Kept(bytes) => list_roots(bytes)?,
            Payload::Pruned(roots) => *roots,
        };
        Ok(*self.roots.get_or_init(|| with_lists(lists, self.protocol_state_id)))
    }

    /// The block as it was given to the store.
    #[must_use]
    pub fn record(&self) -> BlockRecord {
        BlockRecord {
            header: self.header.clone(),
            protocol_state_id: self.protocol_state_id,
            proposer_sig_data: self.proposer_sig_data.clone(),
            last_sealed: self.last_sealed,
            epoch_counter: self.epoch_counter,
        }
    }

    /// Bytes in memory, about.
    pub(super) fn bytes(&self) -> u64 {
        let payload = self.payload().map_or(0, <[u8]>::len);
        let signatures = self.proposer_sig_data.len() + self.header.parent_voter_sig_data.len();
        (size_of::<Self>() + payload + signatures) as u64
    }
}

impl Body {
    /// The body of a record: `[header, protocol state ID, proposer's signature, payload]`.
    ///
    /// The header's parent ID is zeros, which take no space: the record itself has it.
    pub(super) fn encode(
        header: &Header,
        protocol_state_id: &Identifier,
        proposer_sig_data: &[u8],
        payload: &[u8],
    ) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.list(|e| {
            e.raw(&without_parent(header));
            e.bytes(&protocol_state_id.0);
            e.bytes(proposer_sig_data);
            e.bytes(payload);
        });
        encoder.finish()
    }

    /// The record of a block with such a body.
    pub(super) fn record(
        header: &Header,
        protocol_state_id: &Identifier,
        proposer_sig_data: &[u8],
        payload: &[u8],
    ) -> Record {
        let body = Self::encode(header, protocol_state_id, proposer_sig_data, payload);
        Record { id: header.id().0, parent: header.parent_id.0, body }
    }

    /// Reads what [`Self::encode`] wrote, or what pruning made of it: four roots as a list in the
    /// payload's place.
    pub(super) fn decode(body: &[u8], parent: &[u8; 32]) -> Result<Self, RlpError> {
        whole(body, |d| {
            Ok(Self {
                header: Header { parent_id: Identifier(*parent), ..Header::decode(d)? },
                protocol_state_id: take_id(d)?,
                proposer_sig_data: d.bytes()?.to_vec(),
                payload: if d.next_is_list() {
                    Payload::Pruned(
                        d.list(|d| Ok([take_id(d)?, take_id(d)?, take_id(d)?, take_id(d)?]))?,
                    )
                } else {
                    Payload::Kept(d.bytes()?.to_vec())
                },
            })
        })
    }

    /// The body without its payload, of which the roots stay; `None` when it has none any more.
    pub(super) fn pruned(body: &[u8], parent: &[u8; 32]) -> Result<Option<Vec<u8>>, RlpError> {
        let Self { header, protocol_state_id, proposer_sig_data, payload } =
            Self::decode(body, parent)?;
        let Payload::Kept(payload) = payload else { return Ok(None) };
        let roots = list_roots(&payload)?;
        let mut encoder = Encoder::new();
        encoder.list(|e| {
            e.raw(&without_parent(&header));
            e.bytes(&protocol_state_id.0);
            e.bytes(&proposer_sig_data);
            e.list(|e| roots.iter().for_each(|root| e.bytes(&root.0)));
        });
        Ok(Some(encoder.finish()))
    }

    pub(super) fn into_logged(self, id: Identifier) -> LoggedBlock {
        let Self { header, protocol_state_id, proposer_sig_data, payload } = self;
        let payload = match payload {
            Payload::Kept(bytes) => Some(bytes),
            Payload::Pruned(_) => None,
        };
        LoggedBlock { id, header, protocol_state_id, proposer_sig_data, payload }
    }
}

fn without_parent(header: &Header) -> Vec<u8> {
    Header { parent_id: Identifier::ZERO, ..header.clone() }.to_rlp()
}

/// The Merkle roots of a payload's lists; an entity's ID is the hash of its RLP.
fn list_roots(payload: &[u8]) -> Result<[Identifier; 4], RlpError> {
    whole(payload, |d| {
        let mut root = || -> Result<Identifier, RlpError> {
            Ok(merkle::root(&d.list_of(|d| d.raw().map(entity_id))?))
        };
        let roots = [root()?, root()?, root()?, root()?];
        d.raw()?;
        Ok(roots)
    })
}

fn with_lists(
    [guarantees_root, seals_root, receipts_root, results_root]: [Identifier; 4],
    protocol_state_id: Identifier,
) -> PayloadRoots {
    PayloadRoots { guarantees_root, seals_root, receipts_root, results_root, protocol_state_id }
}

/// What the payload hash is made of: the roots of an encoded payload's lists, and the state.
///
/// # Errors
/// When the bytes are no payload.
pub fn payload_roots(
    payload: &[u8],
    protocol_state_id: Identifier,
) -> Result<PayloadRoots, RlpError> {
    Ok(with_lists(list_roots(payload)?, protocol_state_id))
}
