//! Questions about the snapshot tree.

use weir_proto::weir::v1::Proof;
use weir_protocol::evidence::{Evidence, IdentityFilter, Question, Selector, Topic};
use weir_protocol::snapshot_tree::{TreeAnswer, TreeQuestion};

use super::{AskError, LightClient};
use crate::transport::Request;
use crate::verifier::{
    Anchor, Missing, Rejection, TreeRoot, TrustedState, Verified, committed_tree_root,
    derive_tree_root, verify_tree,
};

impl LightClient {
    /// The snapshot tree's root at a block: the one that the block's protocol state commits to, or
    /// else derived from the setups of its epochs, which are fetched.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn tree_root(&mut self, block: Selector) -> Result<Verified<TreeRoot>, AskError> {
        let question = Question { block, topic: Topic::Snapshot };
        let read = |trusted: &TrustedState, evidence: &Evidence| {
            let (anchor, held) = (Anchor::Trusted(trusted), trusted.preimages());
            match committed_tree_root(anchor, block, evidence, held) {
                Err(Rejection::NotEnough(Missing::CommittedTree { block_id, .. })) => {
                    Ok(Err(block_id))
                }
                root => root.map(Ok),
            }
        };
        let (_, root) = self.ask_and_read(&question, Proof::Sealed, read).await?;
        let block = match root {
            Ok(root) => return Ok(root),
            Err(block_id) => Selector::Id(block_id),
        };
        let topic = Topic::Identities(IdentityFilter::default());
        let question = Question { block, topic };
        let read = |trusted: &TrustedState, evidence: &Evidence| {
            derive_tree_root(Anchor::Trusted(trusted), &question, evidence, trusted.preimages())
        };
        self.ask_and_read(&question, Proof::Sealed, read).await.map(|(_, root)| root)
    }

    /// The answer to a question about the snapshot tree at a block, and the tree's root.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn ask_tree(
        &mut self,
        block: Selector,
        question: &TreeQuestion,
    ) -> Result<(Verified<TreeRoot>, Verified<TreeAnswer>), AskError> {
        let root = self.tree_root(block).await?;
        let block = Selector::Id(root.block_id);
        let request = Request::Tree { block, question: question.clone() };
        loop {
            let proof = self.servers.send(&request).await?;
            self.bytes_received += proof.len() as u64;
            match verify_tree(root.root, question, &proof) {
                Ok(answer) => return Ok((root, answer)),
                Err(rejection) => self.reject(rejection, None)?,
            }
        }
    }
}
