//! Answers for a client that knows the block's ID and wants no certificates.

use weir_protocol::codec::Entity as _;
use weir_protocol::evidence::{AnswerProof, SealProof};
use weir_protocol::model::Identifier;
use weir_protocol::request::{Depth, Question, Selector, Topic};
use weir_verifier::{Answer, Missing, Rejection, Trust, Violation};

use crate::check::{bare, blocking, by_hash, told};
use crate::fault::{Failed, Fault};
use crate::needed::check_answer;
use crate::own::Own;
use crate::relay::Client;

/// Evidence for such a client.
#[derive(Debug)]
pub(crate) struct KnownBlock<'a> {
    pub(crate) own: &'a Own,
    pub(crate) client: &'a Client<'a>,
    pub(crate) evidence: &'a AnswerProof,
}

impl KnownBlock<'_> {
    /// Checks what the block's hash covers; a seal beside it must be the one that the proxy proves.
    pub(crate) async fn check(&self) -> Result<Answer, Fault> {
        let Self { client, evidence, .. } = *self;
        let question = &client.asked.question;
        let timing = self.own.checker.timing().map_err(Fault::Ours)?;
        let block_id = self.selected(question.block).await?;
        if evidence.question != *question {
            return Err(Violation::AnotherQuestion.into());
        }
        let is_about_seal = matches!(question.topic, Topic::Seal | Topic::ExecutionResult);
        let sealed = match &evidence.seal {
            Some(seal) => Some(self.proved_seal(block_id, &question.topic, seal).await?),
            None if is_about_seal => return Err(Fault::Wrong("it lacks the seal".to_owned())),
            None => None,
        };
        check_answer(evidence, &client.held, None)?;
        let topic = if is_about_seal { Topic::Snapshot } else { question.topic.clone() };
        let bare = bare(evidence, Question { block: Selector::Id(block_id), topic });
        let held = client.held.clone();
        let result_id = sealed.as_ref().and_then(|(_, result_id)| *result_id);
        let checked = blocking(move || {
            by_hash(block_id, &bare, &held, &timing, |block| {
                match result_id.filter(|id| !block.preimages().contains(id)) {
                    Some(id) => Err(Missing::Preimage { what: "execution result", id }.into()),
                    None => told(block),
                }
            })
        });
        let checked: Result<_, Rejection> = checked.await.map_err(Fault::Ours)?;
        let answer = checked?;
        Ok(match sealed {
            Some((sealed, _)) if is_about_seal => sealed,
            _ => answer.into_value(),
        })
    }

    /// The block that the question selects; one that the client does not name must be proved.
    async fn selected(&self, selector: Selector) -> Result<Identifier, Fault> {
        let block_id = self.evidence.block.header.id();
        let needed = match selector {
            Selector::Id(block_id) => return Ok(block_id),
            Selector::LatestSealed => Trust::Sealed,
            Selector::LatestFinalized | Selector::Height(_) => Trust::Finalized,
        };
        let proven = self.own.prove_named(block_id).await?;
        let answer = &proven.answer;
        let is_height = !matches!(selector, Selector::Height(height) if height != answer.height);
        if is_height && answer.trust >= needed {
            return Ok(block_id);
        }
        let (height, trust) = (answer.height, answer.trust);
        Err(Fault::Wrong(format!("block {block_id} at height {height} is {trust} only")))
    }

    /// The answer about the seal that the proxy proves, and the result that it seals.
    async fn proved_seal(
        &self,
        block_id: Identifier,
        topic: &Topic,
        seal: &SealProof,
    ) -> Result<(Answer, Option<Identifier>), Fault> {
        let about_result = *topic == Topic::ExecutionResult;
        let topic = if about_result { Topic::ExecutionResult } else { Topic::Seal };
        let question = Question { block: Selector::Id(block_id), topic };
        let proven = self.own.ask(&question, Depth::Seal).await.map_err(|failed| match failed {
            Failed::Status(status) => Fault::Ours(status),
            Failed::Unproved(unproved) if unproved.rejection.is_about_version() => {
                unproved.rejection.into()
            }
            Failed::Unproved(unproved) => Fault::Wrong(unproved.rejection.to_string()),
        })?;
        let own = proven.evidence.seal.as_ref();
        let is_same = own.is_some_and(|own| {
            (&own.seal, own.index, &own.proof) == (&seal.seal, seal.index, &seal.proof)
                && own.block.header == seal.block.header
                && own.block.roots == seal.block.roots
        });
        if !is_same {
            return Err(Fault::Wrong("its seal is not the one that is proved".to_owned()));
        }
        Ok((proven.answer, about_result.then_some(seal.seal.result_id)))
    }
}
