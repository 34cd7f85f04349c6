//! Chains of the network under the rules for foreign blocks.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

use weir_devnet::archive::{Amount, ArchiveError, write};
use weir_devnet::config::{Chances, EpochConfig, NodeCounts, RootConfig};
use weir_devnet::{Command, Config, Network, NodeName, Trigger};
use weir_proto::convert::{block_from_wire, block_to_wire};
use weir_proto::flow::entities;
use weir_proto::frames::{Frames, write_frame};
use weir_protocol::model::Role;
use weir_server::ingest::Rule;
use weir_server::ingest::certificates::Thoroughness;
use weir_server::replay::{Replay, ReplayError};
use weir_server::source::ChainFolder;

/// Short epochs and many mishaps.
fn config(seed: u64) -> Config {
    Config {
        seed,
        epochs: EpochConfig {
            views: 120,
            staking_views: 20,
            dkg_phase_views: 10,
            finalization_safety_threshold: 20,
            extension_view_count: 80,
        },
        chances: Chances { fork_per_mille: 40, timeout_per_mille: 60, view_gap_per_mille: 50 },
        root: RootConfig { height: 1000, view: 5000, epoch_counter: 7, ..Config::default().root },
        ..Config::default()
    }
}

fn place(role: Role, position: usize) -> NodeName {
    NodeName::Place { role, position }
}

/// Everything that can happen, over a few epochs.
fn eventful(seed: u64) -> Config {
    config(seed)
        .at(Trigger::Height(1010), Command::Join(Role::Consensus))
        .at(Trigger::Height(1012), Command::Join(Role::Collection))
        .at(Trigger::Height(1012), Command::Leave(place(Role::Access, 0)))
        .at(Trigger::Height(1015), Command::UpgradeVersion { version: 3, lead_views: 60 })
        .at(Trigger::Height(1030), Command::Eject(place(Role::Consensus, 2)))
        .at(Trigger::Height(1040), Command::SetExtensionViewCount { value: 90 })
        .at(Trigger::View(5130), Command::InvalidSetup)
        .at(Trigger::View(5200), Command::Recover)
        .at(Trigger::View(5420), Command::MissedCommit)
        .at(Trigger::View(5421), Command::Recover)
        .at(Trigger::View(5425), Command::Leave(place(Role::Consensus, 0)))
}

fn archive(config: Config, amount: Amount) -> (tempfile::TempDir, ChainFolder) {
    let dir = tempfile::tempdir().unwrap();
    write(config, dir.path(), amount, |_| ()).unwrap();
    let folder = ChainFolder::open(dir.path()).unwrap();
    (dir, folder)
}

fn bytes(dir: &Path) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    let files: BTreeSet<_> = files.collect();
    assert!(files.len() > 7, "{files:?}");
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// One JSON object a block, of a chain whose every signature holds.
fn replay(folder: &ChainFolder) -> Vec<serde_json::Value> {
    let replay = Replay::run(folder, Thoroughness::All).unwrap();
    assert!(replay.evidence.is_empty(), "{:?}", replay.evidence);
    let mut lines = Vec::new();
    replay.write_json(&mut lines).unwrap();
    let lines = String::from_utf8(lines).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[bounded::test]
fn every_block_of_an_eventful_chain_is_accepted() {
    let (_dir, folder) = archive(eventful(1), Amount::Blocks(900));
    let rows = replay(&folder);
    assert_eq!(rows.len(), 901);
    let seen = |field: &str, value: serde_json::Value| rows.iter().any(|row| row[field] == value);
    for phase in ["Staking", "Setup", "Committed", "Fallback"] {
        assert!(seen("epoch_phase", format!("EpochPhase{phase}").into()), "{phase}");
    }
    assert!(seen("protocol_state_version", 3.into()));
}

#[bounded::test]
fn the_story_of_an_eventful_chain_has_everything() {
    let (dir, _folder) = archive(eventful(2), Amount::Epochs(5));
    let scenario = std::fs::read(dir.path().join("scenario.json")).unwrap();
    let scenario: serde_json::Value = serde_json::from_slice(&scenario).unwrap();
    let story: Vec<_> =
        scenario["story"].as_array().unwrap().iter().map(|l| l.to_string()).collect();
    for event in [
        "EpochSetup",
        "EpochCommit",
        "EpochRecover",
        "EjectNode",
        "ProtocolStateVersionUpgrade",
        "SetEpochExtensionViewCount",
    ] {
        let sealed = format!("{event}: sealed by");
        assert!(story.iter().any(|line| line.contains(&sealed)), "{event}");
    }
    let recovered = story.iter().filter(|line| line.contains("EpochRecover: sealed by"));
    assert_eq!(recovered.filter(|line| line.contains("EpochPhaseCommitted")).count(), 2);
    assert_eq!(scenario["root_height"], 1000);
}

#[bounded::test]
fn fallback_with_a_committed_epoch_waiting_is_accepted() {
    let config = config(8)
        .at(Trigger::View(5060), Command::RepeatedCommit)
        .at(Trigger::View(5060), Command::Recover);
    let (_dir, folder) = archive(config, Amount::Blocks(450));
    let rows = replay(&folder);
    let mut seen: Vec<(u64, String, bool)> = Vec::new();
    for row in rows.iter().filter(|row| row["finalized"] == true) {
        let phase = row["epoch_phase"].as_str().unwrap().replace("EpochPhase", "");
        let fallback = row["epoch_fallback_triggered"].as_bool().unwrap();
        seen.push((row["epoch_counter"].as_u64().unwrap(), phase, fallback));
    }
    seen.dedup();
    let seen: Vec<_> = seen.iter().map(|(epoch, phase, set)| (*epoch, &phase[..], *set)).collect();
    let expected = [
        (7, "Staking", false),
        (7, "Setup", false),
        (7, "Committed", false),
        (7, "Committed", true),
        (8, "Fallback", true),
        (8, "Committed", false),
        (9, "Staking", false),
    ];
    assert_eq!(seen[..expected.len()], expected);
}

#[bounded::test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let [first, again, other] = [3, 3, 4].map(|seed| {
        let (dir, _folder) = archive(eventful(seed), Amount::Blocks(150));
        bytes(dir.path())
    });
    assert!(first == again);
    for (first, other) in first.iter().zip(&other) {
        assert!(first != other);
    }
}

