//! Building the snapshot tree of a state, and proving from it.

use super::identity::push_all;
use super::root::{BY_ID, FIELDS, Rest, push_uint, root};
use super::{
    Field, FieldValue, NodeIdentity, RoleCounts, TREE_VERSION, TreeQuestion, field, roles,
};
use crate::codec::rlp::Encoder;
use crate::merkle::batch;
use crate::merkle::hash::{self, NodeHash};
use crate::merkle::tree::{Entry, Nodes, root_hash};
use crate::model::{Identifier, KvStore};
use crate::protocol_state::{EpochIdentities, IdentityTableError, ProtocolState};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The snapshot tree of one protocol state, kept to prove from it.
#[derive(Debug)]
pub struct SnapshotTree {
    identities: Vec<NodeIdentity>,
    fields: BTreeMap<Field, FieldValue>,
    counts: RoleCounts,
    by_id: Nodes,
    by_role: Nodes,
    by_field: Nodes,
}

impl SnapshotTree {
    /// Builds the tree of a key-value store and the epochs it points to.
    ///
    /// The caller has checked that `epochs` holds the epoch state that `kv` names, and the setups
    /// that the epoch state names.
    ///
    /// # Errors
    /// When a setup that the identity table needs is missing, or lists other nodes than the epoch
    /// state.
    pub fn new(kv: &KvStore, epochs: &EpochIdentities<'_>) -> Result<Self, IdentityTableError> {
        let identities: Vec<_> = epochs.table()?.iter().map(NodeIdentity::from).collect();
        let fields = field::fields(kv, epochs.entry, epochs.current);
        Ok(Self {
            counts: count(&identities),
            by_id: Nodes::build(&id_entries(&identities)),
            by_role: Nodes::build(&roles::entries(identities.iter())),
            by_field: Nodes::build(&field_entries(&fields)),
            identities,
            fields,
        })
    }

    /// Builds the tree of a protocol state.
    #[must_use]
    pub fn of(state: &ProtocolState) -> Self {
        let epochs = EpochIdentities::of(state);
        Self::new(state.kv(), &epochs).expect("a protocol state's parts were checked to fit")
    }

    /// The root of everything in the tree.
    #[must_use]
    pub fn root(&self) -> Identifier {
        root(&self.by_id.root_hash(), &self.rest().hash())
    }

    /// The identity table, in canonical order.
    #[must_use]
    pub fn identities(&self) -> &[NodeIdentity] {
        &self.identities
    }

    /// The fields that the state has.
    #[must_use]
    pub fn fields(&self) -> &BTreeMap<Field, FieldValue> {
        &self.fields
    }

    /// Number of nodes of each role.
    #[must_use]
    pub fn role_counts(&self) -> RoleCounts {
        self.counts
    }

    /// The proof of the answer to `question`, the only one there is.
    #[must_use]
    pub fn prove(&self, question: &TreeQuestion) -> Vec<u8> {
        let mut out = Vec::from([TREE_VERSION]);
        if question.table {
            push_uint(self.counts.total(), &mut out);
            push_all(self.identities.iter(), &mut out);
            self.prove_fields(question, &mut out);
            return out;
        }
        self.prove_nodes(question, &mut out);
        if question.opens_rest() {
            self.counts.push(&mut out);
            self.prove_roles(question, &mut out);
            self.prove_fields(question, &mut out);
        } else {
            out.extend_from_slice(&self.rest().hash());
        }
        out
    }

    fn prove_nodes(&self, question: &TreeQuestion, out: &mut Vec<u8>) {
        batch::prove(&self.by_id, &question.node_keys(), out, &mut |key, out| {
            let found = self.identities.binary_search_by(|node| node.node_id().0.cmp(key));
            let mut encoder = Encoder::new();
            self.identities[found.expect("leaves are identities")].encode_keyed(&mut encoder);
            out.extend(encoder.finish());
        });
    }

    fn prove_roles(&self, question: &TreeQuestion, out: &mut Vec<u8>) {
        let (identities, wanted) = (&self.identities[..], &question.roles);
        let prover = roles::Prover { nodes: &self.by_role, identities, wanted };
        prover.prove(&roles::present(&self.counts), out);
    }

    fn prove_fields(&self, question: &TreeQuestion, out: &mut Vec<u8>) {
        let wanted = question.field_keys();
        let keys: Vec<_> = wanted.keys().copied().collect();
        batch::prove(&self.by_field, &keys, out, &mut |key, out| {
            out.extend(self.fields[&wanted[key]].to_rlp());
        });
    }

    fn rest(&self) -> Rest {
        let (by_role, fields) = (self.by_role.root_hash(), self.by_field.root_hash());
        Rest { counts: self.counts, by_role, fields }
    }
}

/// The root of the tree of a key-value store and the epochs it points to, which keeps no nodes.
///
/// The root in the store itself, where its version has one, is not part of what it covers.
///
/// # Errors
/// As [`SnapshotTree::new`], whose [`SnapshotTree::root`] this is.
pub fn root_of(
    kv: &KvStore,
    epochs: &EpochIdentities<'_>,
) -> Result<Identifier, IdentityTableError> {
    let identities: Vec<_> = epochs.table()?.iter().map(NodeIdentity::from).collect();
    let fields = root_hash(&field_entries(&field::fields(kv, epochs.entry, epochs.current)));
    let (counts, by_id, by_role) = table_roots(&identities);
    Ok(root(&by_id, &Rest { counts, by_role, fields }.hash()))
}

/// Number of nodes of each role, and the roots of both trees, over a table in canonical order.
pub(super) fn table_roots(identities: &[NodeIdentity]) -> (RoleCounts, NodeHash, NodeHash) {
    let by_id = root_hash(&id_entries(identities));
    (count(identities), by_id, root_hash(&roles::entries(identities.iter())))
}

fn count(identities: &[NodeIdentity]) -> RoleCounts {
    RoleCounts::count(identities.iter().map(|identity| identity.skeleton.role))
}

fn id_entries(identities: &[NodeIdentity]) -> Vec<Entry<32>> {
    let entry =
        |identity: &NodeIdentity| Entry { key: identity.node_id().0, leaf: identity.leaf(BY_ID) };
    identities.iter().map(entry).collect()
}

fn field_entries(fields: &BTreeMap<Field, FieldValue>) -> Vec<Entry<32>> {
    let entry = |(field, value): (&Field, &FieldValue)| Entry {
        key: field.key(),
        leaf: field_leaf(&value.to_rlp()),
    };
    let mut entries: Vec<_> = fields.iter().map(entry).collect();
    entries.sort_unstable_by_key(|entry| entry.key);
    entries
}

/// Hash of the leaf of a field whose value's RLP is `value`.
pub(super) fn field_leaf(value: &[u8]) -> NodeHash {
    hash::parts(hash::LEAF_KEY, &[&[FIELDS], value])
}
