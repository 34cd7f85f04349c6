//! An answer on its way to a client: checked as that client will check it.

use std::sync::Arc;

use prost::bytes::Bytes;
use tonic::Status;
use weir_protocol::codec::Entity as _;
use weir_protocol::evidence::{AnswerProof, Preimages};
use weir_protocol::model::{Header, Identifier};
use weir_protocol::request::{AnswerRequest, Depth, Held, Request, Selector};
use weir_verifier::{Answer, NotYet, Rejection, Trust, TrustedState};

use crate::check::Checked;
use crate::fault::{Fault, Unproved, needs_later_epoch};
use crate::known::KnownBlock;
use crate::needed::{self, check_answer};
use crate::own::{Later, Own};
use crate::shadow::Shadows;
use crate::upgrade;
use crate::upstream::Upstream;

/// Finds answers that verify for the client that asks.
#[derive(Debug)]
pub(crate) struct Relay {
    own: Arc<Own>,
    pub(crate) shadows: Shadows,
}

/// An answer that may be passed on.
#[derive(Debug)]
pub(crate) struct Relayed {
    /// The evidence, as it came.
    pub(crate) bytes: Bytes,
    pub(crate) evidence: Arc<AnswerProof>,
    /// What it proves.
    pub(crate) answer: Answer,
}

/// For whom evidence is checked.
#[derive(Clone, Debug)]
pub(crate) struct Client<'a> {
    pub(crate) asked: &'a AnswerRequest,
    /// What is asked of the upstream: as much of what the client holds as is known here.
    pub(crate) forward: AnswerRequest,
    /// The preimages of that.
    pub(crate) held: Preimages,
    /// The state that stands for the client, if it has a checkpoint.
    pub(crate) base: Option<Arc<TrustedState>>,
}

impl Relay {
    pub(crate) fn new(own: Arc<Own>) -> Self {
        Self { shadows: Shadows::new(own.clone()), own }
    }

    /// The answer to a question that verifies for the client that asks it; of a block whose protocol
    /// version is not known here, as far as that can be told.
    pub(crate) async fn answer(&self, asked: &AnswerRequest) -> Result<Relayed, Status> {
        let relayed = self.find(asked).await?;
        if upgrade::check_known(&relayed.answer).is_err() {
            upgrade::passed_on("an answer");
        }
        Ok(relayed)
    }

    async fn find(&self, asked: &AnswerRequest) -> Result<Relayed, Status> {
        let client = self.client(asked).await?;
        let mut turn = self.own.upstreams.turn();
        let mut behind: Option<Relayed> = None;
        while let Some(upstream) = turn.next() {
            match self.relay_one(upstream, &client).await {
                Ok(relayed)
                    if self.own.newest.is_ahead_of(&relayed.answer, asked.question.block) =>
                {
                    let best = behind.as_ref().map(|behind| behind.answer.height);
                    if best < Some(relayed.answer.height) {
                        behind = Some(relayed);
                    }
                }
                Ok(relayed) => {
                    self.own.newest.saw(&relayed.answer);
                    return Ok(relayed);
                }
                Err(fault) => turn.failed(upstream, fault)?,
            }
        }
        // Nobody is further now. A client that has seen a newer block refuses it.
        if let Some(relayed) = behind {
            return Ok(relayed);
        }
        let relayed = match turn.unproved.take() {
            Some(unproved) => self.by_hash(*unproved, &client)?,
            None => None,
        };
        relayed.ok_or_else(|| turn.over())
    }

    /// What nothing certifies yet, or ever will, or only states that are not known here would: what the
    /// block's hash covers is true all the same.
    fn by_hash(&self, unproved: Unproved, client: &Client<'_>) -> Result<Option<Relayed>, Status> {
        let Unproved { rejection, evidence } = unproved;
        let (checker, held) = (&self.own.checker, &client.held);
        let answer = match client.asked.question.block {
            _ if rejection.is_about_version() => checker.status_by_hash(&evidence, held)?,
            Selector::Id(block_id) => checker.answer_by_hash(block_id, &evidence, held)?,
            _ => return Ok(None),
        };
        let answer = answer.ok().filter(|_| check_answer(&evidence, held, None).is_ok());
        let relayed = |answer| Relayed { bytes: evidence.to_bytes().into(), evidence, answer };
        Ok(answer.map(relayed))
    }

