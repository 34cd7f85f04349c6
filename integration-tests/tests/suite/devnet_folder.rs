//! The files of a simulated network's chain folder: the shapes of flow-go's, and true.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::Value;
use tempfile::TempDir;
use weir_devnet::archive::{Amount, write};
use weir_devnet::config::{Chances, EpochConfig};
use weir_devnet::epoch::cluster_root;
use weir_devnet::{Command, Config, NodeName, Trigger};
use weir_integration_tests::{chain_dir, folder_lines, json_lines};
use weir_protocol::codec::Entity as _;
use weir_protocol::codec::rlp::Decoder;
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::{EpochStateEntry, Identifier, KvStore, Role, ServiceEvent};
use weir_server::ingest::certificates::Thoroughness;
use weir_server::replay::Replay;
use weir_server::source::ChainFolder;

use crate::replay::assert_agrees;

/// Short epochs, forks, timeouts, and some of everything that can happen.
fn chain() -> TempDir {
    let consensus = NodeName::Place { role: Role::Consensus, position: 1 };
    let config = Config {
        seed: 11,
        epochs: EpochConfig {
            views: 120,
            staking_views: 20,
            dkg_phase_views: 10,
            finalization_safety_threshold: 20,
            extension_view_count: 80,
        },
        chances: Chances { fork_per_mille: 60, timeout_per_mille: 60, view_gap_per_mille: 40 },
        ..Config::default()
    };
    let config = config
        .at(Trigger::Height(10), Command::UpgradeVersion { version: 3, lead_views: 60 })
        .at(Trigger::Height(12), Command::Join(Role::Access))
        .at(Trigger::Height(15), Command::Eject(consensus))
        .at(Trigger::Height(20), Command::SetExtensionViewCount { value: 90 })
        .at(Trigger::View(130), Command::MissedCommit)
        .at(Trigger::View(130), Command::Recover);
    let dir = tempfile::tempdir().unwrap();
    write(config, dir.path(), Amount::Epochs(4), |_| ()).unwrap();
    dir
}

fn id(value: &Value) -> Identifier {
    value.as_str().unwrap().parse().unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

/// Every path to a value, with the value's type; positions in lists and keys that are IDs do not
/// count, and neither does `null`.
fn shape(value: &Value, path: &str, paths: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = if name.len() == 64 { "ID" } else { name };
                shape(value, &format!("{path}.{name}"), paths);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| shape(item, path, paths)),
        Value::String(_) => _ = paths.insert(format!("{path}: string")),
        Value::Number(_) => _ = paths.insert(format!("{path}: number")),
        Value::Bool(_) => _ = paths.insert(format!("{path}: bool")),
        Value::Null => {}
    }
}

fn shapes<'a>(values: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    values.into_iter().for_each(|value| shape(value, "", &mut paths));
    paths
}

#[bounded::test]
fn every_file_has_the_shape_of_flow_gos_and_agrees_with_a_replay() {
    let dir = chain();
    let lines = |file: &str| folder_lines(dir.path(), file).unwrap();
    let expected = lines("expected.jsonl.gz");
    let replay = Replay::run(&ChainFolder::open(dir.path()).unwrap(), Thoroughness::All).unwrap();
    assert_agrees(&replay, &expected, "devnet");
    for decided in [true, false] {
        assert!(expected.iter().any(|block| block["finalized"] == decided));
    }
    let reference = ["happy-epochs", "efm-missed-commit", "kv-version-upgrades", "ejection"];
    for file in ["expected", "kv_states", "epoch_states", "service_events"] {
        let file = format!("{file}.jsonl.gz");
        let theirs = reference.iter().flat_map(|chain| json_lines(chain, &file).unwrap());
        let theirs = shapes(&theirs.collect::<Vec<_>>());
        let ours = shapes(&lines(&file));
        // No reference chain gets to version 3, whose fields primitives/kv_store.jsonl has.
        let version_3 = ["Execution", "Cadence"].map(|name| format!(".fields.{name}"));
        let foreign = |path: &&String| !version_3.iter().any(|name| path.starts_with(name));
        let ours: BTreeSet<_> = ours.iter().filter(foreign).collect();
        assert_eq!(ours, theirs.iter().collect(), "{file}");
    }
    let scenario = |dir: &Path| -> Value {
        serde_json::from_slice(&fs::read(dir.join("scenario.json")).unwrap()).unwrap()
    };
    let mut ours = shapes([&scenario(dir.path())]);
    assert!(ours.remove(".seed: number") && ours.remove(".chunk_alpha: number"));
    assert_eq!(ours, shapes([&scenario(&chain_dir("happy-epochs"))]));
    states_are_true(dir.path(), &expected);
    snapshots_are_true(dir.path(), &expected);
}

