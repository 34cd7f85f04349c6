//! Proofs from snapshot trees, checked against the root that the proxy derives.

use tonic::Status;
use weir_proto::convert::{block_reference, selector_from_wire, tree_question_from_wire};
use weir_proto::weir::v1;
use weir_proto::weir::v1::Proof;
use weir_protocol::evidence::{IdentityFilter, Question, Selector, Topic};
use weir_protocol::model::Identifier;
use weir_protocol::snapshot_tree::TreeQuestion;
use weir_verifier::{Anchor, TreeRoot, Trust, derive_tree_root, verify_tree};

use crate::cache::Keep;
use crate::chain::{Chain, blocking};
use crate::fault::{Failed, Fault};
use crate::own::Proven;
use crate::upstream::Upstream;
use crate::values::bytes;

impl Chain {
    /// The proof of what is asked of a block's snapshot tree, and whether it stays what it is.
    pub(crate) async fn tree(
        &self,
        request: v1::GetTreeProofRequest,
    ) -> Result<(v1::GetTreeProofResponse, Keep), Status> {
        let invalid =
            |error: weir_proto::convert::ConvertError| Status::invalid_argument(error.to_string());
        let block = selector_from_wire(request.block.clone()).map_err(invalid)?;
        let question = tree_question_from_wire(request.items.clone()).map_err(invalid)?;
        let mut turn = self.upstreams.turn();
        while let Some(upstream) = turn.next() {
            match self.tree_one(upstream, &request, (block, &question)).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => turn.failed(upstream, fault)?,
            }
        }
        Err(turn.over())
    }

    async fn tree_one(
        &self,
        upstream: &Upstream,
        request: &v1::GetTreeProofRequest,
        (block, question): (Selector, &TreeQuestion),
    ) -> Result<(v1::GetTreeProofResponse, Keep), Fault> {
        let mut api = upstream.snapshots();
        let found = upstream.within(api.get_tree_proof(request.clone())).await?;
        let block_id = found.block.as_ref().map(|block| &block.block_id[..]).unwrap_or_default();
        let block_id = Identifier::try_from(block_id)
            .map_err(|error| Fault::Wrong(format!("block of a tree proof: {error}")))?;
        let root = self.tree_root(block_id).await?;
        check_selected(block, &root)?;
        let (question, proof, root_id) = (question.clone(), found.proof.clone(), root.root);
        let verified = blocking(move || verify_tree(root_id, &question, &proof).map(|_| ())).await;
        let verified = verified.map_err(Fault::Ours)?;
        verified.map_err(|rejection| Fault::Wrong(rejection.to_string()))?;
        let is_named = matches!(block, Selector::Id(_) | Selector::Height(_));
        let answer = v1::GetTreeProofResponse {
            block: Some(block_reference(&root.block_id, root.height, root.view)),
            protocol_state_id: bytes(&root.protocol_state_id),
            root: bytes(&root.root),
            proof: found.proof,
        };
        Ok((answer, Keep::when(is_named)))
    }

    /// The root of a block's tree; of a block that nothing certifies by its hash alone.
    async fn tree_root(&self, block_id: Identifier) -> Result<TreeRoot, Fault> {
        let topic = Topic::Identities(IdentityFilter::default());
        let question = Question { block: Selector::Id(block_id), topic };
        let (evidence, state, by_hash) = match self.ask(&question, Proof::Sealed).await {
            Ok(Proven { evidence, state, .. }) => (evidence, state, false),
            Err(Failed::Status(status)) if status.code() == tonic::Code::Unavailable => {
                return Err(Fault::Ours(status));
            }
            Err(Failed::Status(status)) => return Err(Fault::Wrong(status.message().to_owned())),
            Err(Failed::Unproved(unproved)) => {
                (unproved.evidence, self.own().map_err(Fault::Ours)?, true)
            }
        };
        let derived = blocking(move || {
            let known = Anchor::KnownBlock(block_id);
            let anchor = if by_hash { known } else { Anchor::Trusted(&state) };
            derive_tree_root(anchor, &question, &evidence, state.preimages())
        });
        let root = derived.await.map_err(Fault::Ours)?;
        root.map(|root| root.into_value()).map_err(|rejection| Fault::Wrong(rejection.to_string()))
    }
}

fn check_selected(block: Selector, root: &TreeRoot) -> Result<(), Fault> {
    let is_selected = match block {
        Selector::Id(block_id) => root.block_id == block_id,
        Selector::Height(height) => root.height == height && root.trust >= Trust::Finalized,
        Selector::LatestFinalized => root.trust >= Trust::Finalized,
        Selector::LatestSealed => root.trust >= Trust::Sealed,
    };
    if is_selected {
        return Ok(());
    }
    let TreeRoot { block_id, height, trust, .. } = root;
    Err(Fault::Wrong(format!("a tree of block {block_id} at height {height}, which is {trust}")))
}
