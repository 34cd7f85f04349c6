//! Other servers as witnesses: whether they prove the same block final, and whether one is further.

use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use weir_protocol::evidence::AnswerProof;
use weir_protocol::request::{AnswerRequest, Depth, Question, Request, Selector, Topic};
use weir_verifier::{Act, Answer, Misbehaviour, Missing, Rejection, Trust, Violation, WrongAnswer};

use crate::{AskError, Standing, TransportError, Walker};

/// What another server says of the client's head.
#[derive(Debug)]
pub struct Testimony {
    /// URL of the server.
    pub url: String,
    /// What it says.
    pub verdict: Verdict,
    /// Height of its newest final block, where it proves one that agrees.
    pub head_height: Option<u64>,
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

impl Verdict {
    /// Its name, such as `behind`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::Behind { .. } => "behind",
            Self::Silent(error) if error.is_silence() => "silent",
            Self::Silent(_) => "refuses",
            Self::Conflicts { .. } => "conflicts",
            Self::Rejected { rejection: Rejection::Invalid(_), .. } => "invalid",
            Self::Rejected { .. } => "unproved",
        }
    }
}

/// A server after a sync, and what its witness was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerReport<'a> {
    /// Its URL.
    pub url: &'a str,
    /// Height of its newest final block, where it proves one.
    pub head_height: Option<u64>,
    /// How many blocks that is behind the head.
    pub lag: Option<u64>,
    /// The verdict's name, or `set aside`.
    pub verdict: &'static str,
}

