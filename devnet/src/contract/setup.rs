//! What the setup of an epoch says.

use weir_protocol::model::{EpochSetup, Identifier, IdentitySkeleton, RANDOM_SOURCE_LEN, Role};

use super::{Contract, ExecutedBlock};
use crate::config::Config;
use crate::random::{Random, hash};

/// What a setup is made of.
pub(crate) struct SetupParts {
    /// Number of the epoch.
    pub(crate) counter: u64,
    /// Its first view.
    pub(crate) first_view: u64,
    /// Its nodes, in canonical order.
    pub(crate) participants: Vec<IdentitySkeleton>,
    /// Where its source of randomness comes from.
    pub(crate) block_id: Identifier,
}

impl Contract {
    /// The setup of an epoch with this counter and first view.
    pub(super) fn next_setup(
        &self,
        (counter, first_view): (u64, u64),
        block: &ExecutedBlock<'_>,
        config: &Config,
    ) -> EpochSetup {
        let participants = self.skeletons();
        let block_id = block.block_id;
        setup_of(SetupParts { counter, first_view, participants, block_id }, config)
    }
}

/// The setup made of these parts.
pub(crate) fn setup_of(parts: SetupParts, config: &Config) -> EpochSetup {
    let SetupParts { counter, first_view, participants, block_id } = parts;
    let source = hash(config.seed, "epoch", &[&block_id.0, &counter.to_be_bytes()]);
    let staking_final_view = first_view + config.epochs.staking_views - 1;
    let dkg_final_view = |phases| staking_final_view + phases * config.epochs.dkg_phase_views;
    let final_view = first_view + config.epochs.views - 1;
    let duration = |views: u64| views * config.block_time_ms / 1000;
    let ends_after = duration(final_view - config.root.view + 1);
    EpochSetup {
        counter,
        first_view,
        dkg_phase1_final_view: dkg_final_view(1),
        dkg_phase2_final_view: dkg_final_view(2),
        dkg_phase3_final_view: dkg_final_view(3),
        final_view,
        assignments: assignments(&participants, config.clusters, &source).into(),
        participants: participants.into(),
        random_source: source.0[..RANDOM_SOURCE_LEN].to_vec(),
        target_duration: duration(config.epochs.views).max(1),
        target_end_time: config.root.timestamp_ms / 1000 + ends_after,
    }
}

/// Deals the collection nodes to clusters, at random.
fn assignments(
    participants: &[IdentitySkeleton],
    clusters: usize,
    source: &Identifier,
) -> Vec<Vec<Identifier>> {
    let collection = participants.iter().filter(|node| node.role == Role::Collection);
    let mut ids: Vec<_> = collection.map(|node| node.node_id).collect();
    let mut random = Random::from_identifier(source);
    for last in (1..ids.len()).rev() {
        ids.swap(last, random.position(last + 1));
    }
    let mut dealt = vec![Vec::new(); clusters.min(ids.len())];
    let places = dealt.len();
    for (index, id) in ids.into_iter().enumerate() {
        dealt[index % places].push(id);
    }
    dealt.iter_mut().for_each(|cluster| cluster.sort());
    dealt
}
