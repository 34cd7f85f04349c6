//! Chains of the network under the rules for foreign blocks.

use std::path::Path;

use weir_devnet::archive::{Amount, write};
use weir_devnet::config::{Chances, EpochConfig, RootConfig};
use weir_devnet::{Command, Config, NodeName, Trigger};
use weir_protocol::model::Role;
use weir_server::ingest::certificates::Thoroughness;
use weir_server::replay::Replay;
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
    let names = ["root-protocol-state-snapshot.json", "blocks.pb", "scenario.json"];
    names.iter().map(|name| std::fs::read(dir.join(name)).unwrap()).collect()
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

#[test]
fn every_block_of_an_eventful_chain_is_accepted() {
    let (dir, folder) = archive(eventful(1), Amount::Blocks(900));
    println!("{}", std::fs::read_to_string(dir.path().join("scenario.json")).unwrap());
    let rows = replay(&folder);
    assert_eq!(rows.len(), 901);
    let seen = |field: &str, value: serde_json::Value| rows.iter().any(|row| row[field] == value);
    for phase in ["Staking", "Setup", "Committed", "Fallback"] {
        assert!(seen("epoch_phase", format!("EpochPhase{phase}").into()), "{phase}");
    }
    assert!(seen("protocol_state_version", 3.into()));
}
