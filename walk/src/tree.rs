//! Questions about the snapshot tree.

use alloc::string::String;
use alloc::vec::Vec;

use weir_peers::NoPeer;
use weir_protocol::model::Identifier;
use weir_protocol::request::{Depth, Question, Request, Selector, Topic, TreeRequest};
use weir_protocol::snapshot_tree::{TreeAnswer, TreeQuestion};
use weir_verifier::{
    NotYet, ProvedBlock, Rejection, TreeRoot, Verified, WrongAnswer, about_state, verify_tree,
};

use crate::asking::{Asking, Attempt};
use crate::{AskError, ClockOptions, Lie, Walk, Walker, walker};

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
        let answer = tree_answer(&mut self.asking, root.root, &asked).await?;
        Ok((root, answer))
    }
}

/// What came of a question about a tree whose root the caller knows, and the servers that were set
/// aside on the way.
pub type TreeOutcome = (Result<Verified<TreeAnswer>, AskError>, Vec<Lie>);

/// Asks servers with these URLs, by preference, about the snapshot tree with this root, which the caller
/// vouches for: no checkpoint is needed.
///
/// # Errors
/// When no server is named.
pub fn ask_tree_with_root(
    urls: impl IntoIterator<Item = impl Into<String>>,
    root: Identifier,
    asked: TreeRequest,
) -> Result<Walk<'static, TreeOutcome>, NoPeer> {
    // Nothing that is seen here goes back to a checkpoint.
    let mut asking = Asking::new(walker::peers(urls)?, Identifier::ZERO, ClockOptions::default());
    let io = asking.io.clone();
    Ok(Walk::new(io, async move {
        let answer = tree_answer(&mut asking, root, &asked).await;
        (answer, asking.lies)
    }))
}

/// Asks one peer after the other for a proof under this root.
async fn tree_answer(
    asking: &mut Asking,
    root: Identifier,
    asked: &TreeRequest,
) -> Result<Verified<TreeAnswer>, AskError> {
    let request = Request::TreeProof(asked.clone());
    let mut attempt = Attempt::default();
    loop {
        let reply = asking.send(&request, &mut attempt).await?;
        match verify_tree(root, &asked.question, &reply.bytes) {
            Ok(answer) => {
                asking.answered(&mut attempt);
                return Ok(answer);
            }
            Err(rejection) => asking.reject(rejection, &mut attempt, || {
                WrongAnswer::about_tree(asked.clone(), reply.bytes, root)
                    .with_receipt(reply.receipt)
            })?,
        }
    }
}
