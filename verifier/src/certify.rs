//! Certificates and hash links: how far a block is proved, given what the caller trusts.

use super::sources::Sources;
use super::state::StateView;
use super::trust::{Anchored, AnchoredBy, Trust};
use super::{
    Anchor, Missing, NotYet, Rejection, Timing, TrustedEpoch, TrustedState, Violation, rules,
};
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use weir_protocol::codec::Entity;
use weir_protocol::evidence::{BlockProof, SealProof};
use weir_protocol::hotstuff::{self, Committee};
use weir_protocol::merkle;
use weir_protocol::model::{Header, QuorumCertificate};

/// Decides how far blocks are proved.
#[derive(Debug)]
pub(super) struct Certifier<'a> {
    anchor: Anchor<'a>,
    /// Where committees of epochs long past are found.
    sources: Sources<'a>,
    timing: &'a Timing,
    next: Option<&'a (TrustedEpoch, Arc<Committee>)>,
}

/// What certificates prove of a block.
struct Certified {
    trust: Trust,
    /// Epoch of the block's committee.
    epoch_counter: u64,
    /// Epoch of the committee that certifies the last of its descendants.
    last_epoch_counter: u64,
}

/// A committee for a view, and whether the view is known to lie in its epoch.
struct Electorate {
    committee: Arc<Committee>,
    /// Newest known epoch, when the view may lie beyond it.
    beyond: Option<u64>,
}

impl<'a> Certifier<'a> {
    pub(super) fn new(anchor: Anchor<'a>, sources: Sources<'a>, timing: &'a Timing) -> Self {
        Self { anchor, sources, timing, next: None }
    }

    /// Also knows the next epoch that the block under proof commits; its committee may certify
    /// descendants once the block itself is certified.
    pub(super) fn with_next(self, next: &'a (TrustedEpoch, Arc<Committee>)) -> Self {
        Self { next: Some(next), ..self }
    }

    /// How far the block is proved; its state, if opened, must be of the epoch trusted.
    pub(super) fn block(
        &self,
        proof: &BlockProof,
        state: Option<&StateView>,
    ) -> Result<Anchored, Rejection> {
        if let Anchor::KnownBlock { block_id: expected, .. } = self.anchor {
            linked(proof)?;
            let found = proof.header.id();
            if found == expected {
                return Ok(Anchored { trust: Trust::Known, by: AnchoredBy::KnownBlock });
            }
            return Err(Violation::AnotherBlock { expected, found }.into());
        }
        self.anchored(proof, state, state.map(StateView::final_view))
    }

    /// As [`Self::block`]; the epoch of the block asked about reaches to `final_view` at least.
    fn anchored(
        &self,
        proof: &BlockProof,
        state: Option<&StateView>,
        final_view: Option<u64>,
    ) -> Result<Anchored, Rejection> {
        let chain = linked(proof)?;
        let header = &proof.header;
        if let Some(state) = state {
            state.contains_view(header.view)?;
        }
        let certificates = || self.certificates(&chain, proof.qc.as_ref(), final_view);
        let trusted = match self.anchor {
            Anchor::Trusted(trusted) => trusted,
            Anchor::Committee { committee, .. } => {
                epoch_of_committee(committee, state)?;
                let Certified { trust, epoch_counter, .. } = certificates()?;
                return Ok(Anchored { trust, by: AnchoredBy::Committee { epoch_counter } });
            }
            Anchor::KnownBlock { .. } => return Err(not_certified(header).into()),
        };
        same_chain(trusted, header)?;
        // Links end at a trusted block; whatever comes after it must be certified like anything.
        if let (Some(last), None) = (chain.last(), &proof.qc)
            && trusted.is_final(last)
        {
            return Ok(Anchored { trust: Trust::Finalized, by: AnchoredBy::links_to(last) });
        }
        if let Some(state) = state {
            epoch_of_state(trusted, state)?;
        }
        let anchored = self.dated(trusted, &chain, certificates()?)?;
        if let (Trust::Finalized, [is_final @ .., _]) = (anchored.trust, &chain[..]) {
            is_final.iter().try_for_each(|header| trusted.check_finality(header))?;
        }
        Ok(anchored)
    }

