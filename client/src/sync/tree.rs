//! Questions about the snapshot tree.

use weir_proto::weir::v1::Proof;
use weir_protocol::evidence::{Evidence, Question, Selector, Topic};
use weir_protocol::snapshot_tree::{TreeAnswer, TreeQuestion};

use super::{AskError, LightClient};
use crate::transport::Request;
use weir_verifier::{
    Anchor, Missing, Rejection, Timing, TreeRoot, TrustedState, Verified, about_state,
    committed_tree_root, derive_tree_root, verify_tree,
};

impl LightClient {
    /// The snapshot tree's root at a block: the one that the block's protocol state commits to, or
    /// else derived from the setups of its epochs, which are fetched.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn tree_root(&mut self, block: Selector) -> Result<Verified<TreeRoot>, AskError> {
        let question = Question { block, topic: Topic::Snapshot };
        let verify = |trusted: &mut TrustedState, evidence: &Evidence, timing: &Timing| {
            let (anchor, held) = (Anchor::Trusted(trusted), trusted.preimages());
            let root = match committed_tree_root(anchor, block, evidence, held) {
                Err(Rejection::NotEnough(Missing::CommittedTree { block_id, .. })) => Err(block_id),
                root => Ok(root?),
            };
            Ok((trusted.verify(&question, evidence, timing)?.trust, root))
        };
        let (root, _) = self.ask_and_verify(&question, Proof::Sealed, verify).await?;
        let block = match root {
            Ok(root) => return Ok(root),
            Err(block_id) => Selector::Id(block_id),
        };
        let question = about_state(block);
        let verify = |trusted: &mut TrustedState, evidence: &Evidence, timing: &Timing| {
            let (anchor, held) = (Anchor::Trusted(trusted), trusted.preimages());
            let root = derive_tree_root(anchor, &question, evidence, held)?;
            Ok((trusted.verify(&question, evidence, timing)?.trust, root))
        };
        self.ask_and_verify(&question, Proof::Sealed, verify).await.map(|(root, _)| root)
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
            let proof = self.servers.send(&request).await?.bytes;
            self.bytes_received += proof.len() as u64;
            match verify_tree(root.root, question, &proof) {
                Ok(answer) => return Ok((root, answer)),
                Err(rejection) => self.reject(rejection, None)?,
            }
        }
    }
}
