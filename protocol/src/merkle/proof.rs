//! Proofs and their verification.

use super::bits::{Path, bit};
use super::hash::{self, EMPTY_ROOT, NodeHash};
use super::{KEY_BITS, Key};
use crate::codec::rlp::RlpError;
use crate::model::Identifier;
use alloc::vec;
use alloc::vec::Vec;

/// Proves that an ID is at a position of a payload list.
///
/// Holds the way from the root down to the leaf, whose length is always 256 bits and in which no
/// short node follows another: every `Proof` has this form, whatever it proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    steps: Vec<Step>,
}

impl Proof {
    pub(super) fn new(steps: Vec<Step>) -> Self {
        Self { steps }
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Kinds of the nodes from the root down, one bit each: 1 is a short node.
    ///
    /// Most significant bit first; bits after the last node are zero (flow-go
    /// `Proof.InterimNodeTypes`).
    #[must_use]
    pub fn interim_node_types(&self) -> Vec<u8> {
        interim_node_types(&self.steps)
    }

    /// Numbers of path bits of the short nodes, from the root down.
    #[must_use]
    pub fn short_path_lengths(&self) -> Vec<u16> {
        short_path_lengths(&self.steps)
    }

    /// Hashes of the other children of the full nodes, from the root down.
    #[must_use]
    pub fn sibling_hashes(&self) -> Vec<[u8; 32]> {
        sibling_hashes(&self.steps)
    }
}

/// Proves that an ID is not in a payload list: it shows where the ID's way leaves the tree.
///
/// Either the tree is empty, or the way down ends at a short node whose path is not the ID's.
/// Every absent ID of a tree has exactly one such proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbsenceProof {
    divergence: Option<(Vec<Step>, Divergence)>,
}

impl AbsenceProof {
    pub(super) fn of_empty_tree() -> Self {
        Self { divergence: None }
    }

    pub(super) fn new(steps: Vec<Step>, divergence: Divergence) -> Self {
        Self { divergence: Some((steps, divergence)) }
    }

    pub(super) fn parts(&self) -> Option<&(Vec<Step>, Divergence)> {
        self.divergence.as_ref()
    }
}

/// Checks that under `root` the entity `id` is at position `index` of the list.
///
/// # Errors
/// [`ProofError::WrongRoot`] when the proof does not lead from this leaf to the root.
pub fn verify(
    root: &Identifier,
    id: &Identifier,
    index: u64,
    proof: &Proof,
) -> Result<(), ProofError> {
    check_depth(depth_of(&proof.steps))?;
    let leaf = hash::leaf(&index.to_be_bytes());
    let found = climb(&id.0, &proof.steps, KEY_BITS, leaf);
    check_root(root, Identifier(found))
}

/// Checks that under `root` the entity `id` is not in the list.
///
/// # Errors
/// [`ProofError::Follows`] when the proof shows a path that is the ID's own, and
/// [`ProofError::WrongRoot`] when it does not lead to the root.
pub fn verify_absence(
    root: &Identifier,
    id: &Identifier,
    proof: &AbsenceProof,
) -> Result<(), ProofError> {
    let Some((steps, divergence)) = &proof.divergence else {
        return check_root(root, EMPTY_ROOT);
    };
    let depth = depth_of(steps);
    if depth + u32::from(divergence.path.len()) > u32::from(KEY_BITS) {
        return Err(ProofError::Depth { found: depth + u32::from(divergence.path.len()) });
    }
    let depth = u16::try_from(depth).map_err(|_| ProofError::Depth { found: depth })?;
    if Path::of_key(&id.0, depth, divergence.path.len()) == divergence.path {
        return Err(ProofError::Follows);
    }
    let node = hash::short(&divergence.path, &divergence.child);
    check_root(root, Identifier(climb(&id.0, steps, depth, node)))
}