    /// What certificates prove is dated where their committee is one of the past. Signers check what
    /// they build on, so the committee of the last descendant's epoch speaks for all.
    fn dated(
        &self,
        trusted: &TrustedState,
        chain: &[&Header],
        Certified { trust, epoch_counter, last_epoch_counter }: Certified,
    ) -> Result<Anchored, Missing> {
        let Some(superseded) = trusted.superseded_by(last_epoch_counter) else {
            return Ok(Anchored { trust, by: AnchoredBy::Committee { epoch_counter } });
        };
        // It may lead to a block that is final anyhow, and needs no committee then.
        if let Some(known) = chain.iter().find(|header| trusted.is_final(header)) {
            let trust = trust.max(Trust::Finalized);
            return Ok(Anchored { trust, by: AnchoredBy::links_to(known) });
        }
        let by = self.timing.check_past_committee(last_epoch_counter, chain[0], &superseded)?;
        Ok(Anchored { trust, by })
    }

    /// The seal proves the block sealed in a final payload; returns by what that one is proved.
    pub(super) fn seal(
        &self,
        sealed: (&Header, Option<&StateView>),
        proof: &SealProof,
    ) -> Result<AnchoredBy, Rejection> {
        let (sealed, state) = sealed;
        let expected = sealed.id();
        let sealing = &proof.block.header;
        if proof.seal.block_id != expected {
            return Err(Violation::SealedBlock { expected, found: proof.seal.block_id }.into());
        }
        if sealing.height <= sealed.height || sealing.view <= sealed.view {
            let order = Violation::SealOrder { sealing: sealing.height, sealed: sealed.height };
            return Err(order.into());
        }
        let block_id = sealing.id();
        let roots = proof.block.roots.as_ref().ok_or(Missing::PayloadRoots { block_id })?;
        rules::payload_hash(sealing, roots)?;
        let seal_id = proof.seal.id();
        merkle::verify(&roots.seals_root, &seal_id, proof.index, &proof.proof)
            .map_err(|_| Violation::SealInclusion { seal_id, block_id, index: proof.index })?;
        let final_view = state.map(StateView::final_view);
        let anchored = self.anchored(&proof.block, None, final_view)?;
        if anchored.trust < Trust::Finalized {
            return Err(NotYet::Finality { block_id, height: sealing.height }.into());
        }
        // What a final payload seals is final, so it must not contradict what is final already.
        if let Anchor::Trusted(trusted) = self.anchor {
            trusted.check_finality(sealed)?;
        }
        Ok(anchored.by)
    }

    /// Verifies the block's own certificate, and the two that make a 2-chain.
    ///
    /// Certificates between them need no pairing: a certified descendant vouches for the headers
    /// it is hash-linked to, for its signers checked them.
    fn certificates(
        &self,
        chain: &[&Header],
        last_qc: Option<&QuorumCertificate>,
        final_view: Option<u64>,
    ) -> Result<Certified, Rejection> {
        let block = chain[0];
        let last_qc = last_qc.ok_or_else(|| not_certified(block))?;
        let last = chain.len() - 1;
        rules::certifies(last_qc, chain[last])?;
        let qc_of = |index: usize| match chain.get(index + 1) {
            Some(child) => child.parent_qc(),
            None => last_qc.clone(),
        };
        let mut indices = [0, last.saturating_sub(1), last].to_vec();
        indices.dedup();
        let mut claims = Vec::with_capacity(indices.len());
        for index in indices {
            let electorate = self.electorate(chain[index], final_view)?;
            claims.push((electorate, qc_of(index)));
        }
        verify_certificates(&claims)?;
        let counter_of = |claim: &(Electorate, _)| claim.0.committee.counter();
        let (epoch_counter, last_epoch_counter) =
            (counter_of(&claims[0]), counter_of(&claims[claims.len() - 1]));
        let trust = match chain {
            [.., parent, child] if parent.view.checked_add(1) == Some(child.view) => {
                Trust::Finalized
            }
            _ => Trust::Certified,
        };
        Ok(Certified { trust, epoch_counter, last_epoch_counter })
    }

