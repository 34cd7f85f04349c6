//! States that stand for clients: what a client with some checkpoint trusts by some epoch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tonic::{Code, Status};
use weir_protocol::evidence::AnswerProof;
use weir_protocol::model::Identifier;
use weir_protocol::request::{
    AnswerRequest, Depth, Held, MaxHops, Question, Request, Selector, Topic,
};
use weir_verifier::{Rejection, Trust, TrustedState};

use crate::fault::{Fault, needs_newer};
use crate::own::{Later, Own};
use crate::upstream::Upstream;

/// States by checkpoint, newest epoch and head; the longest unused are dropped.
#[derive(Debug)]
pub(crate) struct Shadows {
    own: Arc<Own>,
    kept: Mutex<Kept>,
}

/// Checkpoint, newest epoch, and the head where it is not the newest epoch's boundary.
type Key = (Identifier, u64, Option<Identifier>);

#[derive(Debug, Default)]
struct Kept {
    states: BTreeMap<Key, Entry>,
    bytes: usize,
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    state: Arc<TrustedState>,
    bytes: usize,
    used: u64,
}

impl Shadows {
    pub(crate) fn new(own: Arc<Own>) -> Self {
        Self { own, kept: Mutex::default() }
    }

    /// The state of a client with this checkpoint by this epoch; by the newest one that upstreams
    /// know, where that is before it.
    pub(crate) async fn at_epoch(
        &self,
        checkpoint_id: Identifier,
        epoch: u64,
    ) -> Result<Arc<TrustedState>, Status> {
        Ok(self.later(checkpoint_id, epoch).await?.map_err(needs_newer)?.state)
    }

    /// As [`Self::at_epoch`], and why it goes no further, or begins nowhere.
    pub(crate) async fn later(
        &self,
        checkpoint_id: Identifier,
        epoch: u64,
    ) -> Result<Result<Later, Rejection>, Status> {
        let state = match self.nearest(checkpoint_id, epoch) {
            Some(state) => state,
            None => match self.first(checkpoint_id).await? {
                Ok(state) => state,
                Err(rejection) => return Ok(Err(rejection)),
            },
        };
        let mut reached = Later { state, more: true, beyond: None };
        while let (true, Some(ahead @ 1..)) =
            (reached.more, epoch.checked_sub(reached.state.newest_epoch().counter()))
        {
            // Where it is left to the upstream, it sends fewer than would go too far.
            let max_hops = u32::try_from(ahead).map_or(MaxHops::LEFT_TO_SERVER, MaxHops);
            let next = self.own.page(&reached.state, max_hops).await?;
            if next.state.newest_epoch().counter() == reached.state.newest_epoch().counter() {
                return Ok(Ok(next));
            }
            self.keep(next.state.clone());
            reached = next;
        }
        Ok(Ok(reached))
    }

    /// The state that begins at a checkpoint, which must be on the proxy's own chain.
    async fn first(
        &self,
        checkpoint_id: Identifier,
    ) -> Result<Result<Arc<TrustedState>, Rejection>, Status> {
        if checkpoint_id != self.own.checkpoint_id {
            self.check_checkpoint(checkpoint_id).await?;
        }
        let begun = self.own.checkpoint(checkpoint_id).await?;
        Ok(begun.map(|(_, state)| {
            self.own.checker.keep(state.preimages());
            let state = Arc::new(state);
            self.keep(state.clone());
            state
        }))
    }

    async fn check_checkpoint(&self, checkpoint_id: Identifier) -> Result<(), Status> {
        let refused = |reason: String| {
            let own = self.own.checkpoint_id;
            Status::failed_precondition(format!(
                "checkpoint {checkpoint_id} is not proved to be on the chain that this proxy \
                 follows from checkpoint {own}: {reason}"
            ))
        };
        match self.own.prove(checkpoint_id).await {
            Ok(proven) if proven.answer.trust >= Trust::Finalized => Ok(()),
            Ok(proven) => Err(refused(format!("it is {} only", proven.answer.trust))),
            Err(status) if status.code() == Code::Unavailable => Err(status),
            Err(status) => Err(refused(status.message().to_owned())),
        }
    }

