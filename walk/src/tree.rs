//! Questions about the snapshot tree.

use weir_protocol::request::{Depth, Question, Request, Selector, Topic, TreeRequest};
use weir_protocol::snapshot_tree::{TreeAnswer, TreeQuestion};
use weir_verifier::{
    NotYet, ProvedBlock, Rejection, TreeRoot, Verified, WrongAnswer, about_state, verify_tree,
};

use crate::asking::Attempt;
use crate::{AskError, Walker};

impl Walker {
    /// The snapshot tree's root at a block: the one that the block's protocol state commits to, or
    /// else derived from the setups of its epochs, which are fetched.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn tree_root(&mut self, block: Selector) -> Result<Verified<TreeRoot>, AskError> {
        let question = Question { block, topic: Topic::Snapshot };
        let committed = |block: &ProvedBlock<'_>| match block.committed_tree_root() {
            Err(Rejection::NotYet(NotYet::CommittedTree { block_id, .. })) => Ok(Err(block_id)),
            root => root.map(Ok),
        };
        let (root, _) = self.ask_and_read(&question, Depth::Seal, committed).await?;
        let block = match root {
            Ok(root) => return Ok(root),
            Err(block_id) => Selector::Id(block_id),
        };
        let question = about_state(block);
        let asked = self.ask_and_read(&question, Depth::Seal, |block| block.tree_root()).await;
        asked.map(|(root, _)| root)
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
        let asked = TreeRequest { block, question: question.clone() };
        let request = Request::TreeProof(asked.clone());
        let mut attempt = Attempt::default();
        loop {
            let reply = self.asking.send(&request, &mut attempt).await?;
            match verify_tree(root.root, question, &reply.bytes) {
                Ok(answer) => {
                    self.asking.answered(&mut attempt);
                    return Ok((root, answer));
                }
                Err(rejection) => self.asking.reject(rejection, &mut attempt, || {
                    WrongAnswer::about_tree(asked.clone(), reply.bytes, root.root)
                        .with_receipt(reply.receipt)
                })?,
            }
        }
    }
}
