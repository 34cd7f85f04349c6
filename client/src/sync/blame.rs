//! Answers that do not verify: what becomes of the server, and of what it said.

use thiserror::Error;
use weir_proto::convert::proof_number;
use weir_proto::weir::v1::Proof;
use weir_protocol::evidence::{Question, Selector, Topic};
use weir_protocol::model::Identifier;

use super::{AskError, LightClient};
use crate::transport::{Reply, Servers};
use weir_verifier::{Act, Asked, Misbehaviour, Rejection, TrustedState};

/// A server that was set aside.
#[derive(Clone, Debug, PartialEq)]
pub struct Lie {
    /// Its URL.
    pub url: String,
    /// Why.
    pub fault: Fault,
    /// What shows it to others: only of an answer that breaks a rule.
    pub misbehaviour: Option<Misbehaviour>,
}

/// Why a server is set aside.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// Its answer does not verify.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// It told of no change where the protocol state is another one than before.
    #[error("it left out changes of the protocol state above height {after}, up to {up_to}")]
    LeftOut {
        /// Up to this height nothing is missing.
        after: u64,
        /// At this height the state is another one.
        up_to: u64,
    },
    /// It refuses to prove what it told of itself.
    #[error("it told of block {block_id} and does not prove it: {refusal}")]
    Unproved {
        /// The block.
        block_id: Identifier,
        /// What it says instead.
        refusal: String,
    },
    /// Its notices lead nowhere.
    #[error("{count} notices without anything new")]
    Useless {
        /// How many came in a row.
        count: u32,
    },
}

impl LightClient {
    /// Servers set aside since the client began, and why.
    #[must_use]
    pub fn lies(&self) -> &[Lie] {
        &self.lies
    }

    /// Adds to what shows wrong answers that were signed the evidence of what was trusted then, from
    /// the checkpoint on, as far as there is a server left that gives it: then everybody who has the
    /// checkpoint can check them.
    pub async fn prove_lies(&mut self) {
        for index in 0..self.lies.len() {
            if let Some(found) = self.lies[index].misbehaviour.take() {
                self.lies[index].misbehaviour = Some(self.with_grounds(found).await);
            }
        }
    }

    /// As [`Self::prove_lies`] does with one.
    pub(super) async fn with_grounds(&mut self, found: Misbehaviour) -> Misbehaviour {
        let Some(trusted) = found.lacks_grounds() else { return found };
        let Some(evidence) = self.grounds(&trusted).await else { return found };
        let mut proved = found.clone();
        if let Act::WrongAnswer { grounds, .. } = &mut proved.act {
            *grounds = Some(evidence);
        }
        let checkpoint_id = trusted.checkpoint().block_id;
        if proved.verify(checkpoint_id).is_ok() { proved } else { found }
    }

    /// Evidence of all that this state knows and of no later epoch, from its checkpoint on.
    async fn grounds(&mut self, trusted: &TrustedState) -> Option<Vec<u8>> {
        let server = self.servers.present().await.ok()?;
        let checkpoint_id = trusted.checkpoint().block_id;
        let client = Self::start_keeping_evidence(server, checkpoint_id).await.ok()?;
        let mut client = client.with_clock(self.clock);
        let (known, newest) =
            (client.trusted.newest_epoch().counter(), trusted.newest_epoch().counter());
        while client.trusted.newest_epoch().counter() < newest {
            client.learns_of_later_epoch().await.ok().filter(|more| *more)?;
        }
        let block = Selector::Id(trusted.head().block_id);
        let question = Question { block, topic: Topic::Snapshot };
        let mut evidence = client.ask(&question, Proof::Unspecified).await.ok()?.evidence;
        // Pages bring more.
        evidence.hops.truncate(usize::try_from(newest.saturating_sub(known)).ok()?);
        Some(evidence.to_bytes())
    }

    /// A question, as it is shown to others, with what is trusted now.
    pub(super) fn asked(&self, question: &Question, proof: Proof) -> Asked {
        let (trusted, question) = (self.trusted.to_bytes(), question.clone());
        Asked::Question { trusted, question, proof: proof_number(proof) }
    }

    /// Takes the answer of the present server for what it is, and goes on to the next server.
    ///
    /// # Errors
    /// When there is no other server.
    pub(super) fn reject(
        &mut self,
        rejection: Rejection,
        answer: Option<(Asked, Reply)>,
    ) -> Result<(), AskError> {
        let seen_at_ms = self.clock.timing()?.now_ms();
        let checkpoint_id = self.trusted.checkpoint().block_id;
        let misbehaviour = answer.and_then(|(asked, answer)| {
            misbehaviour(self.servers.url(), checkpoint_id, seen_at_ms, (asked, answer))
        });
        set_aside(&mut self.servers, &mut self.lies, rejection.into(), misbehaviour)
    }
}

/// What shows a wrong answer to others, if it breaks a rule.
pub(super) fn misbehaviour(
    url: &str,
    checkpoint_id: Identifier,
    seen_at_ms: u64,
    (asked, reply): (Asked, Reply),
) -> Option<Misbehaviour> {
    let Reply { bytes: answer, receipt } = reply;
    let act = Act::WrongAnswer { asked, answer, receipt: receipt.map(Box::new), grounds: None };
    let found = Misbehaviour { server: url.to_owned(), seen_at_ms, act };
    found.verify(checkpoint_id).is_ok().then_some(found)
}

/// Goes on to the next server.
///
/// # Errors
/// When there is none.
pub(super) fn set_aside(
    servers: &mut Servers,
    lies: &mut Vec<Lie>,
    fault: Fault,
    misbehaviour: Option<Misbehaviour>,
) -> Result<(), AskError> {
    let url = servers.url().to_owned();
    lies.push(Lie { url: url.clone(), fault: fault.clone(), misbehaviour });
    if servers.set_aside(&fault) {
        return Ok(());
    }
    Err(match fault {
        Fault::Rejected(rejection) => AskError::Rejected { url, rejection },
        fault => AskError::Misled { url, fault },
    })
}
