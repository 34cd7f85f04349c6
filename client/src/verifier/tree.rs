//! Snapshot trees: deriving the root from a verified state, and proofs against a root.
//!
//! A header does not commit to the root today. Whoever can take an epoch's setups derives it
//! ([`derive_tree_root`]) and hands it to a device that cannot; the device trusts that root as it
//! would trust a block ID, and needs some hundred bytes for each answer ([`verify_tree`]).

use super::answer::adjacent_setups;
use super::sources::Sources;
use super::state::StateView;
use super::{Anchor, Missing, Rejection, Trust, Verified, Violation, verify};
use alloc::string::String;
use weir_protocol::evidence::{Evidence, Preimages, Question};
use weir_protocol::model::Identifier;
use weir_protocol::protocol_state::EpochIdentities;
use weir_protocol::snapshot_tree::{self, SnapshotTree, TreeAnswer, TreeQuestion};

/// The snapshot tree's root at a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeRoot {
    /// The root.
    pub root: Identifier,
    /// The protocol state it is derived from.
    pub protocol_state_id: Identifier,
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
}

/// Verifies the answer to `question` and derives the snapshot tree's root at its block.
///
/// A question about identities brings all preimages that the root needs; for another question
/// they must be among those `held`.
///
/// # Errors
/// As [`verify`]; [`Missing::Preimage`] when a setup of the identity table is missing.
pub fn derive_tree_root(
    anchor: Anchor<'_>,
    question: &Question,
    evidence: &Evidence,
    held: &Preimages,
) -> Result<Verified<TreeRoot>, Rejection> {
    let answer = verify(anchor, question, evidence, held)?.into_value();
    let roots = evidence.answer.as_ref().and_then(|proof| proof.block.roots.as_ref());
    let roots = roots.ok_or(Missing::PayloadRoots { block_id: answer.block_id })?;
    let preimages = super::expand(&evidence.bundle, &[held])?;
    let both = [&preimages, held];
    let sources = Sources::new(&both);
    let state = StateView::derive(roots, sources)?;
    Ok(Verified(TreeRoot {
        root: root_of(&state, sources)?,
        protocol_state_id: state.protocol_state_id,
        block_id: answer.block_id,
        height: answer.height,
        view: answer.view,
        chain_id: answer.chain_id,
        trust: answer.trust,
    }))
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

fn root_of(state: &StateView, sources: Sources<'_>) -> Result<Identifier, Rejection> {
    let [previous, next] = adjacent_setups(state, sources)?;
    let epochs = EpochIdentities {
        entry: &state.entry,
        previous: previous.as_deref(),
        current: &state.current_setup,
        next: next.as_deref(),
    };
    let tree = SnapshotTree::new(&state.kv, &epochs)
        .map_err(|_| Violation::State { reason: "epoch state and setup name different nodes" })?;
    Ok(tree.root())
}
