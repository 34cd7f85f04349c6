//! Other servers as witnesses: whether they prove the same block final.

use weir_protocol::evidence::AnswerProof;
use weir_protocol::request::{AnswerRequest, Depth, Question, Request, Selector, Topic};

use super::blame::misbehaviour;
use super::{AskError, LightClient};
use crate::transport::{Server, TransportError};
use weir_verifier::{Act, Answer, Misbehaviour, Rejection, Trust, Violation, WrongAnswer};

/// What another server says of the client's head.
#[derive(Debug)]
pub struct Testimony {
    /// URL of the server.
    pub url: String,
    /// What it says.
    pub verdict: Verdict,
}

/// What a witness says of the client's head.
#[derive(Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// It proves the same block final.
    Agrees,
    /// It knows no final block of that height yet, and agrees as far as it goes.
    Behind {
        /// Height of its newest final block.
        height: u64,
    },
    /// It gave no answer, or refused.
    Silent(TransportError),
    /// Its answer does not verify.
    Rejected {
        /// Why.
        rejection: Rejection,
        /// What shows it to others.
        misbehaviour: Option<Box<Misbehaviour>>,
    },
    /// It proves another block of the same height final: the committee signed both.
    Conflicts {
        /// What shows it to others, if both servers gave all of it.
        misbehaviour: Option<Box<Misbehaviour>>,
    },
}

impl LightClient {
    /// Asks all other servers for the final block at the height of the head.
    ///
    /// # Errors
    /// When a bound on time is out of range.
    pub async fn cross_check(&mut self) -> Result<Vec<Testimony>, AskError> {
        let mut testimonies = Vec::new();
        for (url, server) in self.servers.others().await {
            let verdict = match server {
                Ok(server) => self.witness(server).await?,
                Err(error) => Verdict::Silent(error),
            };
            testimonies.push(Testimony { url, verdict });
        }
        Ok(testimonies)
    }

    async fn witness(&mut self, mut witness: Server) -> Result<Verdict, AskError> {
        let head = self.trusted.head().height;
        let at_head = self.testify(&mut witness, Selector::Height(head)).await?;
        let behind = match at_head {
            Said::Answer(_) => return Ok(Verdict::Agrees),
            Said::Refusal(TransportError::Refused { .. }) => {
                self.testify(&mut witness, Selector::LatestFinalized).await?
            }
            said => said,
        };
        match behind {
            Said::Answer(answer) => self.compare(witness, &answer).await,
            Said::Refusal(error) => Ok(Verdict::Silent(error)),
            Said::Wrong(Rejection::Invalid(violation), _)
                if matches!(*violation, Violation::ConflictingFinality { .. }) =>
            {
                let misbehaviour = self.conflict(witness, head).await;
                Ok(Verdict::Conflicts { misbehaviour })
            }
            Said::Wrong(rejection, found) => {
                let misbehaviour = match found {
                    Some(found) => Some(Box::new(self.with_grounds(*found).await)),
                    None => None,
                };
                Ok(Verdict::Rejected { rejection, misbehaviour })
            }
        }
    }

    /// A witness that is behind: whether its newest final block is one of the client's chain.
    async fn compare(&mut self, witness: Server, theirs: &Answer) -> Result<Verdict, AskError> {
        let height = theirs.height;
        if theirs.trust < Trust::Finalized {
            return Ok(Verdict::Behind { height });
        }
        let question = Question { block: Selector::Height(height), topic: Topic::Snapshot };
        let ours = self.ask(&question, Depth::Seal).await?;
        if ours.answer.block_id == theirs.block_id {
            return Ok(Verdict::Behind { height });
        }
        let misbehaviour = self.conflict(witness, height).await;
        Ok(Verdict::Conflicts { misbehaviour })
    }

    /// What the witness proves, with what the client trusts.
    async fn testify(&self, witness: &mut Server, block: Selector) -> Result<Said, AskError> {
        let question = Question { block, topic: Topic::Snapshot };
        let (held, depth) = (self.trusted.held(), Depth::Seal);
        let asked = AnswerRequest { question: question.clone(), held, depth };
        let request = Request::Answer(asked);
        let reply = match witness.send(&request).await {
            Ok(reply) => reply,
            Err(error) => return Ok(Said::Refusal(error)),
        };
        let timing = self.clock.timing()?;
        let mut trusted = self.trusted.clone();
        let said = AnswerProof::from_bytes(&reply.bytes)
            .map_err(Rejection::from)
            .and_then(|proof| trusted.verify(&question, &proof, &timing));
        Ok(match said {
            Ok(answer) => Said::Answer(Box::new(answer.into_value())),
            Err(rejection) => {
                let (checkpoint_id, now_ms) = (self.trusted.checkpoint().block_id, timing.now_ms());
                let wrong = WrongAnswer::new(request, reply.bytes, &self.trusted)
                    .with_receipt(reply.receipt);
                let found = misbehaviour(witness.url(), checkpoint_id, now_ms, wrong);
                Said::Wrong(rejection, found.map(Box::new))
            }
        })
    }

    /// Evidence of both blocks of a height, each from the checkpoint on.
    async fn conflict(&mut self, witness: Server, height: u64) -> Option<Box<Misbehaviour>> {
        let checkpoint_id = self.trusted.checkpoint().block_id;
        let (server, other_server) = (witness.url().to_owned(), self.servers.url().to_owned());
        let question = Question { block: Selector::Height(height), topic: Topic::Snapshot };
        let mut evidence = Vec::new();
        for server in [witness, self.servers.present().await.ok()?] {
            let client = Self::start_keeping_evidence(server, checkpoint_id).await.ok()?;
            let mut client = client.with_clock(self.clock);
            let outcome = client.ask(&question, Depth::Seal).await.ok()?;
            evidence.push(outcome.file?.to_bytes());
        }
        let seen_at_ms = self.clock.timing().ok()?.now_ms();
        let act = Act::Conflict { other_server, evidence: evidence.try_into().ok()? };
        let found = Misbehaviour { server, seen_at_ms, act };
        found.verify(checkpoint_id).is_ok().then(|| Box::new(found))
    }
}

/// What a witness said.
enum Said {
    Answer(Box<Answer>),
    Refusal(TransportError),
    Wrong(Rejection, Option<Box<Misbehaviour>>),
}
