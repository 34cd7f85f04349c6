//! Snapshot trees: the root at a block, committed or derived, and proofs against a root.
//!
//! No header of Flow's commits to the root. Whoever can take an epoch's setups derives it
//! ([`derive_tree_root`]) and hands it to a device that cannot; the device trusts that root as it
//! would trust a block ID, and needs some hundred bytes for each answer ([`verify_tree`]).
//!
//! On a simulated network whose protocol state has the root, nobody needs to hand it over: the
//! device checks header, payload roots and key-value store ([`committed_tree_root`]), and no setup.

use super::answer::read_identities;
use super::certify::{Anchored, Certifier};
use super::sources::Sources;
use super::state::{StateView, key_value_store};
use super::{
    Anchor, Missing, Rejection, Trust, Verified, Violation, expand, level_of_trust, rules,
    verify_expanded,
};
use alloc::string::String;
use weir_protocol::codec::Entity;
use weir_protocol::evidence::{Evidence, Preimages, Question, Selector};
use weir_protocol::model::{Header, Identifier};
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
}

/// Verifies the answer to `question` and derives the snapshot tree's root at its block.
///
/// A question about identities brings all preimages that the root needs; for another question
/// they must be among those `held`.
///
/// # Errors
/// As [`super::verify`]; [`Missing::Preimage`] when a setup of the identity table is missing.
pub fn derive_tree_root(
    anchor: Anchor<'_>,
    question: &Question,
    evidence: &Evidence,
    held: &Preimages,
) -> Result<Verified<TreeRoot>, Rejection> {
    let preimages = expand(&evidence.bundle, &[held])?;
    let both = [&preimages, held];
    let sources = Sources::new(&both);
    let (answer, state) = verify_expanded(anchor, question, evidence, sources)?;
    let state = state.ok_or(Missing::PayloadRoots { block_id: answer.block_id })?;
    let header = &evidence.answer.as_ref().ok_or(Missing::Answer)?.block.header;
    let root =
        read_identities(&state, sources, |epochs| snapshot_tree::root_of(&state.kv, epochs))?;
    let committed = state.kv.snapshot_tree_root;
    if committed.is_some_and(|committed| committed != root) {
        let reason = "it commits to another snapshot tree than its own";
        return Err(Violation::State { reason }.into());
    }
    let of = (header, state.protocol_state_id);
    Ok(Verified(tree_root(root, committed.is_some(), of, answer.trust)))
}

/// Takes the snapshot tree's root from a block's own protocol state, in evidence of any answer
/// about the block.
///
/// Needs the header, the payload's roots and the key-value store, some 700 bytes besides what
/// certifies the block, and no setup. Without one nothing but the certificate says that the block is
/// of the committee's epoch, and views that extensions of an epoch added are beyond it.
///
/// # Errors
/// [`Missing::CommittedTree`] when the state's version has no root, as all versions of Flow;
/// [`Missing::Preimage`] without the key-value store; else as [`super::verify`] about a block.
pub fn committed_tree_root(
    anchor: Anchor<'_>,
    block: Selector,
    evidence: &Evidence,
    held: &Preimages,
) -> Result<Verified<TreeRoot>, Rejection> {
    let preimages = expand(&evidence.bundle, &[held])?;
    let both = [&preimages, held];
    let sources = Sources::new(&both);
    let proof = evidence.answer.as_ref().ok_or(Missing::Answer)?;
    if proof.question.block != block {
        return Err(Violation::AnotherQuestion.into());
    }
    let header = &proof.block.header;
    let block_id = header.id();
    let roots = proof.block.roots.as_ref().ok_or(Missing::PayloadRoots { block_id })?;
    rules::payload_hash(header, roots)?;
    let kv = key_value_store(header, roots, sources)?;
    let missing = Missing::CommittedTree { block_id, version: kv.version };
    let root = kv.snapshot_tree_root.ok_or(missing)?;
    let state = match StateView::derive(header, roots, sources) {
        Ok(state) => Some(state),
        Err(Rejection::NotEnough(_)) => None,
        Err(rejection) => return Err(rejection),
    };
    let certifier = Certifier::new(anchor, sources);
    let Anchored { trust, .. } = level_of_trust(&certifier, proof, state.as_ref())?;
    rules::selected_block(block, header, trust)?;
    Ok(Verified(tree_root(root, true, (header, roots.protocol_state_id), trust)))
}

/// Verifies an answer about the snapshot tree that a block's own protocol state commits to: from
/// the block to the answer in one call.
///
/// # Errors
/// As [`committed_tree_root`] and [`verify_tree`].
pub fn verify_committed_tree(
    anchor: Anchor<'_>,
    block: Selector,
    evidence: &Evidence,
    held: &Preimages,
    (question, proof): (&TreeQuestion, &[u8]),
) -> Result<(Verified<TreeRoot>, Verified<TreeAnswer>), Rejection> {
    let root = committed_tree_root(anchor, block, evidence, held)?;
    let answer = verify_tree(root.root, question, proof)?;
    Ok((root, answer))
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

fn tree_root(
    root: Identifier,
    committed: bool,
    (header, protocol_state_id): (&Header, Identifier),
    trust: Trust,
) -> TreeRoot {
    TreeRoot {
        root,
        protocol_state_id,
        committed,
        block_id: header.id(),
        height: header.height,
        view: header.view,
        chain_id: header.chain_id.clone(),
        trust,
    }
}
