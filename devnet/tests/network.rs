//! What a network can be asked, and which configurations make none.

use weir_devnet::config::{Chances, ConfigError, EpochConfig, NodeCounts};
use weir_devnet::network::SnapshotError;
use weir_devnet::{Command, Config, Network, NodeName, Trigger};
use weir_protocol::codec::Entity as _;
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::{EpochPhase, Identifier, Role, ServiceEvent};
use weir_protocol::protocol_state::EpochName;
use weir_server::ingest::Chain;

/// Epochs of 100 views.
fn config() -> Config {
    Config {
        epochs: EpochConfig {
            views: 100,
            staking_views: 10,
            dkg_phase_views: 5,
            finalization_safety_threshold: 20,
            extension_view_count: 60,
        },
        ..Config::default()
    }
}

fn reject(change: impl FnOnce(&mut Config)) -> String {
    let mut config = config();
    change(&mut config);
    Network::new(config).expect_err("the setting cannot work").to_string()
}

#[bounded::test]
fn names_the_setting_that_cannot_work() {
    let missing = |config: &mut Config| config.nodes.verification = 0;
    assert_eq!(reject(missing), "a network needs at least one verification node");
    assert!(reject(|config| config.nodes = NodeCounts::of_size(1100)).contains("at most 1000"));
    assert!(reject(|config| config.clusters = 4).starts_with("clusters: expected 1 to 3"));
    assert!(reject(|config| config.chain_id.clear()).starts_with("chain id"));
    assert!(reject(|config| config.epochs.views = 60).starts_with("epoch views: expected 85"));
    assert!(reject(|config| config.block_time_ms = 0).starts_with("block time in ms"));
    assert!(reject(|config| config.chances.timeout_per_mille = 900).contains("per mille"));
    assert!(reject(|config| config.root.protocol_version = 4).starts_with("protocol version"));
    let upgrade = Command::UpgradeVersion { version: 4, lead_views: 100 };
    let scheduled = |config: &mut Config| config.schedule.push(Trigger::Now, upgrade.clone());
    assert!(reject(scheduled).starts_with("protocol version"));
    let mut network = Network::new(config()).unwrap();
    assert!(matches!(
        network.command(Trigger::Now, upgrade),
        Err(ConfigError::Number { found: 4, .. })
    ));
}

#[bounded::test]
fn a_network_can_be_shared_between_threads() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Network>();
}

#[bounded::test]
fn answers_for_every_final_block() {
    let mut network = Network::new(config()).unwrap();
    let mut finalized = Vec::new();
    for _ in 0..150 {
        let produced = network.next_block();
        assert_eq!(produced.block.header.id(), produced.block_id);
        assert!(produced.qc.as_ref().is_none_or(|qc| qc.block_id == produced.block_id));
        finalized.extend(produced.finalized);
    }
    for (height, block_id) in (1..).zip(&finalized) {
        assert_eq!(network.finalized_at(height).unwrap().block_id, *block_id);
        let block = network.block(block_id).unwrap();
        assert_eq!(block.header.height, height);
        let result = network.result_of(block_id).unwrap();
        assert_eq!(network.result(&result.id()), Some(result));
        let state = network.protocol_state(block_id).unwrap();
        assert_eq!(state.id(), block.payload.protocol_state_id);
    }
    let latest = network.latest_finalized();
    assert_eq!(Some(&latest.block_id), finalized.last());
    assert!(latest.height - network.latest_sealed().height < 10);
    assert!(network.block(&Identifier::ZERO).is_none());
}

#[bounded::test]
fn a_snapshot_of_any_final_block_is_a_trusted_root() {
    let mut network = Network::new(config()).unwrap();
    (0..130).for_each(|_| drop(network.next_block()));
    let latest = network.latest_finalized().height;
    for height in [0, 1, 2, 5, 40, latest] {
        let snapshot = network.snapshot_at(height).unwrap();
        assert_eq!(snapshot.head().header.height, height);
        assert_eq!(Snapshot::from_json(&snapshot.to_json()).unwrap(), snapshot);
        Chain::from_snapshot(&snapshot, 1000).unwrap();
    }
    let error = network.snapshot_at(latest + 1).unwrap_err();
    assert!(matches!(error, SnapshotError::NotFinal { .. }));
}

#[bounded::test]
fn pruning_changes_no_block_and_bounds_what_is_kept() {
    let mut whole = Network::new(config()).unwrap();
    let mut pruned = Network::new(config()).unwrap();
    for _ in 0..300 {
        assert_eq!(whole.next_block().block_id, pruned.next_block().block_id);
        pruned.prune(10);
    }
    let height = pruned.latest_sealed().height;
    assert!(pruned.finalized_at(height - 10).is_some());
    assert!(pruned.finalized_at(height - 11).is_none());
    assert!(whole.finalized_at(1).is_some());
}