/// Why a proof was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The proof leads to another root.
    #[error("expected merkle root {expected}, the proof leads to {found}")]
    WrongRoot {
        /// Root asked for.
        expected: Identifier,
        /// Root the proof leads to.
        found: Identifier,
    },
    /// A proof of absence that shows the ID's own path.
    #[error("the absence proof shows a path that the identifier follows")]
    Follows,
    /// The way down has the wrong length.
    #[error("a merkle proof spans 256 bits, found {found}")]
    Depth {
        /// Bits spanned.
        found: u32,
    },
    /// More bytes than any proof has.
    #[error("a merkle proof has at most {max} bytes, found {found}")]
    TooLong {
        /// Bytes allowed.
        max: usize,
        /// Bytes found.
        found: usize,
    },
    /// The node types do not fit the short nodes and siblings.
    #[error("merkle proof node types do not match {shorts} short nodes and {fulls} siblings")]
    NodeTypes {
        /// Short nodes found.
        shorts: usize,
        /// Sibling hashes found.
        fulls: usize,
    },
    /// A short node without path bits, with more than a key has, or below another short node.
    #[error("malformed short node of {len} bits in a merkle proof")]
    ShortNode {
        /// Its path bits.
        len: u64,
    },
    /// The encoding itself is malformed.
    #[error("malformed merkle proof")]
    Encoding(#[from] RlpError),
}

/// One node on the way down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// One child, `len` bits further down; the bits are the key's.
    Short { len: u16 },
    /// Two children, of which the way takes one.
    Full { sibling: NodeHash },
}

/// The short node at which a key's way ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Divergence {
    pub(super) path: Path,
    pub(super) child: NodeHash,
}

/// Bits that `steps` lead down.
pub(super) fn depth_of(steps: &[Step]) -> u32 {
    steps.iter().map(|step| u32::from(step_bits(step))).sum()
}

pub(super) fn check_depth(found: u32) -> Result<(), ProofError> {
    if found == u32::from(KEY_BITS) { Ok(()) } else { Err(ProofError::Depth { found }) }
}

pub(super) fn interim_node_types(steps: &[Step]) -> Vec<u8> {
    let mut types = vec![0; steps.len().div_ceil(8)];
    for (at, step) in steps.iter().enumerate() {
        if matches!(step, Step::Short { .. }) {
            types[at / 8] |= 0x80 >> (at % 8);
        }
    }
    types
}

pub(super) fn short_path_lengths(steps: &[Step]) -> Vec<u16> {
    let len = |step: &Step| match step {
        Step::Short { len } => Some(*len),
        Step::Full { .. } => None,
    };
    steps.iter().filter_map(len).collect()
}

pub(super) fn sibling_hashes(steps: &[Step]) -> Vec<NodeHash> {
    let sibling = |step: &Step| match step {
        Step::Short { .. } => None,
        Step::Full { sibling } => Some(*sibling),
    };
    steps.iter().filter_map(sibling).collect()
}

fn step_bits(step: &Step) -> u16 {
    match step {
        Step::Short { len } => *len,
        Step::Full { .. } => 1,
    }
}

/// Hash at the top of `steps`, whose lower end at `depth` hashes to `node`.
///
/// `depth` is what the steps span, at most [`KEY_BITS`]; callers have checked.
fn climb(key: &Key, steps: &[Step], depth: u16, node: NodeHash) -> NodeHash {
    let (mut depth, mut node) = (depth, node);
    for step in steps.iter().rev() {
        depth -= step_bits(step);
        node = match step {
            Step::Short { len } => hash::short(&Path::of_key(key, depth, *len), &node),
            Step::Full { sibling } if bit(key, depth) => hash::full(sibling, &node),
            Step::Full { sibling } => hash::full(&node, sibling),
        };
    }
    node
}

fn check_root(expected: &Identifier, found: Identifier) -> Result<(), ProofError> {
    if *expected == found {
        return Ok(());
    }
    Err(ProofError::WrongRoot { expected: *expected, found })
}
