//! From the roots of the three trees to the common root.
//!
//! ```text
//! root = H16("flow-snapshot-tree" ‖ version, 1 byte ‖ root by ID ‖ rest)
//! rest = H17(nodes of each role, 5 × 8 bytes, big-endian ‖ root by role ‖ root of the fields)
//! ```
//!
//! Hk is BLAKE2b-256 under the one-byte key k, as in the trees, whose nodes have the keys 0 to 2.
//! Two levels, so that a proof about a node ID needs one hash of what it is not about.

use super::TREE_VERSION;
use crate::codec::rlp::{Decoder, Encoder};
use crate::merkle::batch::{BatchError, Cursor};
use crate::merkle::hash::{self, NodeHash};
use crate::model::{Identifier, Role};
use alloc::vec::Vec;

/// Number of nodes of each role in an identity table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoleCounts([u64; 5]);

impl RoleCounts {
    /// Counts roles.
    pub(super) fn count(roles: impl Iterator<Item = Role>) -> Self {
        let mut counts = Self::default();
        for role in roles {
            counts.0[index(role)] += 1;
        }
        counts
    }

    /// Nodes of a role.
    #[must_use]
    pub fn of(&self, role: Role) -> u64 {
        self.0[index(role)]
    }

    /// Nodes of all roles; [`u64::MAX`] if they are more.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |total, count| total.saturating_add(*count))
    }

    /// Appends five RLP integers.
    pub(super) fn push(&self, out: &mut Vec<u8>) {
        self.0.iter().for_each(|count| push_uint(*count, out));
    }

    /// Reads what [`Self::push`] writes.
    pub(super) fn take(cursor: &mut Cursor<'_>) -> Result<Self, BatchError> {
        let mut counts = [0; 5];
        for count in &mut counts {
            *count = take_uint(cursor)?;
        }
        Ok(Self(counts))
    }
}

/// What is bound into the root besides the tree by ID.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest {
    pub(super) counts: RoleCounts,
    pub(super) by_role: NodeHash,
    pub(super) fields: NodeHash,
}

impl Rest {
    pub(super) fn hash(&self) -> NodeHash {
        let [a, b, c, d, e] = self.counts.0.map(u64::to_be_bytes);
        hash::parts(REST_KEY, &[&a, &b, &c, &d, &e, &self.by_role, &self.fields])
    }
}

/// The common root.
pub(super) fn root(by_id: &NodeHash, rest: &NodeHash) -> Identifier {
    Identifier(hash::parts(ROOT_KEY, &[DOMAIN, &[TREE_VERSION], by_id, rest]))
}

pub(super) fn push_uint(number: u64, out: &mut Vec<u8>) {
    let mut encoder = Encoder::new();
    encoder.uint(number);
    out.extend(encoder.finish());
}

pub(super) fn take_uint(cursor: &mut Cursor<'_>) -> Result<u64, BatchError> {
    Ok(Decoder::new(cursor.item()?).uint()?)
}

fn index(role: Role) -> usize {
    usize::from(role.number() - 1)
}

/// First byte of a leaf's value in the tree by node ID.
pub(super) const BY_ID: u8 = 1;
/// First byte of a leaf's value in the tree by role.
pub(super) const BY_ROLE: u8 = 2;
/// First byte of a leaf's value in the tree of fields.
pub(super) const FIELDS: u8 = 3;

const DOMAIN: &[u8] = b"flow-snapshot-tree";
const ROOT_KEY: u8 = 16;
const REST_KEY: u8 = 17;
