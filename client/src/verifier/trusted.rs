//! What a client trusts: a checkpoint, and the committees of the epochs proved from it.

use super::certify::Certifier;
use super::state::{self, StateView};
use super::{Anchor, Missing, Rejection, Trust, Verified, Violation, rules};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use weir_protocol::codec::Entity;
use weir_protocol::evidence::{BlockProof, Evidence, Preimages};
use weir_protocol::hotstuff::Committee;
use weir_protocol::model::{EpochStateContainer, Identifier};

/// One epoch whose committee is proved.
#[derive(Clone, Debug)]
pub struct TrustedEpoch {
    /// Number of the epoch.
    pub(super) counter: u64,
    /// ID of its setup.
    pub(super) setup_id: Identifier,
    /// ID of its commit.
    pub(super) commit_id: Identifier,
    /// First view.
    pub(super) first_view: u64,
    /// Last view as far as proved; extensions may come later.
    pub(super) final_view: u64,
    /// The committee, fixed for the epoch.
    pub(super) committee: Arc<Committee>,
}

impl TrustedEpoch {
    fn open(container: &EpochStateContainer, sources: &[&Preimages]) -> Result<Self, Rejection> {
        let setup = state::setup(sources, container)?;
        let commit = state::commit(sources, container)?;
        let counter = setup.counter;
        let committee = Committee::new(&setup, &commit)
            .map_err(|source| Violation::Committee { counter, source })?;
        Ok(Self {
            counter,
            setup_id: container.setup_id,
            commit_id: container.commit_id,
            first_view: setup.first_view,
            final_view: state::final_view(&setup, container),
            committee: Arc::new(committee),
        })
    }

    /// Number of the epoch.
    #[must_use]
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// Its committee.
    #[must_use]
    pub fn committee(&self) -> &Committee {
        &self.committee
    }
}

/// A checkpoint and everything proved from it: the root of trust of a client.
///
/// The caller vouches for one thing only, that the checkpoint is a finalized block.
#[derive(Clone, Debug)]
pub struct TrustedState {
    chain_id: String,
    checkpoint_id: Identifier,
    checkpoint_height: u64,
    epochs: BTreeMap<u64, TrustedEpoch>,
    preimages: Preimages,
}

impl TrustedState {
    /// Opens the checkpoint's protocol state: its epoch, and the next one if committed.
    ///
    /// # Errors
    /// When the evidence holds no checkpoint, when its header does not hash to `checkpoint_id`,
    /// or when its state cannot be opened from the preimages.
    pub fn from_checkpoint(
        checkpoint_id: Identifier,
        evidence: &Evidence,
    ) -> Result<Verified<Self>, Rejection> {
        let proof = evidence.checkpoint.as_ref().ok_or(Missing::Checkpoint)?;
        let found = proof.header.id();
        if found != checkpoint_id {
            return Err(Violation::CheckpointId { expected: checkpoint_id, found }.into());
        }
        let sources = [&evidence.preimages];
        let view = open_state(proof, &sources)?;
        view.contains_view(proof.header.view)?;
        let mut trusted = Self {
            chain_id: proof.header.chain_id.clone(),
            checkpoint_id,
            checkpoint_height: proof.header.height,
            epochs: BTreeMap::new(),
            preimages: evidence.preimages.clone(),
        };
        let current = TrustedEpoch::open(&view.entry.current_epoch, &sources)?;
        let next = committed_next(&view)
            .map(|container| next_epoch(&current, &view, container, &sources))
            .transpose()?;
        trusted.accept(current);
        if let Some(next) = next {
            trusted.accept(next);
        }
        Ok(Verified(trusted))
    }

    /// Applies every hop in the evidence, in order; hops of epochs already known are skipped.
    ///
    /// # Errors
    /// When a hop's block is not proved final by committees known so far, or its state does not
    /// commit the epoch after the newest known one. Hops before the failing one stay applied.
    pub fn apply_hops(&mut self, evidence: &Evidence) -> Result<(), Rejection> {
        self.preimages.extend(evidence.preimages.clone());
        for hop in &evidence.hops {
            self.apply_hop(hop)?;
        }
        Ok(())
    }

