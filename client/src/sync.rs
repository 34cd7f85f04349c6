//! From a checkpoint to the head, and from a question to its answer: which evidence to fetch next,
//! and when to stop.

use std::time::{SystemTime, UNIX_EPOCH};

use thiserror::Error;
use weir_proto::weir::v1::{Held, Proof};
use weir_protocol::evidence::{
    Bundle, Evidence, EvidenceError, HOPS_MAX, IdentityFilter, Question, Selector, Topic,
};
use weir_protocol::model::Identifier;
use weir_protocol::snapshot_tree::{TreeAnswer, TreeQuestion};

use crate::transport::{Server, TransportError};
use crate::verifier::{
    Anchor, Answer, Missing, Rejection, Timing, TimingError, TreeRoot, TrustedState, Verified,
    Violation, committed_tree_root, derive_tree_root, verify_tree,
};

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

/// What the caller's clock says, and the bounds it sets; see [`Timing`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ClockOptions {
    /// Milliseconds; the widest period unless set.
    pub trusting_period_ms: Option<u64>,
    /// Milliseconds; half a minute unless set.
    pub clock_skew_ms: Option<u64>,
    /// Unix milliseconds; the system's clock unless set.
    pub now_ms: Option<u64>,
}

impl ClockOptions {
    /// The time and its bounds.
    ///
    /// # Errors
    /// When a bound is outside its range.
    pub fn timing(&self) -> Result<Timing, TimingError> {
        let system_ms = || {
            let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
        };
        let mut timing = Timing::at(self.now_ms.unwrap_or_else(system_ms));
        if let Some(period) = self.trusting_period_ms {
            timing = timing.with_trusting_period_ms(period)?;
        }
        if let Some(skew) = self.clock_skew_ms {
            timing = timing.with_clock_skew_ms(skew)?;
        }
        Ok(timing)
    }
}

/// A client of one server.
#[derive(Debug)]
pub struct LightClient {
    server: Server,
    trusted: TrustedState,
    clock: ClockOptions,
    path: Option<Evidence>,
    hops: u64,
    bytes_received: u64,
}

impl LightClient {
    /// Fetches and verifies the checkpoint.
    ///
    /// # Errors
    /// When the server does not answer, does not know the block, or its evidence fails.
    pub async fn start(server: Server, checkpoint_id: Identifier) -> Result<Self, AskError> {
        let client = Self::start_keeping_evidence(server, checkpoint_id).await?;
        Ok(Self { path: None, ..client })
    }

