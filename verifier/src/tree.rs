//! Snapshot trees: the root at a block, committed or derived, and proofs against a root.
//!
//! No header of Flow's commits to the root. Whoever can take an epoch's setups derives it
//! ([`super::ProvedBlock::tree_root`]) and hands it to a device that cannot; the device trusts that root as it
//! would trust a block ID, and needs some hundred bytes for each answer ([`verify_tree`]).
//!
//! On a simulated network whose protocol state has the root, nobody needs to hand it over: the
//! device checks header, payload roots and key-value store ([`super::ProvedBlock::committed_tree_root`]), and no setup.

use super::{AnchoredBy, Rejection, Trust, Verified, Violation};
use alloc::string::String;
use weir_protocol::model::Identifier;
use weir_protocol::snapshot_tree::{self, TreeAnswer, TreeQuestion};

/// The snapshot tree's root at a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeRoot {
    /// The root.
    pub root: Identifier,
    /// The protocol state whose tree it is.
    pub protocol_state_id: Identifier,
    /// Whether that state commits to it; else it is derived only.
    pub committed: bool,
    /// The block.
    pub block_id: Identifier,
    /// Its height.
    pub height: u64,
    /// Its view.
    pub view: u64,
    /// Network it belongs to.
    pub chain_id: String,
    /// How far the block is proved.
    pub trust: Trust,
    /// By what it is proved.
    pub anchored_by: AnchoredBy,
}

/// Verifies that `proof` answers `question` about the tree with this root, and returns the answer.
///
/// The caller vouches for `root`: it is that of the state the answer is wanted for.
///
/// # Errors
/// [`Violation::Tree`] when the bytes are not the one proof of an answer under this root.
pub fn verify_tree(
    root: Identifier,
    question: &TreeQuestion,
    proof: &[u8],
) -> Result<Verified<TreeAnswer>, Rejection> {
    let answer = snapshot_tree::verify(&root, question, proof).map_err(Violation::Tree)?;
    Ok(Verified(answer))
}
