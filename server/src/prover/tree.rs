//! Proofs from snapshot trees, which are built once for each protocol state and kept for a while.

use std::sync::Arc;

use quick_cache::sync::Cache;
use weir_protocol::model::Identifier;
use weir_protocol::protocol_state::ProtocolState;
use weir_protocol::request::TreeRequest;
use weir_protocol::snapshot_tree::SnapshotTree;

use super::{IndexedBlock, Prover, ProverError};

/// A proof from a snapshot tree, and what it is about.
#[derive(Clone, Debug)]
pub struct TreeProof {
    /// The block.
    pub block: IndexedBlock,
    /// The tree's root.
    pub root: Identifier,
    /// The proof.
    pub proof: Vec<u8>,
}

/// Snapshot trees by protocol state ID.
#[derive(Clone, Debug)]
pub(super) struct Trees {
    cache: Arc<Cache<Identifier, Arc<SnapshotTree>>>,
}

impl Trees {
    pub(super) fn new() -> Self {
        Self { cache: Arc::new(Cache::new(TREES_MAX)) }
    }

    /// The tree of a state.
    fn of(&self, state: &ProtocolState) -> Arc<SnapshotTree> {
        if let Some(tree) = self.cache.get(&state.id()) {
            return tree;
        }
        let tree = Arc::new(SnapshotTree::of(state));
        self.cache.insert(state.id(), tree.clone());
        tree
    }
}

impl Prover {
    /// The proof of the answer to a question from the snapshot tree at a block.
    ///
    /// # Errors
    /// When the block does not exist.
    pub fn tree_proof(&self, request: &TreeRequest) -> Result<TreeProof, ProverError> {
        let block = self.select(request.block)?;
        let state = self.states.load(&block.record.protocol_state_id)?;
        let tree = self.trees.of(&state);
        Ok(TreeProof { block, root: tree.root(), proof: tree.prove(&request.question) })
    }
}

/// Trees kept; each takes less than 1 MB on a network of a thousand nodes.
const TREES_MAX: usize = 16;
