//! From a checkpoint to the head, and from a question to its answer: which evidence to fetch next,
//! and when to stop.

mod blame;
mod clock;
mod error;
mod states;
mod tree;
pub mod watch;
mod witnesses;

use weir_proto::weir::v1::Proof;
use weir_protocol::evidence::{Bundle, Evidence, HOPS_MAX, Question, Selector, Topic};
use weir_protocol::model::Identifier;

use crate::transport::{Health, Request, Servers};
use weir_verifier::{
    Answer, Asked, HopsApplied, Missing, Rejection, Timing, Trust, TrustedState, Verified,
    Violation,
};

pub use blame::{Fault, Lie};
pub use clock::ClockOptions;
pub use error::AskError;
pub use witnesses::{Testimony, Verdict};

/// A verified answer, and the evidence for it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The answer.
    pub answer: Verified<Answer>,
    /// Checkpoint, hops and answer in one, which stands alone, if the client keeps evidence;
    /// otherwise what this answer took.
    pub evidence: Evidence,
    /// Epochs walked.
    pub hops: u64,
    /// Bytes of evidence received.
    pub bytes_received: u64,
}

/// How far a client has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Newest epoch proved.
    pub epoch_counter: u64,
    /// Epoch of the checkpoint.
    pub first_epoch_counter: u64,
    /// Newest epoch, as the server says; nothing proves it.
    pub target_epoch_counter: u64,
    /// Bytes of evidence received.
    pub bytes_received: u64,
}

/// A client of one server, or of several.
///
/// Another server is asked when one gives no answer, and when an answer does not verify; see
/// [`Self::lies`] for the latter.
#[derive(Debug)]
pub struct LightClient {
    servers: Servers,
    trusted: TrustedState,
    clock: ClockOptions,
    path: Option<Evidence>,
    hops: u64,
    bytes_received: u64,
    lies: Vec<Lie>,
}

impl LightClient {
    /// Fetches and verifies the checkpoint.
    ///
    /// # Errors
    /// When the server does not answer, does not know the block, or its evidence fails.
    pub async fn start(
        servers: impl Into<Servers>,
        checkpoint_id: Identifier,
    ) -> Result<Self, AskError> {
        let client = Self::start_keeping_evidence(servers, checkpoint_id).await?;
        Ok(Self { path: None, ..client })
    }

