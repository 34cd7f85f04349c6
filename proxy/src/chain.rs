//! What the proxy knows of the chain, and how a piece of evidence is checked.

use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::sync::Cache;
use tonic::Status;
use weir_client::sync::ClockOptions;
use weir_client::transport::unix_ms;
use weir_protocol::evidence::{AnswerProof, Preimages};
use weir_protocol::model::Identifier;
use weir_protocol::request::{Held, Question};
use weir_verifier::{Answer, Rejection, Timing, TrustedState};

use crate::cache::{Bytes, Pool, pool};
use crate::fault::Fault;
use crate::newest::Newest;
use crate::options::ProxyOptions;
use crate::own::Proven;
use crate::shadow::Shadows;
use crate::upstream::Upstreams;

/// The chain, as far as it is proved from the operator's checkpoint.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) upstreams: Upstreams,
    pub(crate) checkpoint_id: Identifier,
    pub(crate) shadows: Shadows,
    pub(crate) newest: Newest,
    /// Blocks proved sealed, about which nothing changes any more.
    pub(crate) proven: Cache<Identifier, Arc<Proven>, Bytes>,
    /// Preimages that came with verified answers.
    pool: Pool,
    clock: ClockOptions,
    own: Mutex<Option<Arc<TrustedState>>>,
}

/// Evidence that verified.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) answer: Answer,
    pub(crate) evidence: AnswerProof,
    /// Whether it has a seal that nothing known so far proves.
    pub(crate) leaves_seal: bool,
    /// What the client trusts after it.
    pub(crate) state: TrustedState,
}

impl Chain {
    pub(crate) fn new(options: &ProxyOptions, upstreams: Upstreams) -> Self {
        Self {
            upstreams,
            checkpoint_id: options.checkpoint_id,
            shadows: Shadows::default(),
            newest: Newest::default(),
            proven: Cache::with_weighter(PROVEN, PROVEN_BYTES, Bytes),
            pool: pool(),
            clock: options.clock,
            own: Mutex::new(None),
        }
    }

    /// Bounds on time.
    pub(crate) fn clock(&self) -> ClockOptions {
        self.clock
    }

    /// What is trusted so far.
    pub(crate) fn own(&self) -> Result<Arc<TrustedState>, Status> {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.clone().ok_or_else(|| Status::unavailable("the checkpoint is not proved yet"))
    }

    /// Goes on from a later state.
    pub(crate) fn adopt(&self, state: TrustedState) {
        let reached = |state: &TrustedState| (state.newest_epoch().counter(), state.head().height);
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if own.as_ref().is_none_or(|own| reached(own) < reached(&state)) {
            *own = Some(Arc::new(state));
        }
    }

    pub(crate) fn timing(&self) -> Result<Timing, Status> {
        self.clock.timing(unix_ms()).map_err(|error| Status::failed_precondition(error.to_string()))
    }

    /// Keeps the preimages of a verified answer.
    pub(crate) fn keep(&self, preimages: &Preimages) {
        for id in preimages.ids() {
            if let Some(bytes) = preimages.get(id).filter(|_| self.pool.peek(id).is_none()) {
                self.pool.insert(*id, bytes.into());
            }
        }
    }

    /// Those of the preimages a client holds that are known here, too; the answer has to bring the
    /// others.
    pub(crate) fn known(&self, held: &Held, state: Option<&TrustedState>) -> Preimages {
        let mut known = Preimages::default();
        for id in &held.preimage_ids {
            let of_state = state.and_then(|state| state.preimages().get(id));
            match (of_state, self.pool.get(id)) {
                (Some(bytes), _) => known.insert(bytes.to_vec()),
                (None, Some(bytes)) => known.insert(bytes.to_vec()),
                (None, None) => continue,
            };
        }
        known
    }

    /// Verifies an answer for a client in this state that holds these preimages.
    pub(crate) async fn verify(
        &self,
        state: &Arc<TrustedState>,
        held: &Preimages,
        (question, evidence): (&Question, &AnswerProof),
    ) -> Result<Result<Checked, Rejection>, Fault> {
        let timing = self.timing().map_err(Fault::Ours)?;
        let (state, held) = (state.clone(), held.clone());
        let (question, evidence) = (question.clone(), evidence.clone());
        let checked = blocking(move || {
            let mut state = TrustedState::clone(&state).holding(held);
            let (answer, leaves_seal, came) =
                state.read(&question, &evidence, &timing, |block| {
                    Ok((block.answer()?, block.leaves_seal(), block.preimages().clone()))
                })?;
            let answer = answer.into_value();
            Ok((Checked { answer, evidence, leaves_seal, state }, came))
        });
        let checked = checked.await.map_err(Fault::Ours)?;
        Ok(checked.map(|(checked, preimages)| {
            self.keep(&preimages);
            checked
        }))
    }
}

/// Runs `check` on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    check: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    let checked = tokio::task::spawn_blocking(check).await;
    checked.map_err(|_| Status::internal("the check stopped unexpectedly"))
}

/// Proofs of blocks kept, about, and their bytes: 16 MiB.
const PROVEN: usize = 1024;
const PROVEN_BYTES: u64 = 16 << 20;
