//! Whole protocol states.

use weir_proto::weir::v1::Proof;
use weir_protocol::evidence::{Evidence, IdentityFilter, Question, Selector, Topic};
use weir_protocol::model::Identifier;

use super::{AskError, LightClient, decode};
use crate::transport::Request;
use crate::verifier::{Anchor, StateAt, TrustedState, Verified, state_at};

impl LightClient {
    /// The protocol state at a block, with its identity table.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn state_at(
        &mut self,
        block: Selector,
        proof: Proof,
    ) -> Result<Verified<StateAt>, AskError> {
        let question = about(block);
        let read = |trusted: &TrustedState, evidence: &Evidence| {
            state_at(Anchor::Trusted(trusted), &question, evidence, trusted.preimages())
        };
        self.ask_and_read(&question, proof, read).await.map(|(_, state)| state)
    }

    /// The protocol state at a block of which only the ID is trusted, such as the parent of a
    /// proved block.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn state_at_known(
        &mut self,
        block_id: Identifier,
    ) -> Result<Verified<StateAt>, AskError> {
        let question = about(Selector::Id(block_id));
        loop {
            let request = Request::Question {
                question: question.clone(),
                held: self.held(),
                proof: Proof::KnownBlock,
            };
            let bytes = self.servers.send(&request).await?;
            self.bytes_received += bytes.len() as u64;
            let state = decode(&bytes).map_err(Into::into).and_then(|evidence| {
                let anchor = Anchor::KnownBlock(block_id);
                state_at(anchor, &question, &evidence, self.trusted.preimages())
            });
            match state {
                Ok(state) => return Ok(state),
                Err(rejection) => self.reject(rejection, None)?,
            }
        }
    }
}

fn about(block: Selector) -> Question {
    Question { block, topic: Topic::Identities(IdentityFilter::default()) }
}