    /// As [`Self::start`], and keeps the evidence from the checkpoint on, so that answers can be
    /// saved and shown to others.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_keeping_evidence(
        servers: impl Into<Servers>,
        checkpoint_id: Identifier,
    ) -> Result<Self, AskError> {
        let (mut servers, mut lies) = (servers.into(), Vec::new());
        loop {
            let reply = servers.send(&Request::Checkpoint { block_id: checkpoint_id }).await?;
            match open_checkpoint(checkpoint_id, &reply.bytes) {
                Ok((trusted, evidence)) => {
                    let bytes_received = reply.bytes.len() as u64;
                    let client = Self::resume(servers, trusted.into_value());
                    return Ok(Self { path: Some(evidence), bytes_received, lies, ..client });
                }
                Err(rejection) => {
                    let now_ms = ClockOptions::default().timing()?.now_ms();
                    let said = (Asked::Checkpoint, reply);
                    let shown = blame::misbehaviour(servers.url(), checkpoint_id, now_ms, said);
                    blame::set_aside(&mut servers, &mut lies, rejection.into(), shown)?;
                }
            }
        }
    }

    /// Goes on from what was trusted before.
    #[must_use]
    pub fn resume(servers: impl Into<Servers>, trusted: TrustedState) -> Self {
        Self {
            servers: servers.into(),
            trusted,
            clock: ClockOptions::default(),
            path: None,
            hops: 0,
            bytes_received: 0,
            lies: Vec::new(),
        }
    }

    /// Uses these bounds on time, and this clock.
    #[must_use]
    pub fn with_clock(self, clock: ClockOptions) -> Self {
        Self { clock, ..self }
    }

    /// Walks to the newest epoch and proves the newest final block, telling `progress` of each page
    /// and of what is trusted by then.
    ///
    /// # Errors
    /// When the server does not answer, or its evidence fails.
    pub async fn sync(
        &mut self,
        mut progress: impl FnMut(&Progress, &TrustedState),
    ) -> Result<Outcome, AskError> {
        let target_epoch_counter = self.servers.info().await?.epoch_counter;
        let first_epoch_counter = self.trusted.oldest_epoch().counter();
        for _ in 0..=HOPS_MAX {
            let more = self.page().await?;
            let reached = Progress {
                epoch_counter: self.trusted.newest_epoch().counter(),
                first_epoch_counter,
                target_epoch_counter,
                bytes_received: self.bytes_received,
            };
            progress(&reached, &self.trusted);
            if !more {
                let head = Question { block: Selector::LatestFinalized, topic: Topic::Snapshot };
                return self.ask(&head, Proof::Unspecified).await;
            }
        }
        Err(self.too_many_hops())
    }

    /// Asks one question, walking as many epochs as it takes.
    ///
    /// # Errors
    /// When the server does not answer, or its evidence fails.
    pub async fn ask(&mut self, question: &Question, proof: Proof) -> Result<Outcome, AskError> {
        let verify = |trusted: &mut TrustedState, evidence: &Evidence, timing: &Timing| {
            let answer = trusted.verify(question, evidence, timing)?;
            Ok((answer.trust, answer))
        };
        let (answer, evidence) = self.ask_and_verify(question, proof, verify).await?;
        self.outcome(answer, evidence)
    }

    /// What `verify` makes of the answer, and the evidence; it says how far the block is proved.
    async fn ask_and_verify<T>(
        &mut self,
        question: &Question,
        proof: Proof,
        verify: impl Fn(&mut TrustedState, &Evidence, &Timing) -> Result<(Trust, T), Rejection>,
    ) -> Result<(T, Evidence), AskError> {
        for _ in 0..=HOPS_MAX {
            let (asked, held) = (question.clone(), self.trusted.held());
            let request = Request::Question { question: asked, held, proof };
            let reply = self.servers.send(&request).await?;
            self.bytes_received += reply.bytes.len() as u64;
            let timing = self.clock.timing()?;
            let rejection = match self.open(&reply.bytes, &timing, &verify) {
                Ok((trust, verified, evidence)) => {
                    if trust.leaves_seal(&evidence) && self.learns_of_later_epoch().await? {
                        continue;
                    }
                    return Ok((verified, evidence));
                }
                Err(Rejection::NotEnough(Missing::LaterEpoch { newest_known })) => {
                    if self.learns_of_later_epoch().await? {
                        continue;
                    }
                    Missing::LaterEpoch { newest_known }.into()
                }
                Err(rejection) => rejection,
            };
            let asked = self.asked(question, proof);
            self.reject(rejection, Some((asked, reply)))?;
        }
        Err(self.too_many_hops())
    }

    /// Decodes and verifies an answer.
    ///
    /// Saved evidence is checked from its hops alone, so while it is kept, answers add nothing to
    /// what the next ones build on.
    fn open<T>(
        &mut self,
        bytes: &[u8],
        timing: &Timing,
        verify: impl Fn(&mut TrustedState, &Evidence, &Timing) -> Result<(Trust, T), Rejection>,
    ) -> Result<(Trust, T, Evidence), Rejection> {
        let evidence = decode(bytes)?;
        let (trust, verified) = match self.path {
            Some(_) => verify(&mut self.trusted.clone(), &evidence, timing)?,
            None => verify(&mut self.trusted, &evidence, timing)?,
        };
        Ok((trust, verified, evidence))
    }

    /// The servers, by preference, and how they are.
    pub fn health(&self) -> impl Iterator<Item = (&str, &Health)> {
        self.servers.health()
    }

    /// What is trusted so far.
    #[must_use]
    pub fn trusted(&self) -> &TrustedState {
        &self.trusted
    }

    /// Epochs walked so far.
    #[must_use]
    pub fn hops(&self) -> u64 {
        self.hops
    }

    /// Bytes of evidence received so far.
    #[must_use]
    pub fn bytes_received(&self) -> u64 {
        self.bytes_received
    }

    /// Fetches and applies one page of hops; whether it had one.
    async fn learns_of_later_epoch(&mut self) -> Result<bool, AskError> {
        let newest_known = self.trusted.newest_epoch().counter();
        self.page().await?;
        Ok(self.trusted.newest_epoch().counter() > newest_known)
    }

    /// Fetches and applies one page of hops; whether there are more.
    async fn page(&mut self) -> Result<bool, AskError> {
        loop {
            let epoch_counter = self.trusted.newest_epoch().counter();
            let request = Request::EpochHops { epoch_counter, held: self.trusted.held() };
            let reply = self.servers.send(&request).await?;
            self.bytes_received += reply.bytes.len() as u64;
            let timing = self.clock.timing()?;
            let before = self.trusted.clone();
            match self.apply(&reply.bytes, &timing) {
                Ok(applied) => return Ok(applied.more && applied.applied > 0),
                Err(rejection) => {
                    let trusted = before.to_bytes();
                    if self.path.is_some() {
                        // What is kept of the way here has no part of this page.
                        self.trusted = before;
                    }
                    self.reject(rejection, Some((Asked::EpochHops { trusted }, reply)))?;
                }
            }
        }
    }

    fn apply(&mut self, bytes: &[u8], timing: &Timing) -> Result<HopsApplied, Rejection> {
        let page = decode(bytes)?;
        let applied = self.trusted.apply_hops(&page, timing)?;
        self.hops += applied.applied;
        if let Some(path) = &mut self.path {
            path.merge(page);
        }
        Ok(applied)
    }

    fn outcome(&self, answer: Verified<Answer>, evidence: Evidence) -> Result<Outcome, AskError> {
        let evidence = match &self.path {
            Some(path) => self.standing_alone(path.clone(), evidence)?,
            None => evidence,
        };
        let (hops, bytes_received) = (self.hops, self.bytes_received);
        Ok(Outcome { answer, evidence, hops, bytes_received })
    }

    /// Checkpoint, hops and answer in one. The bundle is opened before the hops, so in it nothing
    /// may be a delta against what only the hops bring.
    fn standing_alone(&self, mut path: Evidence, answer: Evidence) -> Result<Evidence, AskError> {
        let expanded = answer.bundle.expand(&[self.trusted.preimages()]);
        let preimages = expanded.map_err(|error| {
            AskError::rejected(self.servers.url(), Violation::Delta(error).into())
        })?;
        path.merge(Evidence { bundle: Bundle::whole(preimages), ..answer });
        Ok(path)
    }

    fn too_many_hops(&self) -> AskError {
        AskError::TooManyHops { url: self.servers.url().to_owned() }
    }
}

fn decode(bytes: &[u8]) -> Result<Evidence, Violation> {
    Evidence::from_bytes(bytes).map_err(Violation::Evidence)
}

fn open_checkpoint(
    checkpoint_id: Identifier,
    bytes: &[u8],
) -> Result<(Verified<TrustedState>, Evidence), Rejection> {
    let evidence = decode(bytes)?;
    let trusted = TrustedState::from_checkpoint(checkpoint_id, &evidence)?;
    Ok((trusted, evidence))
}
