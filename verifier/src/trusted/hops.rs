//! From epoch to epoch: each hop is a final block of one epoch whose state commits the next.

use super::super::certify::Certifier;
use super::super::open::expand;
use super::super::sources::Sources;
use super::super::state::StateView;
use super::super::{Anchor, NotYet, Rejection, Timing, Trust, Violation};
use super::{TrustedBlock, TrustedEpoch, TrustedState, epoch, open_state};
use alloc::sync::Arc;
use weir_protocol::codec::Entity as _;
use weir_protocol::evidence::{Hop, HopsPage, Preimages};
use weir_protocol::hotstuff::Committee;
use weir_protocol::model::EpochStateContainer;

/// What a page of hops did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HopsApplied {
    /// Hops at the start that lead to epochs already known.
    pub skipped: u64,
    /// Hops that each proved one more epoch.
    pub applied: u64,
    /// Whether whoever made the page says that there are more; nothing proves it.
    pub more: bool,
}

impl TrustedState {
    /// Applies a page of hops, in order.
    ///
    /// Hops at its start that lead to epochs already known are skipped, so a page may be applied
    /// twice.
    ///
    /// # Errors
    /// When a hop's block is not proved final by the committees known so far, when its state does
    /// not commit the epoch after the newest known one, when a stale hop follows a new one, or
    /// when `timing` forbids to extend trust. Hops before the failing one stay applied.
    pub fn apply_hops(
        &mut self,
        page: &HopsPage,
        timing: &Timing,
    ) -> Result<HopsApplied, Rejection> {
        let mut done = HopsApplied { more: page.more, ..HopsApplied::default() };
        let mut last = Preimages::default();
        for hop in &page.hops {
            let view = hop.block.header.view;
            let newest = self.newest_epoch();
            if view >= newest.first_view {
                last = self.apply_hop(hop, &last, timing)?;
                done.applied += 1;
            } else if done.applied == 0 {
                done.skipped += 1;
            } else {
                return Err(Violation::HopOrder { view, newest_known: newest.counter }.into());
            }
        }
        Ok(done)
    }

    /// Applies one hop and returns the preimages it came with; `last` are those of the hop before.
    fn apply_hop(
        &mut self,
        hop: &Hop,
        last: &Preimages,
        timing: &Timing,
    ) -> Result<Preimages, Rejection> {
        timing.check_trust(self)?;
        let expanded = expand(&hop.bundle, &[last, &self.preimages])?;
        let preimages = [&expanded, last, &self.preimages];
        let sources = Sources::new(&preimages).with_decoded(&self.decoded);
        let proof = &hop.block;
        let header = &proof.header;
        let view = open_state(proof, sources, || self.schedule())?;
        let container = committed_next(&view)
            .ok_or(Violation::HopNotCommitted { counter: view.current_setup.counter })?;
        let newest = (self.newest_epoch(), self.newest_committee(sources)?);
        let next = next_epoch((newest.0, &newest.1), &view, container, sources)?;
        let certifier = Certifier::new(Anchor::Trusted(self), sources, timing).with_next(&next);
        if certifier.block(proof, Some(&view))?.trust < Trust::Finalized {
            let (block_id, height) = (header.id(), header.height);
            return Err(NotYet::Finality { block_id, height }.into());
        }
        timing.check_block(header)?;
        let final_view = view.final_view();
        if let Some(epoch) = self.epochs.last_mut() {
            epoch.final_view = final_view;
        }
        self.accept(next, TrustedBlock::of(header));
        self.preimages.extend(expanded.clone());
        if header.height > self.head.height {
            self.advance(TrustedBlock::of(header), Some((view.protocol_state_id, header.view)));
        } else {
            self.forget();
        }
        Ok(expanded)
    }

    fn newest_committee(&self, sources: Sources<'_>) -> Result<Arc<Committee>, Rejection> {
        let newest = self.newest_epoch();
        match self.committees.get(&newest.counter) {
            Some(committee) => Ok(committee.clone()),
            None => newest.open_committee(sources),
        }
    }
}

/// The next epoch of a state, if it is committed.
pub(super) fn committed_next(view: &StateView) -> Option<&EpochStateContainer> {
    view.entry.next_epoch.as_ref().filter(|next| !next.commit_id.is_zero())
}

/// Opens the committed next epoch and checks that it follows `current`.
pub(super) fn next_epoch(
    (current, committee): (&TrustedEpoch, &Committee),
    view: &StateView,
    container: &EpochStateContainer,
    sources: Sources<'_>,
) -> Result<(TrustedEpoch, Arc<Committee>), Rejection> {
    let (next, next_committee) = epoch::open(container, sources, Some(committee))?;
    let broken =
        |field| Violation::EpochOrder { counter: current.counter, found: next.counter, field };
    if current.counter.checked_add(1) != Some(next.counter) {
        return Err(broken("counter").into());
    }
    if view.final_view().checked_add(1) != Some(next.first_view) {
        return Err(broken("first view").into());
    }
    Ok((next, next_committee))
}
