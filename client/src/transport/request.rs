//! What a client asks of a server.

use weir_proto::convert::proof_number;
use weir_proto::weir::v1::Proof;
use weir_protocol::evidence::{Held, Question, Receipt, ReceiptRequest, Selector};
use weir_protocol::model::Identifier;
use weir_protocol::snapshot_tree::TreeQuestion;

use super::{Server, TransportError};
use weir_verifier::check_receipt;

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

impl Request {
    /// The request as receipts name it; proofs about snapshot trees have none.
    fn signed(&self) -> Option<ReceiptRequest<'_>> {
        Some(match self {
            Self::Checkpoint { block_id } => ReceiptRequest::Checkpoint(*block_id),
            Self::EpochHops { epoch_counter, held } => {
                ReceiptRequest::EpochHops { epoch_counter: *epoch_counter, held, max_hops: 0 }
            }
            Self::Question { question, held, proof } => {
                ReceiptRequest::Question { question, held, proof: proof_number(*proof) }
            }
            Self::Tree { .. } => return None,
        })
    }
}

/// What a server sends back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Evidence, or a proof about a snapshot tree.
    pub bytes: Vec<u8>,
    /// The server's signed word that it sent this back to this request, if it gave a valid one.
    pub receipt: Option<Receipt>,
}

impl Server {
    /// Sends a request, and returns the evidence or proof with the server's receipt.
    ///
    /// # Errors
    /// When the server does not answer or refuses; or gives no receipt of the key that it is known
    /// by ([`Self::connect`]).
    pub async fn send(&mut self, request: &Request) -> Result<Reply, TransportError> {
        let Reply { bytes, receipt } = match request {
            Request::Checkpoint { block_id } => self.checkpoint(*block_id).await,
            Request::EpochHops { epoch_counter, held } => {
                self.epoch_hops(*epoch_counter, held).await
            }
            Request::Question { question, held, proof } => self.ask(question, held, *proof).await,
            Request::Tree { block, question } => {
                let bytes = self.tree_proof(*block, question).await?;
                return Ok(Reply { bytes, receipt: None });
            }
        }?;
        let is_valid = |receipt: &Receipt| {
            request.signed().is_some_and(|asked| check_receipt(receipt, &asked, &bytes).is_ok())
        };
        let receipt = receipt.filter(is_valid);
        match (self.key, &receipt) {
            (Some(key), Some(receipt)) if receipt.key == key => {}
            (None, _) => {}
            _ => return Err(TransportError::NoReceipt { url: self.url.clone() }),
        }
        Ok(Reply { bytes, receipt })
    }
}
