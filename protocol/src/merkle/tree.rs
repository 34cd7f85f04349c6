//! Building the tree and proving from it.

use super::Key;
use super::bits::{Path, bit, common_prefix};
use super::hash::{self, EMPTY_ROOT, NodeHash};
use super::proof::{AbsenceProof, Divergence, Proof, Step};
use crate::model::Identifier;
use alloc::vec::Vec;

/// The Merkle tree of one payload list, kept to prove from it.
///
/// Takes some 100 bytes and two hashes a leaf to build; a proof then only walks down.
#[derive(Debug)]
pub struct Tree {
    nodes: Nodes,
}

impl Tree {
    /// Builds the tree of a payload list, given as its entities' IDs in order.
    ///
    /// A repeated ID counts at its last position only, as in [`super::root`].
    #[must_use]
    pub fn new(ids: &[Identifier]) -> Self {
        Self { nodes: Nodes::build(&list_entries(ids)) }
    }

    /// The tree's root.
    #[must_use]
    pub fn root(&self) -> Identifier {
        Identifier(self.nodes.root_hash())
    }

    /// Proves that an ID is in the tree; `None` when it is not.
    #[must_use]
    pub fn prove(&self, id: &Identifier) -> Option<Proof> {
        match self.walk(&id.0) {
            (steps, End::Leaf) => Some(Proof::new(steps)),
            (_, End::Empty | End::Diverges(_)) => None,
        }
    }

    /// Proves that an ID is not in the tree; `None` when it is.
    #[must_use]
    pub fn prove_absence(&self, id: &Identifier) -> Option<AbsenceProof> {
        match self.walk(&id.0) {
            (_, End::Leaf) => None,
            (_, End::Empty) => Some(AbsenceProof::of_empty_tree()),
            (steps, End::Diverges(divergence)) => Some(AbsenceProof::new(steps, divergence)),
        }
    }

    /// Follows `key` down as far as it goes.
    fn walk(&self, key: &Key) -> (Vec<Step>, End) {
        let mut steps = Vec::new();
        let Some(mut node) = self.nodes.root() else {
            return (steps, End::Empty);
        };
        let mut depth = 0;
        loop {
            if node.path.len() > 0 {
                if Path::of_key(key, depth, node.path.len()) != node.path {
                    return (
                        steps,
                        End::Diverges(Divergence { path: node.path, child: node.inner_hash }),
                    );
                }
                steps.push(Step::Short { len: node.path.len() });
                depth += node.path.len();
            }
            let Some((left, right)) = self.nodes.children(node) else {
                return (steps, End::Leaf);
            };
            let (next, sibling) = if bit(key, depth) { (right, left) } else { (left, right) };
            steps.push(Step::Full { sibling: sibling.hash });
            (node, depth) = (next, depth + 1);
        }
    }
}

/// A leaf before the tree is built: its key, of `N` bytes, and its hash.
#[derive(Clone, Copy)]
pub(crate) struct Entry<const N: usize> {
    pub(crate) key: [u8; N],
    pub(crate) leaf: NodeHash,
}

/// The leaves of a payload list, by ascending key, each key once.
pub(super) fn list_entries(ids: &[Identifier]) -> Vec<Entry<32>> {
    let mut positions: Vec<(Identifier, u64)> = ids.iter().copied().zip(0..).collect();
    // Backwards within an ID, so that the deduplication keeps the last position.
    positions.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
    positions.dedup_by_key(|(id, _)| *id);
    positions
        .into_iter()
        .map(|(id, position)| Entry { key: id.0, leaf: hash::leaf(&position.to_be_bytes()) })
        .collect()
}

/// Root over leaves by ascending key, without keeping the tree.
pub(crate) fn root_hash<const N: usize>(entries: &[Entry<N>]) -> NodeHash {
    if entries.is_empty() { EMPTY_ROOT.0 } else { subtree_hash(entries, 0) }
}

