//! Proofs from snapshot trees, checked against the root that the proxy derives.

use tonic::Status;
use weir_proto::convert::block_reference;
use weir_proto::weir::v1;
use weir_protocol::model::Identifier;
use weir_protocol::request::{Depth, Selector, TreeRequest};
use weir_verifier::{Anchor, TreeRoot, Trust, about_state, open, verify_tree};

use crate::cache::Keep;
use crate::check::blocking;
use crate::fault::{Failed, Fault};
use crate::own::{Own, Proven};
use crate::upstream::Upstream;
use crate::values::bytes;

/// Finds proofs that verify under a root that the proxy derives itself.
#[derive(Debug)]
pub(crate) struct Trees<'a> {
    pub(crate) own: &'a Own,
}

impl Trees<'_> {
    /// The proof of what is asked of a block's snapshot tree, and whether it stays what it is.
    pub(crate) async fn proof(
        &self,
        asked: &TreeRequest,
        request: &v1::GetTreeProofRequest,
    ) -> Result<(v1::GetTreeProofResponse, Keep), Status> {
        let mut turn = self.own.upstreams.turn();
        while let Some(upstream) = turn.next() {
            match self.proof_one(upstream, request, asked).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => turn.failed(upstream, fault)?,
            }
        }
        Err(turn.over())
    }

    async fn proof_one(
        &self,
        upstream: &Upstream,
        request: &v1::GetTreeProofRequest,
        asked: &TreeRequest,
    ) -> Result<(v1::GetTreeProofResponse, Keep), Fault> {
        let mut api = upstream.snapshots();
        let found = upstream.within(api.get_tree_proof(request.clone())).await?;
        let block_id = found.block.as_ref().map(|block| &block.block_id[..]).unwrap_or_default();
        let block_id = Identifier::try_from(block_id)
            .map_err(|error| Fault::Wrong(format!("block of a tree proof: {error}")))?;
        let TreeRequest { block, question } = asked;
        let root = self.root(block_id).await?;
        check_selected(*block, &root)?;
        let (question, proof, root_id) = (question.clone(), found.proof.clone(), root.root);
        let verified = blocking(move || verify_tree(root_id, &question, &proof).map(|_| ())).await;
        let verified = verified.map_err(Fault::Ours)?;
        verified?;
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
    async fn root(&self, block_id: Identifier) -> Result<TreeRoot, Fault> {
        let question = about_state(Selector::Id(block_id));
        let timing = self.own.checker.timing().map_err(Fault::Ours)?;
        let (evidence, state, by_hash) = match self.own.ask(&question, Depth::Seal).await {
            Ok(Proven { evidence, state, .. }) => (evidence, state, false),
            Err(Failed::Status(status)) if status.code() == tonic::Code::Unavailable => {
                return Err(Fault::Ours(status));
            }
            Err(Failed::Status(status)) => return Err(Fault::Wrong(status.message().to_owned())),
            Err(Failed::Unproved(unproved)) => (unproved.evidence, self.own.state(), true),
        };
        let derived = blocking(move || {
            let known = Anchor::KnownBlock { block_id, held: state.preimages() };
            let anchor = if by_hash { known } else { Anchor::Trusted(&state) };
            open(anchor, &question, &evidence, &timing)?.tree_root()
        });
        Ok(derived.await.map_err(Fault::Ours)??.into_value())
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