    fn apply_hop(&mut self, hop: &BlockProof) -> Result<(), Rejection> {
        let sources = [&self.preimages];
        let view = open_state(hop, &sources)?;
        let newest = self.newest_epoch();
        if view.current_setup.counter < newest.counter {
            return Ok(());
        }
        let container = committed_next(&view)
            .ok_or(Violation::HopNotCommitted { counter: view.current_setup.counter })?;
        let next = next_epoch(newest, &view, container, &sources)?;
        let certifier = Certifier::new(Anchor::Trusted(self)).with_next(&next);
        if certifier.block(hop, Some(&view))? < Trust::Finalized {
            let (block_id, height) = (hop.header.id(), hop.header.height);
            return Err(Missing::Finality { block_id, height }.into());
        }
        let final_view = view.final_view();
        let counter = newest.counter;
        if let Some(epoch) = self.epochs.get_mut(&counter) {
            epoch.final_view = final_view;
        }
        self.accept(next);
        Ok(())
    }

    fn accept(&mut self, epoch: TrustedEpoch) {
        self.epochs.insert(epoch.counter, epoch);
    }

    /// Network of the checkpoint.
    #[must_use]
    pub fn chain_id(&self) -> &str {
        &self.chain_id
    }

    /// The checkpoint.
    #[must_use]
    pub fn checkpoint_id(&self) -> Identifier {
        self.checkpoint_id
    }

    /// Height of the checkpoint.
    #[must_use]
    pub fn checkpoint_height(&self) -> u64 {
        self.checkpoint_height
    }

    /// Newest epoch whose committee is known.
    #[must_use]
    pub fn newest_epoch(&self) -> &TrustedEpoch {
        self.epochs.values().next_back().expect("a checkpoint has a current epoch")
    }

    /// Oldest epoch whose committee is known: the checkpoint's.
    #[must_use]
    pub fn oldest_epoch(&self) -> &TrustedEpoch {
        self.epochs.values().next().expect("a checkpoint has a current epoch")
    }

    /// The epoch whose views begin last at or before `view`.
    pub(super) fn epoch_of_view(&self, view: u64) -> Option<&TrustedEpoch> {
        self.epochs.values().rev().find(|epoch| epoch.first_view <= view)
    }

    /// The epoch with this counter, if its committee is known.
    #[must_use]
    pub fn epoch(&self, counter: u64) -> Option<&TrustedEpoch> {
        self.epochs.get(&counter)
    }

    /// Preimages from the evidence accepted so far.
    #[must_use]
    pub fn preimages(&self) -> &Preimages {
        &self.preimages
    }
}

fn open_state(proof: &BlockProof, sources: &[&Preimages]) -> Result<StateView, Rejection> {
    let missing = || Missing::PayloadRoots { block_id: proof.header.id() };
    let roots = proof.roots.as_ref().ok_or_else(missing)?;
    rules::payload_hash(&proof.header, roots)?;
    StateView::derive(roots, sources)
}

fn committed_next(view: &StateView) -> Option<&EpochStateContainer> {
    view.entry.next_epoch.as_ref().filter(|next| !next.commit_id.is_zero())
}

/// Opens the committed next epoch and checks that it follows `current`.
fn next_epoch(
    current: &TrustedEpoch,
    view: &StateView,
    container: &EpochStateContainer,
    sources: &[&Preimages],
) -> Result<TrustedEpoch, Rejection> {
    let next = TrustedEpoch::open(container, sources)?;
    let broken =
        |field| Violation::EpochOrder { counter: current.counter, found: next.counter, field };
    if current.counter.checked_add(1) != Some(next.counter) {
        return Err(broken("counter").into());
    }
    if view.final_view().checked_add(1) != Some(next.first_view) {
        return Err(broken("first view").into());
    }
    Ok(next)
}
