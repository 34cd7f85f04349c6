//! The proxy's own light client: what it proves for itself, from the operator's checkpoint.

use std::sync::Arc;

use tonic::{Code, Status};
use weir_proto::weir::v1::Proof;
use weir_protocol::evidence::{Evidence, Preimages, Question, Selector, Topic};
use weir_protocol::model::Identifier;
use weir_verifier::{Anchor, Answer, Missing, Rejection, Trust, TrustedState, Violation, verify};

use crate::chain::{Chain, answer_alone, blocking, checkpoint_alone, hops_alone};
use crate::fault::{Failed, Fault, is_silence};
use crate::needed::{check_checkpoint, check_hops};
use crate::relay::needs_later_epoch;
use crate::upstream::Upstream;

/// An answer that the proxy proved for itself.
#[derive(Debug)]
pub(crate) struct Proven {
    pub(crate) answer: Answer,
    pub(crate) evidence: Evidence,
    /// What the evidence was checked with.
    pub(crate) state: Arc<TrustedState>,
    /// Bytes of the evidence and of the preimages beside it, about.
    pub(crate) evidence_bytes: u64,
}

impl Chain {
    /// Proves the operator's checkpoint.
    pub(crate) async fn start(&self) -> Result<(), Status> {
        let (_, state) = self.checkpoint(self.checkpoint_id).await?;
        self.adopt(state);
        Ok(())
    }

    /// Evidence for a checkpoint, and the state that begins there.
    pub(crate) async fn checkpoint(
        &self,
        block_id: Identifier,
    ) -> Result<(prost::bytes::Bytes, TrustedState), Status> {
        let mut turn = self.upstreams.turn();
        while let Some(upstream) = turn.next() {
            match begin(upstream, block_id).await {
                Ok(begun) => return Ok(begun),
                Err(fault) => turn.failed(upstream, fault)?,
            }
        }
        Err(turn.over())
    }