    async fn client<'a>(&self, asked: &'a AnswerRequest) -> Result<Client<'a>, Status> {
        let held = &asked.held;
        let linked_to = held.head_id.filter(|_| asked.depth == Depth::Linked);
        let base = match held.checkpoint_id.or(linked_to) {
            Some(_) if asked.depth == Depth::KnownBlock => None,
            Some(begins_at) => {
                Some(self.shadows.at_epoch(begins_at, held.newest_epoch_counter).await?)
            }
            None => None,
        };
        let known = self.own.checker.known(held, base.as_deref());
        let forward = Held { preimage_ids: known.ids().copied().collect(), ..held.clone() };
        let forward = AnswerRequest { held: forward, ..asked.clone() };
        Ok(Client { asked, forward, held: known, base })
    }

    async fn relay_one(&self, upstream: &Upstream, client: &Client<'_>) -> Result<Relayed, Fault> {
        let asked = client.asked;
        let bytes = upstream.send(&Request::Answer(client.forward.clone())).await?;
        let evidence = Arc::new(AnswerProof::from_bytes(&bytes)?);
        let answer = match (&client.base, asked.depth) {
            (_, Depth::KnownBlock) => {
                KnownBlock { own: &self.own, client, evidence: &evidence }.check().await?
            }
            (Some(base), _) => self.check_from(base, client, &evidence).await?,
            (None, _) => self.check_without_checkpoint(client, &evidence).await?,
        };
        Ok(Relayed { bytes, evidence, answer })
    }

    /// As a client with a checkpoint will check it: now, or after the epochs that it has to walk.
    async fn check_from(
        &self,
        base: &Arc<TrustedState>,
        client: &Client<'_>,
        evidence: &Arc<AnswerProof>,
    ) -> Result<Answer, Fault> {
        let question = &client.asked.question;
        let depth = client.asked.depth;
        let head_id = client.asked.held.head_id;
        let (begins_at, mut state) = match head_id.filter(|id| rests_on(evidence, *id, depth)) {
            Some(head_id) => {
                let state = self.shadows.with_head(base, head_id).await.map_err(Fault::Ours)?;
                (head_id, state)
            }
            None => (base.checkpoint().block_id, base.clone()),
        };
        let mut is_first = true;
        loop {
            let about = (question, evidence);
            let checked = self.own.checker.verify(&state, &client.held, about).await?;
            let newest_known = state.newest_epoch().counter();
            let unsealed = match checked {
                Ok(checked) if !checked.leaves_seal => {
                    check_answer(evidence, &client.held, Some(&state))?;
                    if is_first {
                        self.follow(base, &checked);
                    }
                    return Ok(checked.answer);
                }
                Ok(checked) if depth != Depth::Linked => Some(checked.answer),
                Err(rejection) if depth != Depth::Linked && needs_later_epoch(&rejection) => None,
                Ok(_) => return Err(Fault::Wrong("its seal is not proved".to_owned())),
                Err(rejection) => return Err(Fault::of(rejection, evidence.clone())),
            };
            let wanted =
                needed::epoch_of(evidence, &client.held).unwrap_or_default().max(newest_known + 1);
            match self.later((begins_at, wanted), newest_known).await? {
                Ok(later) => (state, is_first) = (later, false),
                Err(beyond) => {
                    let unproved = || Fault::of(beyond, evidence.clone());
                    let answer = unsealed.ok_or_else(unproved)?;
                    check_answer(evidence, &client.held, Some(&state))?;
                    return Ok(answer);
                }
            }
        }
    }

    /// What a client that begins at a block trusts by an epoch, later than the newest known one; or why
    /// only a newer version can know it.
    async fn later(
        &self,
        (begins_at, epoch): (Identifier, u64),
        newest_known: u64,
    ) -> Result<Result<Arc<TrustedState>, Rejection>, Fault> {
        match self.shadows.later(begins_at, epoch).await.map_err(Fault::Ours)? {
            Ok(later) if later.state.newest_epoch().counter() > newest_known => Ok(Ok(later.state)),
            Ok(Later { beyond: Some(beyond), .. }) | Err(beyond) => Ok(Err(beyond)),
            Ok(_) => Err(Fault::Wrong(format!(
                "it needs an epoch after {newest_known}, of which nothing is known"
            ))),
        }
    }

    /// Where a client goes on from after this answer.
    fn follow(&self, base: &TrustedState, checked: &Checked) {
        if checked.state.head().height > base.head().height {
            self.shadows.keep_with_head(Arc::new(checked.state.clone()));
        }
    }

    /// As the proxy checks it for itself, or as a client will that begins at the block.
    async fn check_without_checkpoint(
        &self,
        client: &Client<'_>,
        evidence: &Arc<AnswerProof>,
    ) -> Result<Answer, Fault> {
        let block_id = evidence.block.header.id();
        let proven = self.own.prove_named(block_id).await?;
        let own = self.own.state();
        let about = (&client.asked.question, evidence);
        let rejection = match self.own.checker.verify(&own, &client.held, about).await? {
            Ok(checked) if !checked.leaves_seal => {
                check_answer(evidence, &client.held, Some(&own))?;
                return Ok(checked.answer);
            }
            Ok(_) => None,
            Err(rejection @ (Rejection::Missing(_) | Rejection::NotYet(_))) => Some(rejection),
            Err(rejection) => return Err(Fault::of(rejection, evidence.clone())),
        };
        if proven.answer.trust >= Trust::Finalized {
            let base = self.shadows.at_epoch(block_id, 0).await.map_err(Fault::Ours)?;
            return self.check_from(&base, client, evidence).await;
        }
        let rejection = rejection
            .unwrap_or(NotYet::Certificate { block_id, height: proven.answer.height }.into());
        Err(Fault::of(rejection, evidence.clone()))
    }
}

/// Whether the evidence may end at the client's head instead of a certificate.
fn rests_on(evidence: &AnswerProof, head_id: Identifier, depth: Depth) -> bool {
    let blocks = [Some(&evidence.block), evidence.seal.as_ref().map(|seal| &seal.block)];
    let is_head = |header: &Header| header.id() == head_id;
    depth == Depth::Linked || blocks.into_iter().flatten().any(|block| is_head(&block.header))
}