/// Hash of the node below `depth` over leaves, at least one, that agree in the bits before it.
pub(crate) fn subtree_hash<const N: usize>(entries: &[Entry<N>], depth: u16) -> NodeHash {
    let split = Split::of(entries, depth);
    let inner = match split.halves {
        None => entries[0].leaf,
        Some((left, right)) => {
            let below = depth + split.path.len() + 1;
            hash::full(&subtree_hash(left, below), &subtree_hash(right, below))
        }
    };
    over_path(&split.path, inner)
}

/// The nodes of a tree, kept to prove from them.
#[derive(Debug)]
pub(crate) struct Nodes {
    nodes: Vec<Node>,
}

impl Nodes {
    /// The tree over leaves by ascending key, each key once.
    pub(crate) fn build<const N: usize>(entries: &[Entry<N>]) -> Self {
        let mut nodes = Vec::with_capacity(2 * entries.len());
        if !entries.is_empty() {
            build(&mut nodes, entries, 0);
        }
        Self { nodes }
    }

    /// The topmost node; none in the tree without leaves.
    pub(crate) fn root(&self) -> Option<&Node> {
        self.nodes.last()
    }

    /// Hash of the topmost node, or [`EMPTY_ROOT`].
    pub(crate) fn root_hash(&self) -> NodeHash {
        self.root().map_or(EMPTY_ROOT.0, |root| root.hash)
    }

    /// The nodes below a full node; `None` for a leaf.
    pub(crate) fn children(&self, node: &Node) -> Option<(&Node, &Node)> {
        node.children.map(|(left, right)| (&self.nodes[left], &self.nodes[right]))
    }
}

/// A short node, if its path has bits, and what is below it.
#[derive(Debug)]
pub(crate) struct Node {
    /// Bits of the short node; none when there is no short node.
    pub(crate) path: Path,
    /// Children of the full node; `None` for a leaf.
    children: Option<(usize, usize)>,
    /// Hash of the full node or leaf.
    pub(crate) inner_hash: NodeHash,
    /// Hash of the short node, or of the full node or leaf without one.
    pub(crate) hash: NodeHash,
}

/// How following a key ends.
enum End {
    Leaf,
    Empty,
    Diverges(Divergence),
}

/// How a set of leaves below `depth` divides: a common path, then two halves unless it is one.
struct Split<'a, const N: usize> {
    path: Path,
    halves: Option<(&'a [Entry<N>], &'a [Entry<N>])>,
}

impl<'a, const N: usize> Split<'a, N> {
    /// Splits leaves, at least one, by ascending key, each key once.
    fn of(entries: &'a [Entry<N>], depth: u16) -> Self {
        let (first, last) = (&entries[0].key, &entries[entries.len() - 1].key);
        let common = common_prefix(first, last);
        let path = Path::of_key(first, depth, common - depth);
        let halves = (usize::from(common) < 8 * N)
            .then(|| entries.split_at(entries.partition_point(|e| !bit(&e.key, common))));
        Self { path, halves }
    }
}

/// Adds the subtree of `entries` to `nodes` and returns the position of its top.
///
/// Recursion is at most as deep as a key has bits.
fn build<const N: usize>(nodes: &mut Vec<Node>, entries: &[Entry<N>], depth: u16) -> usize {
    let Split { path, halves } = Split::of(entries, depth);
    let (children, inner_hash) = match halves {
        None => (None, entries[0].leaf),
        Some((left, right)) => {
            let below = depth + path.len() + 1;
            let (left, right) = (build(nodes, left, below), build(nodes, right, below));
            (Some((left, right)), hash::full(&nodes[left].hash, &nodes[right].hash))
        }
    };
    nodes.push(Node { path, children, inner_hash, hash: over_path(&path, inner_hash) });
    nodes.len() - 1
}

/// The hash of a node below a path that may have no bits.
pub(crate) fn over_path(path: &Path, inner: NodeHash) -> NodeHash {
    if path.len() == 0 { inner } else { hash::short(path, &inner) }
}
