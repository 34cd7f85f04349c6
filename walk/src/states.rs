//! Whole protocol states.

use weir_protocol::evidence::AnswerProof;
use weir_protocol::model::Identifier;
use weir_protocol::request::{AnswerRequest, Depth, Request, Selector};
use weir_verifier::{Anchor, Rejection, StateAt, Timing, Verified, WrongAnswer, about_state, open};

use crate::asking::Attempt;
use crate::{AskError, Walker};

impl Walker {
    /// The protocol state at a block, with its identity table.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn state_at(
        &mut self,
        block: Selector,
        depth: Depth,
    ) -> Result<Verified<StateAt>, AskError> {
        let question = about_state(block);
        let asked = self.ask_and_read(&question, depth, |block| block.state_at()).await;
        asked.map(|(state, _)| state)
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
        let mut attempt = Attempt::default();
        loop {
            let (question, held) = (about_state(Selector::Id(block_id)), self.trusted.held());
            let asked = AnswerRequest { question, held, depth: Depth::KnownBlock };
            let request = Request::Answer(asked.clone());
            let reply = self.asking.send(&request, &mut attempt).await?;
            let timing = self.asking.timing()?;
            match self.open_known(block_id, &asked, &reply.bytes, &timing) {
                Ok(state) => {
                    self.asking.answered(&mut attempt);
                    return Ok(state);
                }
                Err(rejection) => self.asking.reject(rejection, &mut attempt, || {
                    WrongAnswer::new(request, reply.bytes, &self.trusted)
                        .with_receipt(reply.receipt)
                })?,
            }
        }
    }

    fn open_known(
        &self,
        block_id: Identifier,
        asked: &AnswerRequest,
        bytes: &[u8],
        timing: &Timing,
    ) -> Result<Verified<StateAt>, Rejection> {
        let proof = AnswerProof::from_bytes(bytes)?;
        let anchor = Anchor::KnownBlock { block_id, held: self.trusted.preimages() };
        open(anchor, &asked.question, &proof, timing)?.state_at()
    }
}
