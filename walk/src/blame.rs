//! Answers that do not verify: what becomes of the server, and of what it said.

use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use strum::IntoStaticStr;
use thiserror::Error;
use weir_protocol::model::Identifier;
use weir_protocol::request::Depth;
use weir_verifier::{Act, Misbehaviour, ProofWanted, Rejection, WrongAnswer};

use crate::asking::{Asking, Attempt};
use crate::{AskError, TransportError, Walker, walker};

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

/// Decides whether something shows misbehaviour, from the checkpoint on.
///
/// With one, a walk makes of wrong answers what shows them to others. A host that never shows them does
/// without, and without the code that it takes: it is reached through here alone.
#[derive(Clone, Copy, Debug)]
pub struct Judge(pub(crate) fn(&Misbehaviour, Identifier) -> bool);

impl Judge {
    /// As [`Misbehaviour::verify`] decides.
    #[must_use]
    pub fn new() -> Self {
        Self(|found, checkpoint_id| found.verify(checkpoint_id).is_ok())
    }
}

impl Default for Judge {
    fn default() -> Self {
        Self::new()
    }
}

/// What a user should know of a server that did nothing wrong.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum Remark {
    /// It refused what another server proves.
    #[error("{refusal}; {proved_by} proves it")]
    Refused {
        /// What it said.
        refusal: TransportError,
        /// Who proves it.
        proved_by: String,
    },
    /// Its newest block is older than one that is proved already.
    #[error(transparent)]
    Stale(#[from] Stale),
}

/// A server's newest block is older than one that is proved already.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{url} is behind: its newest block is at height {found}, height {known} is proved already")]
pub struct Stale {
    /// The server.
    pub url: String,
    /// Height of its newest block.
    pub found: u64,
    /// Height that is proved.
    pub known: u64,
}

/// Why a server is set aside.
#[derive(Clone, Debug, PartialEq, IntoStaticStr, Error)]
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

impl Asking {
    /// Takes the answer of the present peer for what it is, and goes on to the next one: an answer
    /// that breaks a rule sets its server aside, and `wrong` shows it to others; one that is of no use
    /// says nothing of its server.
    ///
    /// # Errors
    /// When there is nobody left to ask, or the reason lies here.
    pub(crate) fn reject(
        &mut self,
        rejection: Rejection,
        attempt: &mut Attempt,
        wrong: impl FnOnce() -> WrongAnswer,
    ) -> Result<(), AskError> {
        if rejection.is_about_time() {
            return Err(AskError::rejected(self.url(), rejection));
        }
        if !matches!(rejection, Rejection::Invalid(_)) {
            return self.pass_for(AskError::rejected(self.url(), rejection), attempt);
        }
        let misbehaviour = self.misbehaviour(self.present(), wrong())?;
        let (url, fault) = (self.url().to_string(), rejection.into());
        self.set_aside(Lie { url, fault, misbehaviour }, attempt)
    }

    /// What shows a peer's wrong answer to others, if it breaks a rule.
    pub(crate) fn misbehaviour(
        &self,
        peer: usize,
        wrong: WrongAnswer,
    ) -> Result<Option<Misbehaviour>, AskError> {
        let act = Act::WrongAnswer(Box::new(wrong));
        let (server, seen_at_ms) = (self.names()[peer].clone(), self.timing()?.now_ms());
        let found = Misbehaviour { server, seen_at_ms, act };
        Ok(self.judged(found))
    }
}

impl Walker {
    /// From now on makes of wrong answers what shows them to others.
    pub fn set_judge(&mut self, judge: Judge) {
        self.asking.judge = Some(judge);
    }

    /// Adds to what shows wrong answers that were signed the evidence of what was trusted then, from
    /// the checkpoint on, as far as there is a server left that gives it: then everybody who has the
    /// checkpoint can check them.
    pub async fn prove_lies(&mut self) {
        for index in 0..self.asking.lies.len() {
            if let Some(found) = self.asking.lies[index].misbehaviour.take() {
                self.asking.lies[index].misbehaviour = Some(self.with_grounds(found).await);
            }
        }
    }

    /// As [`Self::prove_lies`] does with one.
    pub(crate) async fn with_grounds(&self, found: Misbehaviour) -> Misbehaviour {
        let Act::WrongAnswer(wrong) = &found.act else { return found };
        let Some(wanted) = wrong.proof_wanted() else { return found };
        let Some(file) = self.grounds(&wanted).await else { return found };
        let act = Act::WrongAnswer(Box::new((**wrong).clone().with_proof(file)));
        let proved = Misbehaviour { act, ..found.clone() };
        self.asking.judged(proved).unwrap_or(found)
    }

    /// Evidence from the checkpoint on, with hops to the newest epoch that is wanted and to no later
    /// one.
    async fn grounds(&self, wanted: &ProofWanted) -> Option<Vec<u8>> {
        let mut walker = self.anew_with(self.asking.present()).await?;
        let known = walker.trusted().newest_epoch().counter();
        let newest = wanted.newest_epoch.unwrap_or(known);
        while walker.trusted().newest_epoch().counter() < newest {
            walker.learns_of_later_epoch().await.ok().filter(|more| *more)?;
        }
        let mut file = walker.ask(&wanted.question, Depth::Finality).await.ok()?.file?;
        if wanted.newest_epoch.is_some() {
            // Pages bring more.
            file.hops.truncate(usize::try_from(newest.saturating_sub(known)).ok()?);
        }
        Some(file.to_bytes())
    }

    /// A walker that begins anew at the checkpoint with one peer, and keeps evidence.
    pub(crate) async fn anew_with(&self, peer: usize) -> Option<Self> {
        walker::begin(self.asking.alone_with(peer)).await.ok()
    }
}