    /// Asks a question of the proxy's own, walking as many epochs as it takes.
    pub(crate) async fn ask(&self, question: &Question, proof: Proof) -> Result<Proven, Failed> {
        let mut turn = self.upstreams.turn();
        while let Some(upstream) = turn.next() {
            match self.ask_one(upstream, question, proof).await {
                Ok(proven) => return Ok(proven),
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
        proof: Proof,
    ) -> Result<Proven, Fault> {
        let mut state = self.own().map_err(Fault::Ours)?;
        loop {
            let bytes = upstream.ask(question, &state.held(), proof).await?;
            let evidence = answer_alone(&bytes)?;
            let checked = self.verify(&state, state.preimages(), (question, &evidence)).await?;
            let needs = match &checked {
                Ok(checked) if checked.leaves_seal() => "its seal is not proved".to_owned(),
                Ok(_) => String::new(),
                Err(rejection) if needs_later_epoch(rejection) => rejection.to_string(),
                Err(rejection) => return Err(Fault::of(rejection.clone(), &evidence)),
            };
            if let (true, Ok(checked)) = (needs.is_empty(), checked) {
                self.adopt(checked.state);
                let evidence_bytes = (bytes.len() + state.preimages().bytes()) as u64;
                let (answer, evidence) = (checked.answer, checked.evidence);
                return Ok(Proven { answer, evidence, state, evidence_bytes });
            }
            let (next, _) = self.page(&state, 0).await.map_err(Fault::Ours)?;
            if next.newest_epoch().counter() <= state.newest_epoch().counter() {
                return Err(Fault::Wrong(needs));
            }
            self.adopt(TrustedState::clone(&next));
            state = next;
        }
    }

    /// The next page of hops from a state, and whether there are more; the state itself where the
    /// upstreams know no later epoch.
    pub(crate) async fn page(
        &self,
        state: &Arc<TrustedState>,
        max_hops: u32,
    ) -> Result<(Arc<TrustedState>, bool), Status> {
        let (epoch_counter, held) = (state.newest_epoch().counter(), state.held());
        let mut turn = self.upstreams.turn();
        while let Some(upstream) = turn.next() {
            let applied = match upstream.hops(epoch_counter, &held, max_hops).await {
                Ok(bytes) => self.apply(state, state.preimages(), &bytes).await,
                // One that lags does not know the epoch.
                Err(Fault::Upstream(status)) if !is_silence(&status) => {
                    return Ok((state.clone(), false));
                }
                Err(fault) => Err(fault),
            };
            match applied {
                Ok((next, page)) => {
                    let more = page.more_hops && !page.hops.is_empty();
                    return Ok((Arc::new(next), more));
                }
                Err(fault) => turn.failed(upstream, fault)?,
            }
        }
        Err(turn.over())
    }

    /// Applies a page of hops for a client in this state that holds these preimages.
    pub(crate) async fn apply(
        &self,
        state: &Arc<TrustedState>,
        held: &Preimages,
        bytes: &[u8],
    ) -> Result<(TrustedState, Evidence), Fault> {
        let page = hops_alone(bytes)?;
        check_hops(&page, held)?;
        let timing = self.timing().map_err(Fault::Ours)?;
        let (state, held) = (state.clone(), held.clone());
        let applied = blocking(move || {
            let mut state = TrustedState::clone(&state).holding(held);
            let applied = state.apply_hops(&page, &timing);
            applied.map(|applied| (applied, state, page))
        });
        let applied = applied.await.map_err(Fault::Ours)?;
        let (applied, state, page) = applied.map_err(|rejection| match rejection {
            Rejection::NotEnough(Missing::Clock { .. } | Missing::TrustExpired { .. }) => {
                Fault::Ours(Status::failed_precondition(rejection.to_string()))
            }
            rejection => Fault::Wrong(rejection.to_string()),
        })?;
        if applied.skipped > 0 {
            return Err(Fault::needless("hops to epochs that are known already"));
        }
        self.keep(state.preimages());
        Ok((state, page))
    }

    /// What the proxy proves of a block: how far it is, its state, and its seal. A block that nothing
    /// certifies is proved by its hash alone.
    pub(crate) async fn prove(&self, block_id: Identifier) -> Result<Arc<Proven>, Status> {
        if let Some(proven) = self.proven.get(&block_id) {
            return Ok(proven);
        }
        let question = Question { block: Selector::Id(block_id), topic: Topic::Snapshot };
        let proven = match self.ask(&question, Proof::Sealed).await {
            Ok(proven) => Arc::new(proven),
            Err(Failed::Status(status)) => return Err(status),
            Err(Failed::Unproved(unproved)) => {
                let (state, evidence) = (self.own()?, unproved.evidence);
                let held = state.preimages();
                let known = by_hash(block_id, &question, &evidence, held).map_err(|rejection| {
                    Status::unavailable(format!("block {block_id} is not proved: {rejection}"))
                })?;
                Arc::new(Proven { answer: known, evidence, state, evidence_bytes: 0 })
            }
        };
        if proven.answer.trust == Trust::Sealed {
            self.proven.insert(block_id, proven.clone());
        }
        Ok(proven)
    }
}

impl Chain {
    /// As [`Self::prove`], of a block that an upstream named: one that is refused is its fault.
    pub(crate) async fn prove_named(&self, block_id: Identifier) -> Result<Arc<Proven>, Fault> {
        self.prove(block_id).await.map_err(|status| match status.code() {
            Code::Unavailable | Code::Internal => Fault::Ours(status),
            _ => Fault::Wrong(format!("block {block_id}: {}", status.message())),
        })
    }
}

/// Verifies an answer about a block by nothing but its hash.
pub(crate) fn by_hash(
    block_id: Identifier,
    question: &Question,
    evidence: &Evidence,
    held: &Preimages,
) -> Result<Answer, Rejection> {
    if evidence.answer.as_ref().is_some_and(|answer| answer.seal.is_some()) {
        return Err(Violation::State { reason: "a seal that nothing proves" }.into());
    }
    verify(Anchor::KnownBlock(block_id), question, evidence, held).map(|answer| answer.into_value())
}

async fn begin(
    upstream: &Upstream,
    block_id: Identifier,
) -> Result<(prost::bytes::Bytes, TrustedState), Fault> {
    let bytes = upstream.checkpoint(block_id).await?;
    let evidence = checkpoint_alone(&bytes)?;
    check_checkpoint(&evidence)?;
    let begun = blocking(move || TrustedState::from_checkpoint(block_id, &evidence)).await;
    let state = begun.map_err(Fault::Ours)?;
    let state = state.map_err(|rejection| Fault::Wrong(rejection.to_string()))?;
    Ok((bytes, state.into_value()))
}