#[bounded::test]
fn a_larger_network_and_one_of_single_nodes_are_accepted() {
    let single =
        NodeCounts { collection: 1, consensus: 1, execution: 1, verification: 1, access: 0 };
    for (nodes, clusters) in [(NodeCounts::of_size(60), 4), (single, 1)] {
        let (_dir, folder) = archive(Config { nodes, clusters, ..config(5) }, Amount::Blocks(150));
        let rows = replay(&folder);
        assert_eq!(rows.last().unwrap()["epoch_counter"], 8);
    }
}

#[bounded::test]
fn chains_with_more_mishaps_than_blocks_are_accepted() {
    for seed in 10..14 {
        let chances =
            Chances { fork_per_mille: 400, timeout_per_mille: 400, view_gap_per_mille: 600 };
        let (_dir, folder) = archive(Config { chances, ..eventful(seed) }, Amount::Blocks(250));
        let rows = replay(&folder);
        let finalized = rows.iter().filter(|row| row["finalized"] == true).count();
        assert!((20..200).contains(&finalized), "seed {seed}: {finalized}");
    }
}

#[bounded::test]
fn a_network_that_never_recovers_goes_on_in_extensions() {
    let config = config(9).at(Trigger::Now, Command::MissedCommit);
    let (_dir, folder) = archive(config, Amount::Blocks(300));
    let rows = replay(&folder);
    let last = rows.last().unwrap();
    assert_eq!(
        (&last["epoch_counter"], &last["epoch_phase"]),
        (&7.into(), &"EpochPhaseFallback".into())
    );
}

#[bounded::test]
fn an_epoch_that_nothing_ends_is_reported() {
    let config = config(9).at(Trigger::Now, Command::MissedCommit);
    let dir = tempfile::tempdir().unwrap();
    let error = write(config, dir.path(), Amount::Epochs(1), |_| ()).unwrap_err();
    assert!(matches!(error, ArchiveError::EndlessEpoch { epoch: 7, .. }), "{error}");
}

#[bounded::test]
fn a_bit_off_in_a_signature_is_found_and_the_block_named() {
    let (dir, _folder) = archive(config(6), Amount::Blocks(60));
    let path = dir.path().join("blocks.pb");
    let mut network = Network::new(config(6)).unwrap();
    let victim = (0..30).map(|_| network.next_block()).last().unwrap();
    let file = std::fs::read(&path).unwrap();
    let frames = Frames::new(&file[..]).map(Result::unwrap);
    let blocks: Vec<_> = frames
        .map(|mut block| {
            if block.id == victim.block_id.0.to_vec() {
                forge(&mut block);
            }
            block
        })
        .collect();
    let forged = blocks[30].id.clone();
    rewrite(&path, &blocks[..31]);
    let error =
        Replay::run(&ChainFolder::open(dir.path()).unwrap(), Thoroughness::All).unwrap_err();
    let ReplayError::Ingest(error) = error else { panic!("{error}") };
    assert_eq!(error.block_id.0.to_vec(), forged);
    assert!(matches!(*error.rule, Rule::QuorumCertificate { .. }), "{error}");
}

/// Flips the last bit of the beacon signature in a header.
fn forge(block: &mut entities::Block) {
    let mut value = block_from_wire(block.clone()).unwrap();
    *value.header.parent_voter_sig_data.last_mut().unwrap() ^= 1;
    *block = block_to_wire(&value);
}

fn rewrite(path: &Path, blocks: &[entities::Block]) {
    let mut file = Vec::new();
    for block in blocks {
        write_frame(&mut file, block).unwrap();
    }
    std::fs::write(path, file).unwrap();
}
