//! From a checkpoint to the head, and from a question to its answer: which evidence to fetch next,
//! and when to stop.

mod blame;
mod clock;
mod error;
mod states;
mod tree;
pub mod watch;
mod witnesses;

use weir_protocol::evidence::{
    AnswerProof, Bundle, CheckpointProof, EvidenceFile, HOPS_MAX, Hop, HopsPage, Preimages,
};
use weir_protocol::model::Identifier;
use weir_protocol::request::{
    AnswerRequest, Depth, HopsRequest, MaxHops, Question, Request, Selector, Topic,
};

use crate::transport::{Health, Passed, Servers};
use weir_verifier::{
    Answer, Grounds, HopsApplied, Missing, ProvedBlock, Rejection, Timing, TrustedState, Verified,
    Violation, WrongAnswer,
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
    /// The evidence for it.
    pub proof: AnswerProof,
    /// Checkpoint, hops and answer in one, which stands alone, if the client keeps evidence.
    pub file: Option<EvidenceFile>,
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
    path: Option<(CheckpointProof, Vec<Hop>)>,
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
        let mut passed = Passed::default();
        loop {
            let request = Request::Checkpoint(checkpoint_id);
            let reply = servers.send(&request).await?;
            match open_checkpoint(checkpoint_id, &reply.bytes) {
                Ok((trusted, evidence)) => {
                    let bytes_received = reply.bytes.len() as u64;
                    let client = Self::resume(servers, trusted.into_value());
                    let path = Some((evidence, Vec::new()));
                    return Ok(Self { path, bytes_received, lies, ..client });
                }
                Err(rejection) if !matches!(rejection, Rejection::Invalid(_)) => {
                    let error = AskError::rejected(servers.url(), rejection);
                    if !servers.pass(&mut passed) {
                        return Err(error.after(lies));
                    }
                }
                Err(rejection) => {
                    let now_ms = ClockOptions::default().timing()?.now_ms();
                    let (answer, grounds) = (reply.bytes, Grounds::Named(Preimages::default()));
                    let wrong = WrongAnswer { request, answer, receipt: reply.receipt, grounds };
                    let shown = blame::misbehaviour(servers.url(), checkpoint_id, now_ms, wrong);
                    let left = blame::set_aside(&mut servers, &mut lies, rejection.into(), shown);
                    if let Err(error) = left {
                        return Err(error.after(lies));
                    }
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
                return self.ask(&head, Depth::Finality).await;
            }
        }
        Err(self.too_many_hops())
    }

    /// Asks one question, walking as many epochs as it takes.
    ///
    /// # Errors
    /// When the server does not answer, or its evidence fails.
    pub async fn ask(&mut self, question: &Question, depth: Depth) -> Result<Outcome, AskError> {
        let (answer, proof) = self.ask_and_read(question, depth, |block| block.answer()).await?;
        self.outcome(answer, proof)
    }

    /// What `read` makes of the block that is proved, and the evidence.
    async fn ask_and_read<T>(
        &mut self,
        question: &Question,
        depth: Depth,
        read: impl Fn(&ProvedBlock<'_>) -> Result<T, Rejection>,
    ) -> Result<(T, AnswerProof), AskError> {
        let with_seal = |block: &ProvedBlock<'_>| Ok((read(block)?, block.leaves_seal()));
        let mut passed = Passed::default();
        for _ in 0..=HOPS_MAX {
            let (asked, held) = (question.clone(), self.trusted.held());
            let request = Request::Answer(AnswerRequest { question: asked, held, depth });
            let reply = self.servers.send(&request).await?;
            self.bytes_received += reply.bytes.len() as u64;
            let timing = self.clock.timing()?;
            let rejection = match self.open(question, &reply.bytes, &timing, with_seal) {
                Ok(((value, leaves_seal), proof)) => {
                    if leaves_seal && self.learns_of_later_epoch().await? {
                        continue;
                    }
                    return Ok((value, proof));
                }
                Err(Rejection::Missing(Missing::LaterEpoch { newest_known })) => {
                    if self.learns_of_later_epoch().await? {
                        continue;
                    }
                    Missing::LaterEpoch { newest_known }.into()
                }
                Err(rejection) => rejection,
            };
            let wrong =
                WrongAnswer::new(request, reply.bytes, &self.trusted).with_receipt(reply.receipt);
            self.reject(rejection, wrong, &mut passed)?;
        }
        Err(self.too_many_hops())
    }

    /// Decodes and verifies an answer.
    ///
    /// Saved evidence is checked from its hops alone, so while it is kept, answers add nothing to
    /// what the next ones build on.
    fn open<T>(
        &mut self,
        question: &Question,
        bytes: &[u8],
        timing: &Timing,
        read: impl Fn(&ProvedBlock<'_>) -> Result<T, Rejection>,
    ) -> Result<(T, AnswerProof), Rejection> {
        let proof = AnswerProof::from_bytes(bytes)?;
        let value = match self.path {
            Some(_) => self.trusted.clone().read(question, &proof, timing, read)?,
            None => self.trusted.read(question, &proof, timing, read)?,
        };
        Ok((value, proof))
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
        let mut passed = Passed::default();
        loop {
            let epoch_counter = self.trusted.newest_epoch().counter();
            let (held, max_hops) = (self.trusted.held(), MaxHops::LEFT_TO_SERVER);
            let request = Request::EpochHops(HopsRequest { epoch_counter, held, max_hops });
            let reply = self.servers.send(&request).await?;
            self.bytes_received += reply.bytes.len() as u64;
            let timing = self.clock.timing()?;
            let before = self.trusted.clone();
            match self.apply(&reply.bytes, &timing) {
                Ok(applied) => return Ok(applied.more && applied.applied > 0),
                Err(rejection) => {
                    let wrong =
                        WrongAnswer::new(request, reply.bytes, &before).with_receipt(reply.receipt);
                    if self.path.is_some() {
                        // What is kept of the way here has no part of this page.
                        self.trusted = before;
                    }
                    self.reject(rejection, wrong, &mut passed)?;
                }
            }
        }
    }

    fn apply(&mut self, bytes: &[u8], timing: &Timing) -> Result<HopsApplied, Rejection> {
        let page = HopsPage::from_bytes(bytes)?;
        let applied = self.trusted.apply_hops(&page, timing)?;
        self.hops += applied.applied;
        if let Some((_, hops)) = &mut self.path {
            hops.extend(page.hops);
        }
        Ok(applied)
    }

    fn outcome(&self, answer: Verified<Answer>, proof: AnswerProof) -> Result<Outcome, AskError> {
        let file = match &self.path {
            Some((checkpoint, hops)) => {
                let answer = self.whole(&proof)?;
                Some(EvidenceFile::new(checkpoint.clone(), hops.clone(), answer))
            }
            None => None,
        };
        let (hops, bytes_received) = (self.hops, self.bytes_received);
        Ok(Outcome { answer, proof, file, hops, bytes_received })
    }

    /// The evidence without deltas against what only the hops bring.
    fn whole(&self, proof: &AnswerProof) -> Result<AnswerProof, AskError> {
        let expanded = proof.bundle.expand(&[self.trusted.preimages()]);
        let preimages = expanded.map_err(|error| {
            AskError::rejected(self.servers.url(), Violation::Delta(error).into())
        })?;
        Ok(AnswerProof { bundle: Bundle::whole(preimages), ..proof.clone() })
    }

    fn too_many_hops(&self) -> AskError {
        AskError::TooManyHops { url: self.servers.url().to_owned() }
    }
}

fn open_checkpoint(
    checkpoint_id: Identifier,
    bytes: &[u8],
) -> Result<(Verified<TrustedState>, CheckpointProof), Rejection> {
    let evidence = CheckpointProof::from_bytes(bytes)?;
    let trusted = TrustedState::from_checkpoint(checkpoint_id, &evidence)?;
    Ok((trusted, evidence))
}
