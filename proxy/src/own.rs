//! The proxy's own light client: what it proves for itself, from the operator's checkpoint.
//!
//! It is no walk of `weir-walk`: a walk is one client that waits for each answer in turn, while many
//! requests ask here at once and go on from whatever state the furthest of them reached.

use std::sync::{Arc, Mutex, PoisonError};

use prost::bytes::Bytes;
use quick_cache::sync::Cache;
use tonic::{Code, Status};
use weir_protocol::evidence::{AnswerProof, CheckpointProof, HopsPage};
use weir_protocol::model::Identifier;
use weir_protocol::request::{
    AnswerRequest, Depth, HopsRequest, MaxHops, Question, Request, Selector, Topic,
};
use weir_verifier::{Answer, Rejection, Trust, TrustedState};

use crate::cache::{self, proven};
use crate::check::{Checked, Checker, blocking};
use crate::fault::{Failed, Fault, needs_later_epoch, needs_newer};
use crate::needed::check_checkpoint;
use crate::newest::Newest;
use crate::options::ProxyOptions;
use crate::upgrade;
use crate::upstream::{Upstream, Upstreams};

/// The chain, as far as it is proved from the operator's checkpoint.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) upstreams: Upstreams,
    pub(crate) checker: Checker,
    pub(crate) checkpoint_id: Identifier,
    pub(crate) newest: Newest,
    /// Blocks proved sealed, about which nothing changes any more.
    proven: Cache<Identifier, Arc<Proven>, cache::Bytes>,
    state: Mutex<Arc<TrustedState>>,
}

/// An answer that the proxy proved for itself.
#[derive(Debug)]
pub(crate) struct Proven {
    pub(crate) answer: Answer,
    pub(crate) evidence: Arc<AnswerProof>,
    /// What the evidence was checked with.
    pub(crate) state: Arc<TrustedState>,
    /// Bytes of the evidence and of the preimages beside it, about.
    pub(crate) evidence_bytes: u64,
}

impl Proven {
    fn new(
        answer: Answer,
        evidence: Arc<AnswerProof>,
        state: Arc<TrustedState>,
        bytes: &[u8],
    ) -> Self {
        let evidence_bytes = (bytes.len() + state.preimages().bytes()) as u64;
        Self { answer, evidence, state, evidence_bytes }
    }
}

/// Where pages of hops lead.
#[derive(Debug)]
pub(crate) struct Later {
    pub(crate) state: Arc<TrustedState>,
    /// Whether there are more.
    pub(crate) more: bool,
    /// Why it goes no further, where only a newer version can know the next epoch.
    pub(crate) beyond: Option<Rejection>,
}

impl Own {
    /// Proves the operator's checkpoint.
    pub(crate) async fn start(
        options: &ProxyOptions,
        upstreams: Upstreams,
    ) -> Result<Self, Status> {
        let checkpoint_id = options.checkpoint_id;
        let begun = checkpoint(&upstreams, checkpoint_id).await?;
        let (_, state) = begun.map_err(needs_newer)?;
        Ok(Self {
            upstreams,
            checker: Checker::new(options.clock),
            checkpoint_id,
            newest: Newest::default(),
            proven: proven(),
            state: Mutex::new(Arc::new(state)),
        })
    }

    /// What is trusted so far.
    pub(crate) fn state(&self) -> Arc<TrustedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Goes on from a later state.
    fn adopt(&self, state: TrustedState) {
        let reached = |state: &TrustedState| (state.newest_epoch().counter(), state.head().height);
        let mut own = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if reached(&own) < reached(&state) {
            upgrade::warn(&own, &state);
            *own = Arc::new(state);
        }
    }

    /// Evidence for a checkpoint, and the state that begins there.
    pub(crate) async fn checkpoint(
        &self,
        block_id: Identifier,
    ) -> Result<Result<(Bytes, TrustedState), Rejection>, Status> {
        checkpoint(&self.upstreams, block_id).await
    }

    /// Asks a question of the proxy's own, walking as many epochs as it takes.
    pub(crate) async fn ask(&self, question: &Question, depth: Depth) -> Result<Proven, Failed> {
        let mut turn = self.upstreams.turn();
        while let Some(upstream) = turn.next() {
            match self.ask_one(upstream, question, depth).await {
                Ok(proven) => {
                    self.newest.saw(&proven.answer);
                    return Ok(proven);
                }
                Err(fault) => turn.failed(upstream, fault)?,
            }
        }
        match turn.unproved.take() {
            Some(unproved) => Err(Failed::Unproved(unproved)),
            None => Err(turn.over().into()),
        }
    }

