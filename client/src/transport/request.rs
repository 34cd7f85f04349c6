//! What a client asks of a server.

use weir_proto::weir::v1::Proof;
use weir_protocol::evidence::{Held, Question, Selector};
use weir_protocol::model::Identifier;
use weir_protocol::snapshot_tree::TreeQuestion;

use super::{Server, TransportError};

/// A request that any server may answer, as its answer is checked.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Evidence for a checkpoint.
    Checkpoint {
        /// The block.
        block_id: Identifier,
    },
    /// A page of epoch hops.
    EpochHops {
        /// Newest epoch that the client knows.
        epoch_counter: u64,
        /// What the client holds.
        held: Held,
    },
    /// Evidence for the answer to a question.
    Question {
        /// The question.
        question: Question,
        /// What the client holds.
        held: Held,
        /// How much to prove.
        proof: Proof,
    },
    /// A proof about the snapshot tree at a block.
    Tree {
        /// The block.
        block: Selector,
        /// The question.
        question: TreeQuestion,
    },
}

impl Server {
    /// Sends a request, and returns the bytes of evidence or proof.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub async fn send(&mut self, request: &Request) -> Result<Vec<u8>, TransportError> {
        match request {
            Request::Checkpoint { block_id } => self.checkpoint(*block_id).await,
            Request::EpochHops { epoch_counter, held } => {
                self.epoch_hops(*epoch_counter, held).await
            }
            Request::Question { question, held, proof } => self.ask(question, held, *proof).await,
            Request::Tree { block, question } => self.tree_proof(*block, question).await,
        }
    }
}
