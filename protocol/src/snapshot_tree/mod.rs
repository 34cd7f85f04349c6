//! The snapshot tree: one root over the identity table and the fields of a protocol state.
//!
//! For devices that cannot take the preimages a protocol state ID commits to. Whoever checked those
//! derives the root ([`SnapshotTree::root`]) and hands it on; no header of Flow's commits to it, and
//! those of a simulated network may ([`crate::model::SIMULATED_KV_STORE_VERSION`]). Below
//! the root are three of the trees that payloads use (`crate::merkle`): identities by node ID,
//! identities by role and then node ID, with the number of nodes of each role, and fields by name.
//! `docs/snapshot-tree.md` describes hashes and bytes.
//!
//! A proof is about a [`TreeQuestion`]. The question decides what comes next in it, so the proof
//! brings only bytes: values, hashes of what was not asked for, and lengths of paths. A question
//! about a tree has exactly one proof.
//!
//! Nothing here trusts a proof: what [`verify`] returns is only as true as the root given to it.

mod field;
mod identity;
mod question;
mod roles;
mod root;
mod tree;
mod verify;

pub use field::{Field, FieldValue, UnknownField};
pub use identity::NodeIdentity;
pub use question::{TreeAnswer, TreeItem, TreeQuestion, TreeQuestionError};
pub use root::RoleCounts;
pub use tree::{SnapshotTree, root_of};
pub use verify::{TreeError, verify};

/// Version of the tree's hashes and of its proofs, bound into the root.
pub const TREE_VERSION: u8 = 1;
/// Most nodes in one question; whoever wants more asks for roles or the table.
pub const TREE_NODES_MAX: usize = 1024;
/// Most bytes of a proof: the table of some 200,000 nodes.
pub const TREE_PROOF_BYTES_MAX: usize = 48 << 20;
