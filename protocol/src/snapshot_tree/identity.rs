//! Identities as leaves of the trees, and as a proof carries them.

use crate::codec::events::{put_key, take_key};
use crate::codec::rlp::{Decoder, Encoder, RlpError};
use crate::merkle::batch::{BatchError, Cursor};
use crate::merkle::hash::{self, NodeHash};
use crate::model::{Identifier, IdentitySkeleton, Role};
use crate::protocol_state::{Identity, ParticipationStatus};
use alloc::string::ToString;
use alloc::vec::Vec;

/// A node of the identity table, as the snapshot tree commits to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeIdentity {
    /// The node as its epoch's setup has it.
    pub skeleton: IdentitySkeleton,
    /// Its participation in the current epoch.
    pub status: ParticipationStatus,
}

impl From<&Identity<'_>> for NodeIdentity {
    fn from(identity: &Identity<'_>) -> Self {
        Self { skeleton: identity.skeleton.clone(), status: identity.status }
    }
}

impl NodeIdentity {
    pub(super) fn node_id(&self) -> &Identifier {
        &self.skeleton.node_id
    }

    /// The key in the tree by role: the role's number, then the node ID.
    pub(super) fn role_key(&self) -> [u8; 33] {
        let mut key = [0; 33];
        key[0] = self.skeleton.role.number();
        key[1..].copy_from_slice(&self.skeleton.node_id.0);
        key
    }

    /// The leaf's hash in one of the trees.
    pub(super) fn leaf(&self, tree: u8) -> NodeHash {
        let mut encoder = Encoder::new();
        self.encode(&mut encoder);
        hash::parts(hash::LEAF_KEY, &[&[tree], &encoder.finish()])
    }

    /// Appends the RLP, node ID first.
    pub(super) fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| {
            e.bytes(&self.skeleton.node_id.0);
            self.encode_rest(e);
        });
    }

    /// Appends the RLP without the node ID, which whoever reads it knows.
    pub(super) fn encode_keyed(&self, encoder: &mut Encoder) {
        encoder.list(|e| self.encode_rest(e));
    }

    fn encode_rest(&self, encoder: &mut Encoder) {
        let skeleton = &self.skeleton;
        encoder.bytes(skeleton.address.as_bytes());
        encoder.uint(skeleton.role.number().into());
        encoder.uint(skeleton.initial_weight);
        put_key(encoder, skeleton.staking_key.as_ref());
        put_key(encoder, skeleton.network_key.as_ref());
        encoder.uint(self.status.number().into());
    }

    /// Reads what [`Self::encode`] writes.
    pub(super) fn take(cursor: &mut Cursor<'_>) -> Result<Self, BatchError> {
        read(cursor, |d| {
            let node_id = Identifier(d.array()?);
            Self::decode_rest(node_id, d)
        })
    }

    /// Reads what [`Self::encode_keyed`] writes.
    pub(super) fn take_keyed(
        node_id: Identifier,
        cursor: &mut Cursor<'_>,
    ) -> Result<Self, BatchError> {
        read(cursor, |d| Self::decode_rest(node_id, d))
    }

    fn decode_rest(node_id: Identifier, decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        let invalid = |field| RlpError::Invalid { field };
        let skeleton = IdentitySkeleton {
            node_id,
            address: decoder.text()?.to_string(),
            role: Role::from_number(decoder.uint()?).ok_or(invalid("role"))?,
            initial_weight: decoder.uint()?,
            staking_key: take_key(decoder)?,
            network_key: take_key(decoder)?,
        };
        let status = ParticipationStatus::from_number(decoder.uint()?);
        Ok(Self { skeleton, status: status.ok_or(invalid("participation status"))? })
    }
}

/// Appends identities one after the other, node IDs included.
pub(super) fn push_all<'a>(identities: impl Iterator<Item = &'a NodeIdentity>, out: &mut Vec<u8>) {
    for identity in identities {
        let mut encoder = Encoder::new();
        identity.encode(&mut encoder);
        out.extend(encoder.finish());
    }
}

/// Reads `count` identities by ascending node ID, which may take as much memory as the bytes left
/// allow: no count is believed.
pub(super) fn take_all(
    cursor: &mut Cursor<'_>,
    count: u64,
) -> Result<Vec<NodeIdentity>, BatchError> {
    let left = cursor.len().saturating_add(cursor.len() / 2).saturating_add(MEMORY_SMALL);
    // Fewer than there should be are found out below.
    let items = cursor.items().min(usize::try_from(count).unwrap_or(usize::MAX));
    let needed = items.saturating_mul(size_of::<NodeIdentity>());
    if needed > left {
        return Err(RlpError::Memory { needed, left }.into());
    }
    let mut identities: Vec<NodeIdentity> = Vec::with_capacity(items);
    for _ in 0..count {
        let identity = NodeIdentity::take(cursor)?;
        if identities.last().is_some_and(|last| last.node_id() >= identity.node_id()) {
            return Err(RlpError::Invalid { field: "order of identities" }.into());
        }
        identities.push(identity);
    }
    Ok(identities)
}

fn read(
    cursor: &mut Cursor<'_>,
    content: impl FnOnce(&mut Decoder<'_>) -> Result<NodeIdentity, RlpError>,
) -> Result<NodeIdentity, BatchError> {
    Ok(Decoder::new(cursor.item()?).list(content)?)
}

/// Bytes of memory that a list of identities may take besides one and a half for each byte: 1 MiB. A
/// node takes 240, and with its keys as many bytes.
const MEMORY_SMALL: usize = 1 << 20;
