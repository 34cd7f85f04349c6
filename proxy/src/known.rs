//! Answers for a client that knows the block's ID and wants no certificates.

use weir_proto::weir::v1::Proof;
use weir_protocol::evidence::{Evidence, Question, SealProof, Selector, Topic};
use weir_protocol::model::Identifier;
use weir_verifier::{Answer, Missing, Rejection, Trust, Violation};

use crate::chain::{Chain, blocking};
use crate::fault::{Failed, Fault};
use crate::needed::check_answer;
use crate::own::by_hash;
use crate::relay::{Client, block_of};

impl Chain {
    /// Checks what the block's hash covers; a seal beside it must be the one that the proxy proves.
    pub(crate) async fn check_known(
        &self,
        client: &Client<'_>,
        evidence: &Evidence,
    ) -> Result<Answer, Fault> {
        let question = &client.asked.question;
        let block_id = self.selected(question.block, evidence).await?;
        let Some(found) = &evidence.answer else {
            return Err(Fault::Wrong(Rejection::from(Missing::Answer).to_string()));
        };
        if found.question != *question {
            return Err(Violation::AnotherQuestion.into());
        }
        let is_about_seal = matches!(question.topic, Topic::Seal | Topic::ExecutionResult);
        let sealed = match &found.seal {
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
            let question = bare.answer.as_ref().map(|answer| answer.question.clone());
            let question = question.ok_or(Rejection::from(Missing::Answer))?;
            let answer = by_hash(block_id, &question, &bare, &held)?;
            let expanded = bare.bundle.expand(&[&held]).map_err(Violation::Delta)?;
            match result_id.filter(|id| !expanded.contains(id)) {
                Some(id) => Err(Missing::Preimage { what: "execution result", id }.into()),
                None => Ok(answer),
            }
        });
        let checked: Result<_, Rejection> = checked.await.map_err(Fault::Ours)?;
        let answer = checked.map_err(|rejection| Fault::Wrong(rejection.to_string()))?;
        Ok(match sealed {
            Some((sealed, _)) if is_about_seal => sealed,
            _ => answer,
        })
    }

    /// The block that the question selects; one that the client does not name must be proved.
    async fn selected(&self, selector: Selector, evidence: &Evidence) -> Result<Identifier, Fault> {
        let block_id = block_of(evidence)?;
        let needed = match selector {
            Selector::Id(block_id) => return Ok(block_id),
            Selector::LatestSealed => Trust::Sealed,
            Selector::LatestFinalized | Selector::Height(_) => Trust::Finalized,
        };
        let proven = self.prove_named(block_id).await?;
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
        let proven = self.ask(&question, Proof::Sealed).await.map_err(|failed| match failed {
            Failed::Status(status) => Fault::Ours(status),
            Failed::Unproved(unproved) => Fault::Wrong(unproved.rejection.to_string()),
        })?;
        let own = proven.evidence.answer.as_ref().and_then(|answer| answer.seal.as_ref());
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

/// The evidence as the answer to another question about the block, without the seal.
fn bare(evidence: &Evidence, question: Question) -> Evidence {
    let mut bare = evidence.clone();
    if let Some(answer) = &mut bare.answer {
        answer.question = question;
        answer.seal = None;
        if answer.question.topic != Topic::Snapshot {
            answer.last_sealed = None;
        }
    }
    bare
}
