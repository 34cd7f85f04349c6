//! The proxy's own light client: what it proves for itself, from the operator's checkpoint.

use std::sync::Arc;

use tonic::{Code, Status};
use weir_protocol::evidence::{AnswerProof, CheckpointProof, HopsPage, Preimages};
use weir_protocol::model::Identifier;
use weir_protocol::request::{
    AnswerRequest, Depth, HopsRequest, MaxHops, Question, Request, Selector, Topic,
};
use weir_verifier::{
    Anchor, Answer, ProvedBlock, Rejection, Timing, Trust, TrustedState, Violation, open,
};

use crate::chain::{Chain, blocking};
use crate::fault::{Failed, Fault};
use crate::needed::{check_checkpoint, check_hops};
use crate::relay::needs_later_epoch;
use crate::upstream::Upstream;

/// An answer that the proxy proved for itself.
#[derive(Debug)]
pub(crate) struct Proven {
    pub(crate) answer: Answer,
    pub(crate) evidence: AnswerProof,
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
        let mut state = self.own().map_err(Fault::Ours)?;
        loop {
            let (question, held) = (question.clone(), state.held());
            let asked = AnswerRequest { question, held, depth };
            let bytes = upstream.send(&Request::Answer(asked.clone())).await?;
            let question = &asked.question;
            let evidence = AnswerProof::from_bytes(&bytes)?;
            let checked = self.verify(&state, state.preimages(), (question, &evidence)).await?;
            let needs = match &checked {
                Ok(checked) if checked.leaves_seal => "its seal is not proved".to_owned(),
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
            let (next, _) =
                self.page(&state, MaxHops::LEFT_TO_SERVER).await.map_err(Fault::Ours)?;
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
        max_hops: MaxHops,
    ) -> Result<(Arc<TrustedState>, bool), Status> {
        let (epoch_counter, held) = (state.newest_epoch().counter(), state.held());
        let request = Request::EpochHops(HopsRequest { epoch_counter, held, max_hops });
        let mut turn = self.upstreams.turn();
        while let Some(upstream) = turn.next() {
            match self.page_one(upstream, state, &request).await {
                Ok((next, page)) => return Ok((Arc::new(next), page.more)),
                Err(fault) => turn.failed(upstream, fault)?,
            }
        }
        // Those that lag do not know the epoch.
        if turn.is_refused() { Ok((state.clone(), false)) } else { Err(turn.over()) }
    }

    async fn page_one(
        &self,
        upstream: &Upstream,
        state: &Arc<TrustedState>,
        request: &Request,
    ) -> Result<(TrustedState, HopsPage), Fault> {
        let bytes = upstream.send(request).await?;
        self.apply(state, state.preimages(), &bytes).await
    }

    /// Applies a page of hops for a client in this state that holds these preimages.
    pub(crate) async fn apply(
        &self,
        state: &Arc<TrustedState>,
        held: &Preimages,
        bytes: &[u8],
    ) -> Result<(TrustedState, HopsPage), Fault> {
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
        let (applied, state, page) = applied?;
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
        let proven = match self.ask(&question, Depth::Seal).await {
            Ok(proven) => Arc::new(proven),
            Err(Failed::Status(status)) => return Err(status),
            Err(Failed::Unproved(unproved)) => {
                let (state, evidence) = (self.own()?, unproved.evidence);
                let (held, timing) = (state.preimages(), self.timing()?);
                let answer = by_hash(block_id, &evidence, held, &timing, |block| block.answer());
                let answer = answer.map_err(|rejection| {
                    Status::unavailable(format!("block {block_id} is not proved: {rejection}"))
                })?;
                let answer = answer.into_value();
                Arc::new(Proven { answer, evidence, state, evidence_bytes: 0 })
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

async fn begin(
    upstream: &Upstream,
    block_id: Identifier,
) -> Result<(prost::bytes::Bytes, TrustedState), Fault> {
    let bytes = upstream.send(&Request::Checkpoint(block_id)).await?;
    let evidence = CheckpointProof::from_bytes(&bytes)?;
    check_checkpoint(&evidence)?;
    let begun = blocking(move || TrustedState::from_checkpoint(block_id, &evidence)).await;
    let state = begun.map_err(Fault::Ours)?;
    Ok((bytes, state?.into_value()))
}