    /// As [`Self::start`], and keeps the evidence from the checkpoint on, so that answers can be
    /// saved and shown to others.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_keeping_evidence(
        mut server: Server,
        checkpoint_id: Identifier,
    ) -> Result<Self, AskError> {
        let bytes = server.checkpoint(checkpoint_id).await?;
        let evidence = decode(&server, &bytes)?;
        let trusted = TrustedState::from_checkpoint(checkpoint_id, &evidence)
            .map_err(|rejection| AskError::rejected(&server, rejection))?
            .into_value();
        let client = Self::resume(server, trusted);
        Ok(Self { path: Some(evidence), bytes_received: bytes.len() as u64, ..client })
    }

    /// Goes on from what was trusted before.
    #[must_use]
    pub fn resume(server: Server, trusted: TrustedState) -> Self {
        let clock = ClockOptions::default();
        Self { server, trusted, clock, path: None, hops: 0, bytes_received: 0 }
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
        let target_epoch_counter = self.server.info().await?.epoch_counter;
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
        self.ask_and_read(question, proof, |_, _| Ok(())).await.map(|(outcome, ())| outcome)
    }

    /// The snapshot tree's root at a block: the one that the block's protocol state commits to, or
    /// else derived from the setups of its epochs, which are fetched.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn tree_root(&mut self, block: Selector) -> Result<Verified<TreeRoot>, AskError> {
        let question = Question { block, topic: Topic::Snapshot };
        let read = |trusted: &TrustedState, evidence: &Evidence| {
            let (anchor, held) = (Anchor::Trusted(trusted), trusted.preimages());
            match committed_tree_root(anchor, block, evidence, held) {
                Err(Rejection::NotEnough(Missing::CommittedTree { block_id, .. })) => {
                    Ok(Err(block_id))
                }
                root => root.map(Ok),
            }
        };
        let (_, root) = self.ask_and_read(&question, Proof::Sealed, read).await?;
        let block = match root {
            Ok(root) => return Ok(root),
            Err(block_id) => Selector::Id(block_id),
        };
        let topic = Topic::Identities(IdentityFilter::default());
        let question = Question { block, topic };
        let read = |trusted: &TrustedState, evidence: &Evidence| {
            derive_tree_root(Anchor::Trusted(trusted), &question, evidence, trusted.preimages())
        };
        self.ask_and_read(&question, Proof::Sealed, read).await.map(|(_, root)| root)
    }

    /// The answer to a question about the snapshot tree at a block, and the tree's root.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn ask_tree(
        &mut self,
        block: Selector,
        question: &TreeQuestion,
    ) -> Result<(Verified<TreeRoot>, Verified<TreeAnswer>), AskError> {
        let root = self.tree_root(block).await?;
        let proof = self.server.tree_proof(Selector::Id(root.block_id), question).await?;
        self.bytes_received += proof.len() as u64;
        let answer = verify_tree(root.root, question, &proof)
            .map_err(|rejection| AskError::rejected(&self.server, rejection))?;
        Ok((root, answer))
    }

    /// As [`Self::ask`], and reads something else from the evidence with what is trusted before it.
    async fn ask_and_read<T>(
        &mut self,
        question: &Question,
        proof: Proof,
        read: impl Fn(&TrustedState, &Evidence) -> Result<T, Rejection>,
    ) -> Result<(Outcome, T), AskError> {
        for _ in 0..=HOPS_MAX {
            let bytes = self.server.ask(question, self.held(), proof).await?;
            self.bytes_received += bytes.len() as u64;
            let evidence = decode(&self.server, &bytes)?;
            let timing = self.clock.timing()?;
            let read = read(&self.trusted, &evidence);
            let both = read.and_then(|read| {
                self.verify(question, &evidence, &timing).map(|answer| (answer, read))
            });
            match both {
                Ok((answer, read)) => return Ok((self.outcome(answer, evidence)?, read)),
                Err(Rejection::NotEnough(Missing::LaterEpoch { newest_known })) => {
                    self.page().await?;
                    if self.trusted.newest_epoch().counter() <= newest_known {
                        let missing = Missing::LaterEpoch { newest_known };
                        return Err(AskError::rejected(&self.server, missing.into()));
                    }
                }
                Err(rejection) => return Err(AskError::rejected(&self.server, rejection)),
            }
        }
        Err(self.too_many_hops())
    }

    /// Saved evidence is checked from its hops alone, so while it is kept, answers add nothing to
    /// what the next ones build on.
    fn verify(
        &mut self,
        question: &Question,
        evidence: &Evidence,
        timing: &Timing,
    ) -> Result<Verified<Answer>, Rejection> {
        match self.path {
            Some(_) => self.trusted.clone().verify(question, evidence, timing),
            None => self.trusted.verify(question, evidence, timing),
        }
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

    /// Fetches and applies one page of hops; whether there are more.
    async fn page(&mut self) -> Result<bool, AskError> {
        let from = self.trusted.newest_epoch().counter();
        let bytes = self.server.epoch_hops(from, self.held()).await?;
        self.bytes_received += bytes.len() as u64;
        let page = decode(&self.server, &bytes)?;
        let applied = self
            .trusted
            .apply_hops(&page, &self.clock.timing()?)
            .map_err(|rejection| AskError::rejected(&self.server, rejection))?;
        self.hops += applied.applied;
        if let Some(path) = &mut self.path {
            path.merge(page);
        }
        Ok(applied.more && applied.applied > 0)
    }

    fn held(&self) -> Held {
        let id = |id: &Identifier| id.0.to_vec().into();
        Held {
            checkpoint_id: id(&self.trusted.checkpoint().block_id),
            head_id: id(&self.trusted.head().block_id),
            newest_epoch_counter: self.trusted.newest_epoch().counter(),
            preimage_ids: self.trusted.preimages().ids().take(HELD_IDS_MAX).map(id).collect(),
        }
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
        let preimages = expanded
            .map_err(|error| AskError::rejected(&self.server, Violation::Delta(error).into()))?;
        path.merge(Evidence { bundle: Bundle::whole(preimages), ..answer });
        Ok(path)
    }

    fn too_many_hops(&self) -> AskError {
        AskError::TooManyHops { url: self.server.url().to_owned() }
    }
}

fn decode(server: &Server, bytes: &[u8]) -> Result<Evidence, AskError> {
    Evidence::from_bytes(bytes).map_err(|source: EvidenceError| {
        AskError::rejected(server, Violation::Evidence(source).into())
    })
}

/// Why a question has no verified answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AskError {
    /// The server gave no answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The evidence does not verify.
    #[error("answer of {url}: {rejection}")]
    Rejected {
        /// The server that sent it.
        url: String,
        /// Why.
        rejection: Rejection,
    },
    /// A bound on time is out of range.
    #[error(transparent)]
    Timing(#[from] TimingError),
    /// The server leads from epoch to epoch without end.
    #[error("{url} leads through more than {HOPS_MAX} epochs")]
    TooManyHops {
        /// The server.
        url: String,
    },
}

impl AskError {
    fn rejected(server: &Server, rejection: Rejection) -> Self {
        Self::Rejected { url: server.url().to_owned(), rejection }
    }
}

/// Most IDs of held preimages named in one request.
pub const HELD_IDS_MAX: usize = 1024;
