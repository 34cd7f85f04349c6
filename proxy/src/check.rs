//! How a piece of evidence is checked: under the proxy's clock, for somebody in some state.

use std::sync::Arc;

use tonic::Status;
use weir_client::sync::ClockOptions;
use weir_client::transport::unix_ms;
use weir_protocol::codec::Entity as _;
use weir_protocol::evidence::{AnswerProof, HopsPage, Preimages};
use weir_protocol::model::Identifier;
use weir_protocol::request::{Held, Question, Selector, Topic};
use weir_verifier::{
    Anchor, Answer, ProvedBlock, Rejection, Timing, TrustedState, Verified, Violation, open,
};

use crate::cache::{Pool, pool};
use crate::fault::Fault;
use crate::needed::check_hops;

/// Checks evidence, and keeps the preimages of what verified.
#[derive(Debug)]
pub(crate) struct Checker {
    clock: ClockOptions,
    /// Preimages that came with verified answers.
    pool: Pool,
}

/// Evidence that verified.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) answer: Answer,
    /// Whether it has a seal that nothing known so far proves.
    pub(crate) leaves_seal: bool,
    /// What the client trusts after it.
    pub(crate) state: TrustedState,
}

impl Checker {
    pub(crate) fn new(clock: ClockOptions) -> Self {
        Self { clock, pool: pool() }
    }

    /// Bounds on time.
    pub(crate) fn clock(&self) -> ClockOptions {
        self.clock
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
        (question, evidence): (&Question, &Arc<AnswerProof>),
    ) -> Result<Result<Checked, Rejection>, Fault> {
        let timing = self.timing().map_err(Fault::Ours)?;
        let (state, held) = (state.clone(), held.clone());
        let (question, evidence) = (question.clone(), evidence.clone());
        let checked = blocking(move || {
            let mut state = TrustedState::clone(&state).holding(held);
            let (answer, leaves_seal, came) =
                state.read(&question, &evidence, &timing, |block| {
                    Ok((told(block)?, block.leaves_seal(), block.preimages().clone()))
                })?;
            Ok((Checked { answer: answer.into_value(), leaves_seal, state }, came))
        });
        let checked = checked.await.map_err(Fault::Ours)?;
        Ok(checked.map(|(checked, preimages)| {
            self.keep(&preimages);
            checked
        }))
    }

    /// Applies a page of hops for a client in this state that holds these preimages.
    pub(crate) async fn apply(
        &self,
        state: &Arc<TrustedState>,
        held: &Preimages,
        bytes: &[u8],
    ) -> Result<Result<(TrustedState, HopsPage), Rejection>, Fault> {
        let page = HopsPage::from_bytes(bytes)?;
        check_hops(&page, held)?;
        let timing = self.timing().map_err(Fault::Ours)?;
        let (state, held) = (state.clone(), held.clone());
        let applied = blocking(move || {
            let mut state = TrustedState::clone(&state).holding(held);
            let applied = state.apply_hops(&page, &timing);
            applied.map(|applied| (applied, state, page))
        });
        let applied = applied.await.map_err(Fault::Ours)?;
        let (applied, state, page) = match applied {
            Ok(applied) => applied,
            Err(rejection) => return Ok(Err(rejection)),
        };
        if applied.skipped > 0 {
            return Err(Fault::needless("hops to epochs that are known already"));
        }
        self.keep(state.preimages());
        Ok(Ok((state, page)))
    }

    /// The answer in evidence of a block that nothing proves but its hash.
    pub(crate) fn answer_by_hash(
        &self,
        block_id: Identifier,
        evidence: &AnswerProof,
        held: &Preimages,
    ) -> Result<Result<Answer, Rejection>, Status> {
        let timing = self.timing()?;
        let answer = by_hash(block_id, evidence, held, &timing, told);
        Ok(answer.map(|answer| answer.into_value()))
    }

    /// As [`Self::answer_by_hash`], of evidence that says more than the hash covers.
    pub(crate) fn status_by_hash(
        &self,
        evidence: &AnswerProof,
        held: &Preimages,
    ) -> Result<Result<Answer, Rejection>, Status> {
        let block_id = evidence.block.header.id();
        let question = Question { block: Selector::Id(block_id), topic: Topic::Snapshot };
        self.answer_by_hash(block_id, &bare(evidence, question), held)
    }
}

/// The answer that a block proves; of a block whose protocol version is not known here how far it is: who
/// asks may know the version.
pub(crate) fn told(block: &ProvedBlock<'_>) -> Result<Verified<Answer>, Rejection> {
    match block.answer() {
        Err(rejection) if rejection.is_about_version() => block.status(),
        answer => answer,
    }
}

/// The evidence as the answer to another question about the block, without the seal.
pub(crate) fn bare(evidence: &AnswerProof, question: Question) -> AnswerProof {
    let last_sealed = evidence.last_sealed.clone().filter(|_| question.topic == Topic::Snapshot);
    AnswerProof { question, seal: None, last_sealed, ..evidence.clone() }
}

/// What `read` makes of a block that nothing proves but its hash.
pub(crate) fn by_hash<T>(
    block_id: Identifier,
    evidence: &AnswerProof,
    held: &Preimages,
    timing: &Timing,
    read: impl FnOnce(&ProvedBlock<'_>) -> Result<T, Rejection>,
) -> Result<T, Rejection> {
    if evidence.seal.is_some() {
        return Err(Violation::State { reason: "a seal that nothing proves" }.into());
    }
    let anchor = Anchor::KnownBlock { block_id, held };
    read(&open(anchor, &evidence.question, evidence, timing)?)
}

/// Runs `check` on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    check: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    let checked = tokio::task::spawn_blocking(check).await;
    checked.map_err(|_| Status::internal("the check stopped unexpectedly"))
}
