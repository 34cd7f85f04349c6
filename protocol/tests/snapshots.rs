//! Snapshots: flow-go's own are read and consistent, altered ones are rejected.

mod common;

use serde_json::{Value, json};
use weir_protocol::codec::Entity;
use weir_protocol::codec::snapshot::{Snapshot, SnapshotError};

#[bounded::test]
fn flow_gos_snapshots_are_consistent() {
    for chain in common::chains() {
        let expected = common::lines(&format!("{chain}/expected.jsonl.gz"));
        for name in snapshot_names(&chain) {
            let snapshot = Snapshot::from_json(&common::read(&name));
            let snapshot = snapshot.unwrap_or_else(|error| panic!("{name}: {error}"));
            let head = snapshot.head();
            let id = head.header.id().to_hex();
            let line = expected.iter().find(|line| line["block_id"] == id.as_str());
            assert!(line.is_some(), "head of {name}");
            assert_eq!(snapshot.quorum_certificate().block_id, head.header.id());
            assert_eq!(snapshot.head_state().kv_store.id(), head.payload.protocol_state_id);
            assert_eq!(snapshot.sealed_version_beacon(), None);
            assert!(name.contains("root") || name.contains(&format!("-{}.", head.header.height)));
        }
    }
}

fn snapshot_names(chain: &str) -> Vec<String> {
    let folder = std::fs::read_dir(common::folder().join(chain)).expect("the folder exists");
    let names = folder.map(|entry| entry.expect("is readable").file_name());
    let names: Vec<String> = names
        .map(|name| format!("{chain}/{}", name.to_string_lossy()))
        .filter(|name| name.contains("snapshot"))
        .collect();
    assert!(names.len() >= 2, "{chain} has a root snapshot and a later one");
    names
}

#[bounded::test]
fn reads_the_version_beacon() {
    let mut json = small();
    json["SealedVersionBeacon"] = json!({
        "VersionBoundaries": [{"BlockHeight": 1005, "Version": "0.44.1"}],
        "Sequence": 3,
        "SealHeight": 1002,
    });
    let snapshot = read(&json).unwrap();
    let sealed = snapshot.sealed_version_beacon().unwrap();
    assert_eq!((sealed.seal_height, sealed.beacon.sequence), (1002, 3));
    assert_eq!(sealed.beacon.version_boundaries[0].version, "0.44.1");
}

#[bounded::test]
fn rejects_a_snapshot_that_contradicts_itself() {
    let zero = "00".repeat(32);
    let check = |path: &str, value: Value, expected: &str| {
        let mut json = small();
        let state = state_id(&json);
        let path = path.replace('*', &format!("/SealingSegment/ProtocolStateEntries/{state}"));
        *json.pointer_mut(&path).unwrap_or_else(|| panic!("{path} is there")) = value;
        let error = read(&json).expect_err(&path).to_string();
        assert!(error.starts_with(expected), "{path}: {error}");
    };
    check("/SealingSegment/Blocks/0/Block/Height", json!(1), "expected block ");
    check("/SealingSegment/Blocks/1/Block/Payload/Seals", json!(null), "expected block ");
    check("/SealingSegment/Blocks/0/Block/ID", json!(zero), "expected block ");
    check("/SealingSegment/Blocks", json!([]), "the sealing segment has no blocks");
    check("/SealingSegment/ExtraBlocks/1", json!(null), "malformed snapshot");
    check("/SealingSegment/ExecutionResults/0/ID", json!(zero), "expected execution result ");
    check("/SealingSegment/LatestSeals", json!({}), "latest seal of block ");
    check("/SealingSegment/ProtocolStateEntries", json!({}), "protocol state ");
    check("/SealingSegment/SporkRootBlock/View", json!(1), "expected block ");
    check("*/KVStore/Version", json!(1), "expected protocol state ");
    check("*/KVStore/Version", json!(4), "malformed key-value store ");
    check("*/EpochEntry/EpochFallbackTriggered", json!(true), "expected epoch state ");
    check("*/EpochEntry/CurrentEpochSetup/Counter", json!(1), "expected epoch setup ");
    check("*/EpochEntry/CurrentEpochCommit/Counter", json!(1), "expected epoch commit ");
    let weight = "*/EpochEntry/CurrentEpochIdentityTable/0/EncodableIdentitySkeleton/InitialWeight";
    check(weight, json!(1), "node ");
    check("/QuorumCertificate/BlockID", json!(zero), "expected block of the quorum certificate ");
    check("/QuorumCertificate/View", json!(1), "expected view of the quorum certificate ");
    check("/Params/ChainID", json!("flow-mainnet"), "expected a block of flow-mainnet");
    check("/Params/SporkID", json!(zero), "expected spork root block ");
    check("/Params/SporkRootBlockHeight", json!(1), "expected spork root block height ");
    check("/Params/SporkRootBlockView", json!(1), "expected spork root block view ");
}

#[bounded::test]
fn rejects_a_gap_between_blocks() {
    let mut json = small();
    json["SealingSegment"]["ExtraBlocks"].as_array_mut().unwrap().remove(3);
    assert!(matches!(read(&json), Err(SnapshotError::Disconnected { .. })));
}

#[bounded::test]
fn rejects_a_missing_seal() {
    let mut json = small();
    let seals = json["SealingSegment"]["LatestSeals"].as_object_mut().unwrap();
    for seal in seals.values_mut() {
        *seal = json!("11".repeat(32));
    }
    assert!(matches!(read(&json), Err(SnapshotError::Missing { entity: "seal", .. })));
}

fn read(json: &Value) -> Result<Snapshot, SnapshotError> {
    Snapshot::from_json(&serde_json::to_vec(json).expect("is JSON"))
}

fn small() -> Value {
    let json = common::read("conflicting-finality/snapshot-1-height-1009.json.gz");
    serde_json::from_slice(&json).expect("is JSON")
}

fn state_id(json: &Value) -> String {
    let entries = json["SealingSegment"]["ProtocolStateEntries"].as_object().expect("is an object");
    entries.keys().next().expect("has a state").clone()
}

#[bounded::test]
fn writes_what_flow_go_writes() {
    for chain in common::chains() {
        for name in snapshot_names(&chain) {
            let json = common::read(&name);
            let written = Snapshot::from_json(&json).unwrap().to_json();
            let parse = |json: &[u8]| serde_json::from_slice::<Value>(json).unwrap();
            assert!(parse(&written) == parse(&json), "{name} is written in another way");
            assert!(written == json.trim_ascii_end(), "{name} is written with other bytes");
        }
    }
}