impl Walker {
    /// All servers by preference, with what [`Self::cross_check`] heard of them.
    pub fn reports<'a>(
        &'a self,
        testimonies: &'a [Testimony],
    ) -> impl Iterator<Item = ServerReport<'a>> {
        let head = self.trusted.head().height;
        self.servers().map(move |(url, standing)| {
            let said = testimonies.iter().find(|testimony| testimony.url == url);
            let (head_height, verdict) = match (said, standing) {
                (Some(witness), _) => (witness.head_height, witness.verdict.name()),
                (None, Standing::SetAside { .. }) => (None, "set aside"),
                (None, _) => (Some(head), "agrees"),
            };
            let lag = head_height.map(|height| head.saturating_sub(height));
            ServerReport { url, head_height, lag, verdict }
        })
    }

    /// Asks all other servers for the final block at the height of the head. One that agrees, and
    /// proves a higher head, wins: the walk goes on with it, and the others are asked again.
    ///
    /// # Errors
    /// When a bound on time is out of range.
    pub async fn cross_check(&mut self) -> Result<Vec<Testimony>, AskError> {
        let (testimonies, furthest) = self.ask_witnesses().await?;
        match furthest {
            Some(peer) if self.is_further_with(peer).await => {
                self.ask_witnesses().await.map(|(testimonies, _)| testimonies)
            }
            _ => Ok(testimonies),
        }
    }

    /// What all other servers say, and which of them is further than the client.
    async fn ask_witnesses(&mut self) -> Result<(Vec<Testimony>, Option<usize>), AskError> {
        let mut testimonies = Vec::new();
        let mut furthest = (self.trusted.head().height, None);
        for peer in self.asking.others() {
            let verdict = self.witness(peer).await?;
            let head_height = match verdict {
                Verdict::Agrees => {
                    let height = self.newest_of(peer).await?;
                    if height > furthest.0 {
                        furthest = (height, Some(peer));
                    }
                    Some(height.min(self.trusted.head().height))
                }
                Verdict::Behind { height } => Some(height),
                _ => None,
            };
            let url = self.asking.names()[peer].clone();
            testimonies.push(Testimony { url, verdict, head_height });
        }
        Ok((testimonies, furthest.1))
    }

    /// Goes on with another server; whether the head is a newer one then.
    async fn is_further_with(&mut self, peer: usize) -> bool {
        let (before, height) = (self.asking.present(), self.trusted.head().height);
        self.asking.go_on_with(peer);
        let synced = self.sync(|_, _| ()).await;
        if synced.is_err() {
            self.asking.go_on_with(before);
        }
        self.trusted.head().height > height
    }

    /// Height of the newest final block of a witness that agrees on the head; beyond all heights where
    /// later epochs have to be walked for it.
    async fn newest_of(&mut self, peer: usize) -> Result<u64, AskError> {
        let head = self.trusted.head().height;
        Ok(match self.testify(peer, Selector::LatestFinalized).await? {
            Said::Answer(answer) if answer.trust >= Trust::Finalized => answer.height,
            Said::Wrong(Rejection::Missing(Missing::LaterEpoch { .. }), _) => u64::MAX,
            _ => head,
        })
    }

    async fn witness(&mut self, peer: usize) -> Result<Verdict, AskError> {
        let head = self.trusted.head().height;
        let at_head = self.testify(peer, Selector::Height(head)).await?;
        let behind = match at_head {
            Said::Answer(_) => return Ok(Verdict::Agrees),
            Said::Refusal(error) if !error.is_silence() => {
                self.testify(peer, Selector::LatestFinalized).await?
            }
            said => said,
        };
        match behind {
            Said::Answer(answer) => self.compare(peer, &answer).await,
            Said::Refusal(error) => Ok(Verdict::Silent(error)),
            Said::Wrong(Rejection::Invalid(violation), _)
                if matches!(*violation, Violation::ConflictingFinality { .. }) =>
            {
                let misbehaviour = self.conflict(peer, head).await;
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
    async fn compare(&mut self, peer: usize, theirs: &Answer) -> Result<Verdict, AskError> {
        let height = theirs.height;
        if theirs.trust < Trust::Finalized {
            return Ok(Verdict::Behind { height });
        }
        let question = Question { block: Selector::Height(height), topic: Topic::Snapshot };
        let ours = self.ask(&question, Depth::Seal).await?;
        if ours.answer.block_id == theirs.block_id {
            return Ok(Verdict::Behind { height });
        }
        let misbehaviour = self.conflict(peer, height).await;
        Ok(Verdict::Conflicts { misbehaviour })
    }

    /// What a witness proves, with what the client trusts.
    async fn testify(&mut self, peer: usize, block: Selector) -> Result<Said, AskError> {
        let question = Question { block, topic: Topic::Snapshot };
        let (held, depth) = (self.trusted.held(), Depth::Seal);
        let asked = AnswerRequest { question: question.clone(), held, depth };
        let request = Request::Answer(asked);
        let reply = match self.asking.send_to(peer, request.clone()).await {
            Ok(reply) => reply,
            Err(error) => return Ok(Said::Refusal(error)),
        };
        let timing = self.asking.timing()?;
        let mut trusted = self.trusted.clone();
        let said = AnswerProof::from_bytes(&reply.bytes)
            .map_err(Rejection::from)
            .and_then(|proof| trusted.verify(&question, &proof, &timing));
        Ok(match said {
            Ok(answer) => Said::Answer(Box::new(answer.into_value())),
            Err(rejection @ Rejection::Invalid(_)) => {
                let wrong = WrongAnswer::new(request, reply.bytes, &self.trusted)
                    .with_receipt(reply.receipt);
                let found = self.asking.misbehaviour(peer, wrong)?;
                Said::Wrong(rejection, found.map(Box::new))
            }
            Err(rejection) => Said::Wrong(rejection, None),
        })
    }

    /// Evidence of both blocks of a height, each from the checkpoint on.
    async fn conflict(&mut self, peer: usize, height: u64) -> Option<Box<Misbehaviour>> {
        let (server, other_server) =
            (self.asking.names()[peer].clone(), self.asking.url().to_string());
        let question = Question { block: Selector::Height(height), topic: Topic::Snapshot };
        let mut evidence = Vec::new();
        for peer in [peer, self.asking.present()] {
            let mut walker = self.anew_with(peer).await?;
            let outcome = walker.ask(&question, Depth::Seal).await.ok()?;
            evidence.push(outcome.file?.to_bytes());
        }
        let seen_at_ms = self.asking.timing().ok()?.now_ms();
        let act = Act::Conflict { other_server, evidence: evidence.try_into().ok()? };
        let found = Misbehaviour { server, seen_at_ms, act };
        self.asking.judged(found).map(Box::new)
    }
}

/// What a witness said.
enum Said {
    Answer(Box<Answer>),
    Refusal(TransportError),
    Wrong(Rejection, Option<Box<Misbehaviour>>),
}