    /// The state of a client that has this block for its head; its epochs are `base`'s.
    pub(crate) async fn with_head(
        &self,
        base: &Arc<TrustedState>,
        head_id: Identifier,
    ) -> Result<Arc<TrustedState>, Status> {
        let is_known = [base.head().block_id, base.checkpoint().block_id].contains(&head_id);
        if is_known {
            return Ok(base.clone());
        }
        let key = (base.checkpoint().block_id, base.newest_epoch().counter(), Some(head_id));
        if let Some(state) = self.get(key) {
            return Ok(state);
        }
        let mut turn = self.own.upstreams.turn();
        while let Some(upstream) = turn.next() {
            match self.advanced(upstream, base, head_id).await {
                Ok(Some(state)) => {
                    let state = Arc::new(state);
                    self.keep_with_head(state.clone());
                    return Ok(state);
                }
                // A final block below what the hops lead over: the client begins anew there.
                Ok(None) => return self.at_epoch(head_id, 0).await,
                Err(fault) => turn.failed(upstream, fault)?,
            }
        }
        Err(turn.over())
    }

    /// The state with a final block as its head, where that is above the present one.
    async fn advanced(
        &self,
        upstream: &Upstream,
        base: &Arc<TrustedState>,
        head_id: Identifier,
    ) -> Result<Option<TrustedState>, Fault> {
        let question = Question { block: Selector::Id(head_id), topic: Topic::Snapshot };
        let held = Held { head_id: None, ..base.held() };
        let asked = AnswerRequest { question, held, depth: Depth::Finality };
        let bytes = upstream.send(&Request::Answer(asked.clone())).await?;
        let evidence = Arc::new(AnswerProof::from_bytes(&bytes)?);
        let about = (&asked.question, &evidence);
        let checked = self.own.checker.verify(base, base.preimages(), about).await?;
        let checked = checked.map_err(|rejection| Fault::of(rejection, evidence))?;
        Ok(Some(checked.state).filter(|state| state.head().block_id == head_id))
    }

    fn get(&self, key: Key) -> Option<Arc<TrustedState>> {
        self.with(|kept| kept.touch(&key))
    }

    /// The state of the newest epoch up to `epoch`, as hops alone lead to it.
    fn nearest(&self, checkpoint_id: Identifier, epoch: u64) -> Option<Arc<TrustedState>> {
        let (first, last) = ((checkpoint_id, 0, None), (checkpoint_id, epoch, None));
        self.with(|kept| {
            let mut upto = kept.states.range(first..=last).rev().map(|(key, _)| *key);
            let key = upto.find(|(_, _, head)| head.is_none())?;
            kept.touch(&key)
        })
    }

    /// Keeps a state as hops alone lead to it.
    pub(crate) fn keep(&self, state: Arc<TrustedState>) {
        let key = (state.checkpoint().block_id, state.newest_epoch().counter(), None);
        self.with(|kept| kept.insert(key, state));
    }

    /// Keeps a state with its head.
    pub(crate) fn keep_with_head(&self, state: Arc<TrustedState>) {
        let (checkpoint_id, epoch) = (state.checkpoint().block_id, state.newest_epoch().counter());
        let key = (checkpoint_id, epoch, Some(state.head().block_id));
        self.with(|kept| kept.insert(key, state));
    }

    fn with<T>(&self, change: impl FnOnce(&mut Kept) -> T) -> T {
        change(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Kept {
    fn touch(&mut self, key: &Key) -> Option<Arc<TrustedState>> {
        self.uses += 1;
        let entry = self.states.get_mut(key)?;
        entry.used = self.uses;
        Some(entry.state.clone())
    }

    fn insert(&mut self, key: Key, state: Arc<TrustedState>) {
        self.uses += 1;
        let bytes = state.preimages().bytes() + STATE_BYTES;
        let entry = Entry { state, bytes, used: self.uses };
        self.bytes += bytes;
        if let Some(before) = self.states.insert(key, entry) {
            self.bytes -= before.bytes;
        }
        while self.bytes > SHADOWS_BYTES && self.states.len() > 1 {
            let oldest = self.states.iter().min_by_key(|(_, entry)| entry.used);
            let Some(key) = oldest.map(|(key, _)| *key) else {
                return;
            };
            self.bytes -= self.states.remove(&key).map_or(0, |entry| entry.bytes);
        }
    }
}

/// Bytes of states kept: 64 MiB.
const SHADOWS_BYTES: usize = 64 << 20;
/// Bytes of a state besides its preimages, about: committees and epochs.
const STATE_BYTES: usize = 64 << 10;
