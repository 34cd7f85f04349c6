//! Whole protocol states.

use weir_protocol::evidence::AnswerProof;
use weir_protocol::model::Identifier;
use weir_protocol::request::{AnswerRequest, Depth, Request, Selector};
use weir_verifier::{
    Anchor, ProvedBlock, Rejection, StateAt, Timing, Verified, WrongAnswer, about_state, open,
};

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
        self.read_known(block_id, |block| block.state_at()).await
    }

    /// What `read` makes of a block of which only the ID is trusted.
    pub(crate) async fn read_known<T>(
        &mut self,
        block_id: Identifier,
        read: impl Fn(&ProvedBlock<'_>) -> Result<T, Rejection>,
    ) -> Result<T, AskError> {
        let mut attempt = Attempt::default();
        loop {
            let (question, held) = (about_state(Selector::Id(block_id)), self.trusted.held());
            let asked = AnswerRequest { question, held, depth: Depth::KnownBlock };
            let request = Request::Answer(asked.clone());
            let reply = self.asking.send(&request, &mut attempt).await?;
            let timing = self.asking.timing()?;
            match self.open_known((block_id, &asked), &reply.bytes, &timing, &read) {
                Ok(value) => {
                    self.asking.answered(&mut attempt);
                    return Ok(value);
                }
                Err(rejection) => self.asking.reject(rejection, &mut attempt, || {
                    WrongAnswer::new(request, reply.bytes, &self.trusted)
                        .with_receipt(reply.receipt)
                })?,
            }
        }
    }

    fn open_known<T>(
        &self,
        (block_id, asked): (Identifier, &AnswerRequest),
        bytes: &[u8],
        timing: &Timing,
        read: impl Fn(&ProvedBlock<'_>) -> Result<T, Rejection>,
    ) -> Result<T, Rejection> {
        let proof = AnswerProof::from_bytes(bytes)?;
        let anchor = Anchor::KnownBlock { block_id, held: self.trusted.preimages() };
        read(&open(anchor, &asked.question, &proof, timing)?)
    }
}