/// States and events have the IDs they claim; every block's state has its line.
fn states_are_true(dir: &Path, expected: &[Value]) {
    let mut states = BTreeSet::new();
    for line in folder_lines(dir, "kv_states.jsonl.gz").unwrap() {
        let kv = KvStore::from_msgpack(line["version"].as_u64().unwrap(), &bytes(&line["data"]));
        let kv = kv.unwrap();
        assert_eq!(kv.id(), id(&line["protocol_state_id"]));
        assert_eq!(kv.epoch_state_id, id(&line["fields"]["EpochStateID"]));
        assert!(states.insert((kv.id(), kv.epoch_state_id)), "{line}");
    }
    let of_blocks = expected
        .iter()
        .map(|block| (id(&block["protocol_state_id"]), id(&block["epoch_state_id"])));
    assert_eq!(states, of_blocks.collect());
    let mut epoch_states = BTreeSet::new();
    for line in folder_lines(dir, "epoch_states.jsonl.gz").unwrap() {
        let rlp = bytes(&line["rlp"]);
        let entry = EpochStateEntry::decode(&mut Decoder::new(&rlp)).unwrap();
        assert_eq!(entry.id(), id(&line["epoch_state_id"]));
        assert_eq!(entry.phase().name(), line["phase"]);
        assert_eq!(entry.current_epoch.id(), id(&line["current_epoch_state_id"]));
        assert!(epoch_states.insert(entry.id()), "{line}");
    }
    assert_eq!(epoch_states, states.iter().map(|(_, epoch_state)| *epoch_state).collect());
    for line in folder_lines(dir, "service_events.jsonl.gz").unwrap() {
        let json = line["event"].to_string();
        let name = line["type"].as_str().unwrap();
        let event = ServiceEvent::from_json(name, json.as_bytes()).unwrap();
        assert_eq!(event.id(), id(&line["id"]), "{line}");
        let emitted_by = &line["emitted_by_block"];
        assert!(expected.iter().any(|block| block["block_id"] == *emitted_by), "{line}");
    }
}

/// Each snapshot is that of the final block of its height; there is one an epoch but the first, and
/// but the last, of which no block is sealed before the chain ends.
fn snapshots_are_true(dir: &Path, expected: &[Value]) {
    let is_final = |block: &&Value| block["finalized"] == true;
    let by_height: BTreeMap<u64, &Value> = expected
        .iter()
        .filter(is_final)
        .map(|block| (block["height"].as_u64().unwrap(), block))
        .collect();
    let mut epochs = BTreeSet::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some((number, height)) = name
            .strip_prefix("snapshot-")
            .and_then(|name| name.strip_suffix(".json.gz"))
            .and_then(|name| name.split_once("-height-"))
        else {
            continue;
        };
        let mut json = Vec::new();
        GzDecoder::new(File::open(&path).unwrap()).read_to_end(&mut json).unwrap();
        let snapshot = Snapshot::from_json(&json).unwrap();
        let block = by_height[&height.parse().unwrap()];
        assert_eq!(snapshot.head().header.id(), id(&block["block_id"]), "{name}");
        assert_eq!(snapshot.head_state().kv_store.id(), id(&block["protocol_state_id"]));
        let epoch = block["epoch_counter"].as_u64().unwrap();
        assert_eq!(number.parse::<u64>().unwrap(), epoch, "{name}");
        epochs.insert(epoch);
    }
    assert_eq!(epochs, BTreeSet::from([1, 2, 3]));
}

/// The reference chains' guarantees name other chains, see the vectors' README.
#[bounded::test]
fn the_chain_of_a_cluster_and_its_root_block_are_flow_gos() {
    let records = json_lines("primitives", "randomness.jsonl.gz").unwrap();
    let mut seen = 0;
    for record in records.iter().filter(|record| record["kind"] == "cluster") {
        let members: Vec<_> = record["member_ids"].as_array().unwrap().iter().map(id).collect();
        let root = cluster_root(record["counter"].as_u64().unwrap(), &members);
        assert_eq!(root.chain_id, record["chain_id"].as_str().unwrap());
        assert_eq!(root.id(), id(&record["root_block_id"]));
        seen += 1;
    }
    assert_eq!(seen, 3);
}
