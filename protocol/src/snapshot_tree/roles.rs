//! The tree by role: lists of whole roles, and the hashes around them.
//!
//! The numbers of nodes, which the root covers, say which roles have any; that fixes the tree down
//! to where each role begins. So a role's list comes as its identities, every other role as one
//! hash, or several neighbours as one, and nothing else.

use super::identity::{push_all, take_all};
use super::root::BY_ROLE;
use super::{NodeIdentity, RoleCounts, TreeError};
use crate::merkle::EMPTY_ROOT;
use crate::merkle::batch::Cursor;
use crate::merkle::bits::{Path, bit, common_prefix};
use crate::merkle::hash::{self, NodeHash};
use crate::merkle::tree::{Entry, Node, Nodes, over_path, subtree_hash};
use crate::model::Role;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// Lists of identities by role.
pub(super) type RoleLists = BTreeMap<Role, Vec<NodeIdentity>>;

/// Leaves of the tree by role, over identities of one role or all, in canonical order.
pub(super) fn entries<'a>(
    identities: impl Iterator<Item = &'a NodeIdentity>,
) -> Vec<Entry<ROLE_KEY_LEN>> {
    let mut entries: Vec<_> = identities
        .map(|identity| Entry { key: identity.role_key(), leaf: identity.leaf(BY_ROLE) })
        .collect();
    entries.sort_unstable_by_key(|entry| entry.key);
    entries
}

/// The roles that have nodes, by number.
pub(super) fn present(counts: &RoleCounts) -> Vec<Role> {
    Role::ALL.into_iter().filter(|role| counts.of(*role) > 0).collect()
}

/// Writes the lists of `wanted` roles and the hashes around them.
pub(super) struct Prover<'a> {
    pub(super) nodes: &'a Nodes,
    pub(super) identities: &'a [NodeIdentity],
    pub(super) wanted: &'a BTreeSet<Role>,
}

impl Prover<'_> {
    /// Appends the proof about a tree that holds the roles `present`.
    pub(super) fn prove(&self, present: &[Role], out: &mut Vec<u8>) {
        if let Some(root) = self.nodes.root() {
            self.prove_node(root, present, out);
        }
    }

    fn prove_node(&self, node: &Node, present: &[Role], out: &mut Vec<u8>) {
        if !present.iter().any(|role| self.wanted.contains(role)) {
            out.extend_from_slice(&node.hash);
            return;
        }
        if let [role] = present {
            let list = self.identities.iter().filter(|node| node.skeleton.role == *role);
            push_all(list, out);
        } else if let Some((left, right)) = self.nodes.children(node) {
            let (lefts, rights) = split(present);
            self.prove_node(left, lefts, out);
            self.prove_node(right, rights, out);
        }
    }
}

/// Reads the lists of `wanted` roles and returns the root they lead to.
pub(super) fn open(
    cursor: &mut Cursor<'_>,
    counts: &RoleCounts,
    wanted: &BTreeSet<Role>,
    lists: &mut RoleLists,
) -> Result<NodeHash, TreeError> {
    match &present(counts)[..] {
        [] => Ok(EMPTY_ROOT.0),
        present => Opener { counts, wanted, lists }.open_node(cursor, present, 0),
    }
}

struct Opener<'a> {
    counts: &'a RoleCounts,
    wanted: &'a BTreeSet<Role>,
    lists: &'a mut RoleLists,
}

impl Opener<'_> {
    fn open_node(
        &mut self,
        cursor: &mut Cursor<'_>,
        present: &[Role],
        depth: u16,
    ) -> Result<NodeHash, TreeError> {
        if !present.iter().any(|role| self.wanted.contains(role)) {
            return Ok(cursor.hash()?);
        }
        if let [role] = present {
            return self.open_list(cursor, *role, depth);
        }
        let (lefts, rights) = split(present);
        let fork = fork(present);
        let left = self.open_node(cursor, lefts, fork + 1)?;
        let right = self.open_node(cursor, rights, fork + 1)?;
        let path = Path::of_key(&[present[0].number()], depth, fork - depth);
        Ok(over_path(&path, hash::full(&left, &right)))
    }

    fn open_list(
        &mut self,
        cursor: &mut Cursor<'_>,
        role: Role,
        depth: u16,
    ) -> Result<NodeHash, TreeError> {
        let list = take_all(cursor, self.counts.of(role))?;
        if let Some(other) = list.iter().find(|identity| identity.skeleton.role != role) {
            return Err(TreeError::Role { expected: role, found: other.skeleton.role });
        }
        let hash = subtree_hash(&entries(list.iter()), depth);
        self.lists.insert(role, list);
        Ok(hash)
    }
}

/// The bit at which several roles part.
fn fork(present: &[Role]) -> u16 {
    let number = |role: Option<&Role>| role.map_or(0, |role| role.number());
    common_prefix(&[number(present.first())], &[number(present.last())])
}

fn split(present: &[Role]) -> (&[Role], &[Role]) {
    let fork = fork(present);
    present.split_at(present.partition_point(|role| !bit(&[role.number()], fork)))
}

/// Bytes of a key: the role's number, then the node ID.
const ROLE_KEY_LEN: usize = 33;
