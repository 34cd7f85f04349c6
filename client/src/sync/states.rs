//! Whole protocol states.

use weir_proto::weir::v1::Proof;
use weir_protocol::evidence::{Evidence, Selector};
use weir_protocol::model::Identifier;

use super::{AskError, LightClient, decode};
use crate::transport::Request;
use weir_verifier::{Anchor, StateAt, Timing, TrustedState, Verified, about_state, state_at};

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
        let verify = |trusted: &mut TrustedState, evidence: &Evidence, timing: &Timing| {
            let state = trusted.verify_state(block, evidence, timing)?;
            Ok((state.trust, state))
        };
        self.ask_and_verify(&about_state(block), proof, verify).await.map(|(state, _)| state)
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
        let block = Selector::Id(block_id);
        loop {
            let (question, held) = (about_state(block), self.trusted.held());
            let request = Request::Question { question, held, proof: Proof::KnownBlock };
            let reply = self.servers.send(&request).await?;
            self.bytes_received += reply.bytes.len() as u64;
            let state = decode(&reply.bytes).map_err(Into::into).and_then(|evidence| {
                let anchor = Anchor::KnownBlock(block_id);
                state_at(anchor, block, &evidence, self.trusted.preimages())
            });
            match state {
                Ok(state) => return Ok(state),
                Err(rejection) => self.reject(rejection, None)?,
            }
        }
    }
}
