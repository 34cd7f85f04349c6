//! Answers that do not verify: what becomes of the server, and of what it said.

use thiserror::Error;
use weir_protocol::model::Identifier;
use weir_protocol::request::Depth;

use super::{AskError, LightClient};
use crate::transport::{Passed, Servers};
use weir_verifier::{Act, Misbehaviour, Missing, ProofWanted, Rejection, WrongAnswer};

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
        let Act::WrongAnswer(wrong) = &found.act else { return found };
        let Some(wanted) = wrong.proof_wanted() else { return found };
        let Some(file) = self.grounds(&wanted).await else { return found };
        let act = Act::WrongAnswer(Box::new((**wrong).clone().with_proof(file)));
        let proved = Misbehaviour { act, ..found.clone() };
        let checkpoint_id = self.trusted.checkpoint().block_id;
        if proved.verify(checkpoint_id).is_ok() { proved } else { found }
    }

    /// Evidence from the checkpoint on, with hops to the newest epoch that is wanted and to no later
    /// one.
    async fn grounds(&mut self, wanted: &ProofWanted) -> Option<Vec<u8>> {
        let server = self.servers.present().await.ok()?;
        let checkpoint_id = self.trusted.checkpoint().block_id;
        let client = Self::start_keeping_evidence(server, checkpoint_id).await.ok()?;
        let mut client = client.with_clock(self.clock);
        let known = client.trusted.newest_epoch().counter();
        let newest = wanted.newest_epoch.unwrap_or(known);
        while client.trusted.newest_epoch().counter() < newest {
            client.learns_of_later_epoch().await.ok().filter(|more| *more)?;
        }
        let mut file = client.ask(&wanted.question, Depth::Finality).await.ok()?.file?;
        if wanted.newest_epoch.is_some() {
            // Pages bring more.
            file.hops.truncate(usize::try_from(newest.saturating_sub(known)).ok()?);
        }
        Some(file.to_bytes())
    }

    /// Takes the answer of the present server for what it is, and goes on to the next server: an
    /// answer that breaks a rule sets its server aside, one that is of no use says nothing of it.
    ///
    /// # Errors
    /// When there is no other server, or the reason lies here.
    pub(super) fn reject(
        &mut self,
        rejection: Rejection,
        wrong: WrongAnswer,
        passed: &mut Passed,
    ) -> Result<(), AskError> {
        let is_ours = matches!(
            rejection,
            Rejection::Missing(Missing::Clock { .. } | Missing::TrustExpired { .. })
        );
        if !matches!(rejection, Rejection::Invalid(_)) {
            let error = AskError::rejected(self.servers.url(), rejection);
            return if !is_ours && self.servers.pass(passed) { Ok(()) } else { Err(error) };
        }
        let seen_at_ms = self.clock.timing()?.now_ms();
        let checkpoint_id = self.trusted.checkpoint().block_id;
        let misbehaviour = misbehaviour(self.servers.url(), checkpoint_id, seen_at_ms, wrong);
        set_aside(&mut self.servers, &mut self.lies, rejection.into(), misbehaviour)
    }
}

/// What shows a wrong answer to others, if it breaks a rule.
pub(super) fn misbehaviour(
    url: &str,
    checkpoint_id: Identifier,
    seen_at_ms: u64,
    wrong: WrongAnswer,
) -> Option<Misbehaviour> {
    let act = Act::WrongAnswer(Box::new(wrong));
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
        Fault::Rejected(rejection) => AskError::rejected(&url, rejection),
        fault => AskError::Misled { url, fault },
    })
}
