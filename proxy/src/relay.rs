//! An answer on its way to a client: checked as that client will check it.

use std::sync::Arc;

use prost::bytes::Bytes;
use tonic::Status;
use weir_proto::convert::Asked;
use weir_proto::weir::v1::Proof;
use weir_protocol::codec::Entity as _;
use weir_protocol::evidence::{Evidence, Held, Preimages, Selector};
use weir_protocol::model::Identifier;
use weir_verifier::{Answer, Missing, Rejection, Trust, TrustedState};

use crate::chain::{Chain, Checked, answer_alone};
use crate::fault::Fault;
use crate::needed::{self, check_answer};
use crate::upstream::Upstream;

/// An answer that may be passed on.
#[derive(Debug)]
pub(crate) struct Relayed {
    /// The evidence, as it came.
    pub(crate) bytes: Bytes,
    pub(crate) evidence: Evidence,
    /// What it proves.
    pub(crate) answer: Answer,
}

/// For whom evidence is checked.
#[derive(Clone, Debug)]
pub(crate) struct Client<'a> {
    pub(crate) asked: &'a Asked,
    /// What is asked of the upstream to take for held.
    pub(crate) forward: Held,
    /// The preimages of that.
    pub(crate) held: Preimages,
    /// The state that stands for the client, if it has a checkpoint.
    pub(crate) base: Option<Arc<TrustedState>>,
}

impl Chain {
    /// The answer to a question that verifies for the client that asks it.
    pub(crate) async fn relay(&self, asked: &Asked) -> Result<Relayed, Status> {
        let client = self.client(asked).await?;
        let mut turn = self.upstreams.turn();
        while let Some(upstream) = turn.next() {
            match self.relay_one(upstream, &client).await {
                Ok(relayed) => return Ok(relayed),
                Err(fault) => turn.failed(upstream, fault)?,
            }
        }
        // Nothing certifies the block yet, or ever will: what its hash covers is true all the same.
        if let (Some(unproved), Selector::Id(block_id)) = (&turn.unproved, asked.question.block) {
            let evidence = unproved.evidence.clone();
            let answer = crate::own::by_hash(block_id, &asked.question, &evidence, &client.held);
            let answer =
                answer.ok().filter(|_| check_answer(&evidence, &client.held, None).is_ok());
            if let Some(answer) = answer {
                return Ok(Relayed { bytes: evidence.to_bytes().into(), evidence, answer });
            }
        }
        Err(turn.over())
    }

    async fn client<'a>(&self, asked: &'a Asked) -> Result<Client<'a>, Status> {
        let held = &asked.held;
        let linked_to = held.head_id.filter(|_| asked.proof == Proof::Linked);
        let base = match held.checkpoint_id.or(linked_to) {
            Some(_) if asked.proof == Proof::KnownBlock => None,
            Some(begins_at) => Some(self.shadow(begins_at, held.newest_epoch_counter).await?),
            None => None,
        };
        let known = self.known(held, base.as_deref());
        let forward = Held { preimage_ids: known.ids().copied().collect(), ..held.clone() };
        Ok(Client { asked, forward, held: known, base })
    }

    async fn relay_one(&self, upstream: &Upstream, client: &Client<'_>) -> Result<Relayed, Fault> {
        let asked = client.asked;
        let bytes = upstream.ask(&asked.question, &client.forward, asked.proof).await?;
        let evidence = answer_alone(&bytes)?;
        let answer = match (&client.base, asked.proof) {
            (_, Proof::KnownBlock) => self.check_known(client, &evidence).await?,
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
        evidence: &Evidence,
    ) -> Result<Answer, Fault> {
        let question = &client.asked.question;
        let proof = client.asked.proof;
        let head_id = client.asked.held.head_id;
        let (begins_at, mut state) = match head_id.filter(|id| rests_on(evidence, *id, proof)) {
            Some(head_id) => {
                let state = self.shadow_with_head(base, head_id).await.map_err(Fault::Ours)?;
                (head_id, state)
            }
            None => (base.checkpoint().block_id, base.clone()),
        };
        let mut is_first = true;
        loop {
            let checked = self.verify(&state, &client.held, (question, evidence)).await?;
            let newest_known = state.newest_epoch().counter();
            match checked {
                Ok(checked) if !checked.leaves_seal() => {
                    check_answer(evidence, &client.held, Some(&state))?;
                    if is_first {
                        self.follow(base, &checked);
                    }
                    return Ok(checked.answer);
                }
                Ok(_) if proof != Proof::Linked => {}
                Err(rejection) if proof != Proof::Linked && needs_later_epoch(&rejection) => {}
                Ok(_) => return Err(Fault::Wrong("its seal is not proved".to_owned())),
                Err(rejection) => return Err(Fault::of(rejection, evidence)),
            }
            let wanted =
                needed::epoch_of(evidence, &client.held).unwrap_or_default().max(newest_known + 1);
            let later = self.shadow(begins_at, wanted).await.map_err(Fault::Ours)?;
            if later.newest_epoch().counter() <= newest_known {
                return Err(Fault::Wrong(format!(
                    "it needs an epoch after {newest_known}, of which nothing is known"
                )));
            }
            (state, is_first) = (later, false);
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
        evidence: &Evidence,
    ) -> Result<Answer, Fault> {
        let block_id = block_of(evidence)?;
        let proven = self.prove_named(block_id).await?;
        let own = self.own().map_err(Fault::Ours)?;
        let question = &client.asked.question;
        let rejection = match self.verify(&own, &client.held, (question, evidence)).await? {
            Ok(checked) if !checked.leaves_seal() => {
                check_answer(evidence, &client.held, Some(&own))?;
                return Ok(checked.answer);
            }
            Ok(_) => None,
            Err(Rejection::NotEnough(missing)) => Some(Rejection::NotEnough(missing)),
            Err(rejection) => return Err(Fault::of(rejection, evidence)),
        };
        if proven.answer.trust >= Trust::Finalized {
            let base = self.shadow(block_id, 0).await.map_err(Fault::Ours)?;
            return self.check_from(&base, client, evidence).await;
        }
        let rejection = rejection
            .unwrap_or(Missing::Certificate { block_id, height: proven.answer.height }.into());
        Err(Fault::of(rejection, evidence))
    }
}

/// The block that evidence is about.
pub(crate) fn block_of(evidence: &Evidence) -> Result<Identifier, Fault> {
    let missing = || Fault::Wrong(Rejection::from(Missing::Answer).to_string());
    evidence.answer.as_ref().map(|answer| answer.block.header.id()).ok_or_else(missing)
}

/// Whether what is missing is the committee of a later epoch: the block's, or its seal's.
pub(crate) fn needs_later_epoch(rejection: &Rejection) -> bool {
    matches!(rejection, Rejection::NotEnough(Missing::LaterEpoch { .. }))
}

/// Whether the evidence may end at the client's head instead of a certificate.
fn rests_on(evidence: &Evidence, head_id: Identifier, proof: Proof) -> bool {
    let Some(answer) = &evidence.answer else {
        return false;
    };
    let blocks = [Some(&answer.block), answer.seal.as_ref().map(|seal| &seal.block)];
    let is_head = |header: &weir_protocol::model::Header| header.id() == head_id;
    proof == Proof::Linked || blocks.into_iter().flatten().any(|block| is_head(&block.header))
}