    async fn ask_one(
        &self,
        upstream: &Upstream,
        question: &Question,
        depth: Depth,
    ) -> Result<Proven, Fault> {
        let mut state = self.state();
        loop {
            let (question, held) = (question.clone(), state.held());
            let asked = AnswerRequest { question, held, depth };
            let bytes = upstream.send(&Request::Answer(asked.clone())).await?;
            let evidence = Arc::new(AnswerProof::from_bytes(&bytes)?);
            let about = (&asked.question, &evidence);
            let checked = self.checker.verify(&state, state.preimages(), about).await?;
            let (unsealed, needs) = match checked {
                Ok(Checked { answer, leaves_seal: true, .. }) => {
                    (Some(answer), "its seal is not proved".to_owned())
                }
                Ok(Checked { answer, state: after, .. }) => {
                    self.adopt(after);
                    return Ok(Proven::new(answer, evidence, state, &bytes));
                }
                Err(rejection) if needs_later_epoch(&rejection) => (None, rejection.to_string()),
                Err(rejection) => return Err(Fault::of(rejection, evidence)),
            };
            let later = self.page(&state, MaxHops::LEFT_TO_SERVER).await.map_err(Fault::Ours)?;
            if later.state.newest_epoch().counter() <= state.newest_epoch().counter() {
                return match (later.beyond, unsealed) {
                    (None, _) => Err(Fault::Wrong(needs)),
                    (Some(_), Some(answer)) => Ok(Proven::new(answer, evidence, state, &bytes)),
                    (Some(beyond), None) => Err(Fault::of(beyond, evidence)),
                };
            }
            self.adopt(TrustedState::clone(&later.state));
            state = later.state;
        }
    }

    /// The next page of hops from a state; the state itself where the upstreams know no later epoch,
    /// or only a newer version does.
    pub(crate) async fn page(
        &self,
        state: &Arc<TrustedState>,
        max_hops: MaxHops,
    ) -> Result<Later, Status> {
        let (epoch_counter, held) = (state.newest_epoch().counter(), state.held());
        let request = Request::EpochHops(HopsRequest { epoch_counter, held, max_hops });
        let mut turn = self.upstreams.turn();
        let mut beyond = None;
        while let Some(upstream) = turn.next() {
            match self.page_one(upstream, state, &request).await {
                Ok(Ok((next, page))) => {
                    return Ok(Later { state: Arc::new(next), more: page.more, beyond: None });
                }
                Ok(Err(rejection)) if rejection.is_about_version() => beyond = Some(rejection),
                Ok(Err(rejection)) => turn.failed(upstream, rejection.into())?,
                Err(fault) => turn.failed(upstream, fault)?,
            }
        }
        // Those that lag do not know the epoch.
        if beyond.is_some() || turn.is_refused() {
            return Ok(Later { state: state.clone(), more: false, beyond });
        }
        Err(turn.over())
    }

    async fn page_one(
        &self,
        upstream: &Upstream,
        state: &Arc<TrustedState>,
        request: &Request,
    ) -> Result<Result<(TrustedState, HopsPage), Rejection>, Fault> {
        let bytes = upstream.send(request).await?;
        self.checker.apply(state, state.preimages(), &bytes).await
    }

    /// What the proxy proves of a block: how far it is, its state, and its seal. A block that nothing
    /// certifies is proved by its hash alone.
    pub(crate) async fn prove(&self, block_id: Identifier) -> Result<Arc<Proven>, Status> {
        if let Some(proven) = self.proven.get(&block_id) {
            return Ok(proven);
        }
        let question = Question { block: Selector::Id(block_id), topic: Topic::Snapshot };
        let proven = match self.ask(&question, Depth::Seal).await {
            Ok(proven) => Arc::new(proven),
            Err(Failed::Status(status)) => return Err(status),
            Err(Failed::Unproved(unproved)) => {
                let (state, evidence) = (self.state(), unproved.evidence);
                let answer = self.checker.answer_by_hash(block_id, &evidence, state.preimages())?;
                let answer = answer.map_err(|rejection| {
                    Status::unavailable(format!("block {block_id} is not proved: {rejection}"))
                })?;
                Arc::new(Proven { answer, evidence, state, evidence_bytes: 0 })
            }
        };
        if proven.answer.trust == Trust::Sealed {
            self.proven.insert(block_id, proven.clone());
        }
        Ok(proven)
    }

    /// As [`Self::prove`], of a block that an upstream named: one that is refused is its fault.
    pub(crate) async fn prove_named(&self, block_id: Identifier) -> Result<Arc<Proven>, Fault> {
        self.prove(block_id).await.map_err(|status| match status.code() {
            Code::Unavailable | Code::Internal => Fault::Ours(status),
            _ => Fault::Wrong(format!("block {block_id}: {}", status.message())),
        })
    }
}

/// Evidence for a checkpoint of the first upstream that proves it, and the state that begins there; or
/// that its protocol version is not known here.
async fn checkpoint(
    upstreams: &Upstreams,
    block_id: Identifier,
) -> Result<Result<(Bytes, TrustedState), Rejection>, Status> {
    let mut turn = upstreams.turn();
    while let Some(upstream) = turn.next() {
        match begin(upstream, block_id).await {
            Ok(Err(rejection)) if !rejection.is_about_version() => {
                turn.failed(upstream, rejection.into())?;
            }
            Ok(begun) => return Ok(begun),
            Err(fault) => turn.failed(upstream, fault)?,
        }
    }
    Err(turn.over())
}

async fn begin(
    upstream: &Upstream,
    block_id: Identifier,
) -> Result<Result<(Bytes, TrustedState), Rejection>, Fault> {
    let bytes = upstream.send(&Request::Checkpoint(block_id)).await?;
    let evidence = CheckpointProof::from_bytes(&bytes)?;
    check_checkpoint(&evidence)?;
    let begun = blocking(move || TrustedState::from_checkpoint(block_id, &evidence)).await;
    let state = begun.map_err(Fault::Ours)?;
    Ok(state.map(|state| (bytes, state.into_value())))
}