    fn electorate(
        &self,
        header: &Header,
        final_view: Option<u64>,
    ) -> Result<Electorate, Rejection> {
        let view = header.view;
        let trusted = match self.anchor {
            Anchor::Committee { committee, .. } => {
                let is_beyond = final_view.is_some_and(|final_view| view > final_view);
                let beyond = is_beyond.then_some(committee.counter());
                return Ok(Electorate { committee: committee.clone(), beyond });
            }
            Anchor::KnownBlock { .. } => return Err(not_certified(header).into()),
            Anchor::Trusted(trusted) => trusted,
        };
        if let Some((_, committee)) = self.next.filter(|(next, _)| next.first_view <= view) {
            return Ok(Electorate { committee: committee.clone(), beyond: None });
        }
        let oldest_known = trusted.oldest_epoch().counter;
        let epoch =
            trusted.epoch_of_view(view).ok_or(Missing::EarlierEpoch { view, oldest_known })?;
        let newest = trusted.newest_epoch();
        let horizon = final_view.unwrap_or(0).max(newest.final_view);
        let beyond = epoch.counter == newest.counter && self.next.is_none() && view > horizon;
        let committee = match trusted.committee(epoch.counter) {
            Some(committee) => committee.clone(),
            None => epoch.open_committee(self.sources)?,
        };
        Ok(Electorate { committee, beyond: beyond.then_some(newest.counter) })
    }
}

fn not_certified(header: &Header) -> NotYet {
    NotYet::Certificate { block_id: header.id(), height: header.height }
}

/// The block and its descendants, each continuing the one before.
fn linked(proof: &BlockProof) -> Result<Vec<&Header>, Violation> {
    let mut chain = Vec::with_capacity(proof.descendants.len() + 1);
    chain.push(&proof.header);
    chain.extend(&proof.descendants);
    for pair in chain.windows(2) {
        rules::continues(pair[0], pair[1])?;
    }
    Ok(chain)
}

fn same_chain(trusted: &TrustedState, header: &Header) -> Result<(), Violation> {
    if header.chain_id == trusted.chain_id() {
        return Ok(());
    }
    let (expected, found) = (trusted.chain_id().to_string(), header.chain_id.clone());
    Err(Violation::AnotherChain { expected, found })
}

/// The state's current epoch is the committee's.
fn epoch_of_committee(committee: &Committee, state: Option<&StateView>) -> Result<(), Violation> {
    match state {
        Some(state) if state.current_setup.counter != committee.counter() => {
            Err(Violation::State { reason: "the block is of another epoch than the committee" })
        }
        _ => Ok(()),
    }
}

/// The state's current epoch is one whose committee is known, and the same one.
fn epoch_of_state(trusted: &TrustedState, state: &StateView) -> Result<(), Rejection> {
    let counter = state.current_setup.counter;
    let Some(epoch) = trusted.epoch(counter) else {
        let (oldest, newest) = (trusted.oldest_epoch(), trusted.newest_epoch());
        return Err(if counter > newest.counter {
            Missing::LaterEpoch { newest_known: newest.counter }.into()
        } else {
            let view = state.current_setup.first_view;
            Missing::EarlierEpoch { view, oldest_known: oldest.counter }.into()
        });
    };
    let current = &state.entry.current_epoch;
    for (expected, found) in
        [(epoch.setup_id, current.setup_id), (epoch.commit_id, current.commit_id)]
    {
        if expected != found {
            return Err(Violation::EpochSetup { counter, expected, found }.into());
        }
    }
    Ok(())
}

/// Verifies all certificates in one multi-pairing.
fn verify_certificates(claims: &[(Electorate, QuorumCertificate)]) -> Result<(), Rejection> {
    let pairs: Vec<_> =
        claims.iter().map(|(electorate, qc)| (&*electorate.committee, qc)).collect();
    hotstuff::verify_qcs(&pairs).map_err(|failure| {
        let (electorate, qc) = &claims[failure.index];
        match electorate.beyond {
            Some(newest_known) => Missing::LaterEpoch { newest_known }.into(),
            None => Violation::Certificate {
                block_id: qc.block_id,
                view: qc.view,
                source: failure.source,
            }
            .into(),
        }
    })
}