#[bounded::test]
fn commands_given_at_run_time_take_effect() {
    let mut network = Network::new(config()).unwrap();
    let victim = network.root().head_state().current_epoch_setup.participants[0].clone();
    network.command(Trigger::Now, Command::Eject(NodeName::Id(victim.node_id))).unwrap();
    network.command(Trigger::Now, Command::Join(Role::Access)).unwrap();
    network.command(Trigger::Now, Command::MissedCommit).unwrap();
    let mut phases = Vec::new();
    for count in 0..250 {
        if count == 120 {
            network.command(Trigger::Now, Command::Recover).unwrap();
        }
        let block_id = network.next_block().block_id;
        phases.push(network.protocol_state(&block_id).unwrap().phase());
    }
    phases.dedup();
    assert!(phases.contains(&EpochPhase::Fallback), "{phases:?}");
    let state = network.protocol_state(&network.latest_finalized().block_id).unwrap();
    assert_eq!(state.epoch_counter(), 1);
    let participants = &state.current_setup().participants;
    assert_eq!(participants.len(), Config::default().nodes.total());
    assert!(participants.iter().all(|node| node.node_id != victim.node_id));
}

fn place(role: Role, position: usize) -> NodeName {
    NodeName::Place { role, position }
}

/// flow-go stops at the end of an epoch when it does not know the next one for certain.
#[bounded::test]
fn blocks_become_final_within_the_safety_threshold_whatever_goes_wrong() {
    for seed in 0..4 {
        let chances =
            Chances { fork_per_mille: 400, timeout_per_mille: 400, view_gap_per_mille: 800 };
        let config = Config { seed, chances, ..config() }
            .at(Trigger::Height(5), Command::Eject(place(Role::Consensus, 0)));
        let threshold = config.epochs.finalization_safety_threshold;
        let mut network = Network::new(config).unwrap();
        for _ in 0..300 {
            let known = network.latest_finalized().view;
            let view = network.next_block().block.header.view;
            assert!(view - known <= threshold, "seed {seed}: {known} before {view}");
        }
    }
}

#[bounded::test]
fn an_ejected_leader_does_not_propose() {
    let config = config().at(Trigger::Height(5), Command::Eject(place(Role::Consensus, 2)));
    let mut network = Network::new(config).unwrap();
    let (mut before, mut after) = (0, 0);
    let victim = network.root().head_state().current_epoch_setup.participants.iter();
    let victim = victim.filter(|node| node.role == Role::Consensus).nth(2).unwrap().node_id;
    for _ in 0..80 {
        let block = network.next_block().block;
        let parent = network.protocol_state(&block.header.parent_id).unwrap();
        let nodes = &parent.container(EpochName::Current).unwrap().active_identities;
        let is_ejected = nodes.iter().any(|node| node.node_id == victim && node.ejected);
        let count = if is_ejected { &mut after } else { &mut before };
        *count += u32::from(block.header.proposer_id == victim);
    }
    assert!(before > 0);
    assert_eq!(after, 0);
}

/// Ejections that would leave too few of a role in an epoch are not carried out, even where others
/// have joined since.
#[bounded::test]
fn every_epoch_keeps_nodes_of_every_role() {
    let mut config = config();
    for round in 0..8 {
        for role in Role::ALL {
            config = config
                .at(Trigger::Height(2 + round), Command::Join(role))
                .at(Trigger::Height(3 + round), Command::Eject(place(role, 0)));
        }
    }
    let alpha = config.chunk_alpha();
    let mut network = Network::new(config).unwrap();
    let mut ejected = 0;
    for _ in 0..300 {
        let produced = network.next_block();
        let result = network.result_of(&produced.block_id).unwrap();
        let is_ejection = |event: &&ServiceEvent| matches!(event, ServiceEvent::EjectNode { .. });
        ejected += result.service_events.iter().filter(is_ejection).count();
        let state = network.protocol_state(&produced.block_id).unwrap();
        let nodes = &state.container(EpochName::Current).unwrap().active_identities;
        let active = |role| {
            let participants = state.current_setup().participants.iter().zip(nodes);
            participants.filter(|(node, entry)| node.role == role && !entry.ejected).count()
        };
        for role in [Role::Collection, Role::Consensus, Role::Execution] {
            assert!(active(role) >= 1, "{role}");
        }
        assert!(active(Role::Verification) >= alpha);
    }
    assert!(ejected > 5, "{ejected}");
}

/// flow-go halts where one block seals both.
#[bounded::test]
fn no_block_seals_a_setup_with_its_commit() {
    for seed in 0..3 {
        let epochs = EpochConfig { staking_views: 1, dkg_phase_views: 1, ..config().epochs };
        let chances =
            Chances { fork_per_mille: 300, timeout_per_mille: 300, view_gap_per_mille: 300 };
        let mut network = Network::new(Config { seed, epochs, chances, ..config() }).unwrap();
        let mut commits = 0;
        for _ in 0..300 {
            let block = network.next_block().block;
            let results = block.payload.seals.iter();
            let results = results.filter_map(|seal| network.result_of(&seal.block_id));
            let names: Vec<_> =
                results.flat_map(|result| &result.service_events).map(|e| e.type_name()).collect();
            commits += names.iter().filter(|name| **name == "commit").count();
            assert!(!(names.contains(&"setup") && names.contains(&"commit")), "seed {seed}");
        }
        assert!(commits > 2, "seed {seed}: {commits}");
    }
}
