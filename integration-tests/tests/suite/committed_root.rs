//! Chains whose protocol state commits to the snapshot tree's root, as
//! `docs/proposals/snapshot-tree-in-kv-store.md` says: every root, read a second time.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod recomputed;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use weir_devnet::archive::{Amount, write};
use weir_devnet::config::{Chances, EpochConfig};
use weir_devnet::{Command, Config, Network, NodeName, Trigger};
use weir_integration_tests::programs::{Program, ServerProcess};
use weir_integration_tests::{TestServer, folder_lines};
use weir_protocol::codec::Entity as _;
use weir_protocol::codec::msgpack::MsgpackError;
use weir_protocol::codec::snapshot::{Snapshot, SnapshotError};
use weir_protocol::evidence::{Bundle, Preimages};
use weir_protocol::model::{Identifier, Role, SIMULATED_KV_STORE_VERSION};
use weir_protocol::request::{Depth, Held, Question, Selector, Topic, TreeRequest};
use weir_protocol::snapshot_tree::{SnapshotTree, TreeItem, TreeQuestion};
use weir_server::api::ApiOptions;
use weir_server::ingest::certificates::Thoroughness;
use weir_server::replay::Replay;
use weir_server::source::ChainFolder;
use weir_verifier::{Anchor, AnswerValue, Missing, Rejection, Timing, open, verify_tree};

use crate::replay::assert_agrees;

/// Short epochs, in which a node is ejected, one joins, and fallback mode comes and goes.
fn config() -> Config {
    let consensus = NodeName::Place { role: Role::Consensus, position: 1 };
    let config = Config {
        seed: 21,
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
    config
        .with_snapshot_tree()
        .at(Trigger::Height(12), Command::Join(Role::Access))
        .at(Trigger::View(80), Command::Eject(consensus))
        .at(Trigger::View(90), Command::SetExtensionViewCount { value: 90 })
        .at(Trigger::View(250), Command::MissedCommit)
        .at(Trigger::View(250), Command::Recover)
}

fn chain() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(config(), dir.path(), Amount::Epochs(5), |_| ()).unwrap();
    dir
}

/// The roots by protocol state ID, as the folder says they are.
fn committed(dir: &Path) -> BTreeMap<String, Value> {
    let lines = folder_lines(dir, "kv_states.jsonl.gz").unwrap();
    let of = |line: &Value| {
        let root = line["fields"].get("SnapshotTreeRoot").cloned();
        let id = line["protocol_state_id"].as_str().unwrap().to_owned();
        assert_eq!(root.is_some(), line["version"] == SIMULATED_KV_STORE_VERSION);
        (id, root.unwrap_or_default())
    };
    lines.iter().map(of).collect()
}

#[bounded::test]
fn every_block_commits_to_the_root_of_its_own_state() {
    let dir = chain();
    let expected = folder_lines(dir.path(), "expected.jsonl.gz").unwrap();
    let replay = Replay::run(&ChainFolder::open(dir.path()).unwrap(), Thoroughness::All).unwrap();
    assert_agrees(&replay, &expected, "devnet with the snapshot tree");
    let committed = committed(dir.path());
    let recomputed = recomputed::roots(dir.path());
    assert_eq!(committed.len(), recomputed.len());
    let (mut phases, mut epochs, mut roots) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for block in &expected {
        let id = block["protocol_state_id"].as_str().unwrap();
        let Some(root) = committed[id].as_str() else {
            assert_eq!(block["protocol_state_version"], 3);
            continue;
        };
        assert_eq!(root, recomputed[id].to_hex(), "{block}");
        phases.insert(block["epoch_phase"].as_str().unwrap());
        epochs.insert(block["epoch_counter"].as_u64());
        roots.insert(root);
    }
    assert_eq!((phases.len(), epochs.len()), (4, 6));
    // Each state that differs has a root of its own.
    assert_eq!(roots.len(), committed.values().filter(|root| !root.is_null()).count());
    assert!(roots.len() > 12, "{}", roots.len());
}

/// One step aside: the same blocks, but for what the last of them commits to.
#[bounded::test]
fn a_snapshot_with_another_root_or_of_a_network_of_flows_is_refused() {
    let mut network = Network::new(config()).unwrap();
    let state = loop {
        let produced = network.next_block();
        let state = network.protocol_state(&produced.block_id).unwrap();
        if state.version() == SIMULATED_KV_STORE_VERSION && !produced.finalized.is_empty() {
            break state.clone();
        }
    };
    let root = SnapshotTree::of(&state).root();
    assert_eq!(state.kv().snapshot_tree_root, Some(root));
    let mut height = network.latest_finalized().height;
    let json = loop {
        let snapshot = network.snapshot_at(height).unwrap();
        if snapshot.head_state().kv_store.snapshot_tree_root.is_some() {
            break snapshot.to_json();
        }
        network.next_block();
        height = network.latest_finalized().height;
    };
    let snapshot = Snapshot::from_json(&json).unwrap();
    assert_eq!(snapshot.to_json(), json);
    let parts = || {
        let (segment, params) = (snapshot.sealing_segment().clone(), snapshot.params().clone());
        (segment, snapshot.quorum_certificate().clone(), params)
    };
    let (mut segment, qc, params) = parts();
    let entries = &mut segment.protocol_state_entries;
    let id = snapshot.head_state().kv_store.id();
    let mut entry = entries.remove(&id).unwrap();
    entry.kv_store.snapshot_tree_root = Some(Identifier([1; 32]));
    entries.insert(entry.kv_store.id(), entry);
    let refused = Snapshot::new(segment, qc, params, None).unwrap_err();
    assert!(matches!(refused, SnapshotError::SnapshotTreeRoot { .. }), "{refused}");
    let (mut segment, qc, mut params) = parts();
    params.chain_id = "flow-testnet".to_owned();
    let mut parent_id = None;
    for block in segment.extra_blocks.iter_mut().chain(&mut segment.blocks) {
        block.header.chain_id.clone_from(&params.chain_id);
        block.header.parent_id = parent_id.unwrap_or(block.header.parent_id);
        parent_id = Some(block.header.id());
    }
    // Seals come before versions, so they have to name the blocks as they are now.
    let latest = segment.latest_seals.values().next_back().copied().unwrap();
    let renamed = segment.blocks.iter().map(|block| (block.header.id(), latest));
    segment.latest_seals = renamed.collect();
    let refused = Snapshot::new(segment, qc, params, None).unwrap_err();
    let SnapshotError::KvStore { source, .. } = refused else { panic!("{refused}") };
    let found = SIMULATED_KV_STORE_VERSION;
    assert_eq!(source, MsgpackError::Version { max: 3, found });
}

/// From a block ID to an identity, without a setup.
#[bounded::test]
async fn a_device_with_a_block_id_needs_less_than_1500_bytes() {
    let dir = chain();
    let server = TestServer::over(dir.path(), ApiOptions::default()).await.unwrap();
    let expected = folder_lines(dir.path(), "expected.jsonl.gz").unwrap();
    let last = expected.iter().rfind(|block| block["finalized"] == true).unwrap();
    let block_id: Identifier = last["block_id"].as_str().unwrap().parse().unwrap();
    let block = Selector::Id(block_id);
    let question = Question { block, topic: Topic::Snapshot };
    let answer = server.answer(&question, &Held::default(), Depth::KnownBlock).unwrap();
    let mut evidence = answer.evidence;
    let whole = evidence.bundle.expand(&[]).unwrap();
    let state_id = evidence.block.roots.unwrap().protocol_state_id;
    let mut store = Preimages::default();
    store.insert(whole.get(&state_id).unwrap().to_vec());
    evidence.bundle = Bundle::whole(store);
    (evidence.seal, evidence.last_sealed) = (None, None);
    let anchor = Anchor::KnownBlock { block_id, held: &Preimages::default() };
    let timing = Timing::at(1_798_761_600_000);
    let proved = open(anchor, &question, &evidence, &timing).unwrap();
    let root = proved.committed_tree_root().unwrap();
    let of_all = Question { block, topic: Topic::Identities(Default::default()) };
    let all = server.answer(&of_all, &Held::default(), Depth::KnownBlock).unwrap();
    let whole = open(anchor, &of_all, &all.evidence, &timing).unwrap();
    assert_eq!(root, whole.tree_root().unwrap());
    let rejected = proved.tree_root().unwrap_err();
    assert!(matches!(rejected, Rejection::Missing(Missing::Preimage { .. })), "{rejected}");
    let table = whole.answer().unwrap().into_value();
    let AnswerValue::Identities(table) = &table.value else { panic!() };
    for expected in table {
        let node_id = expected.skeleton.node_id;
        let asked = TreeQuestion::new([TreeItem::Node(node_id)]).unwrap();
        let request = TreeRequest { block, question: asked.clone() };
        let proof = server.prover.tree_proof(&request).unwrap().proof;
        let bytes = evidence.to_bytes().len() + proof.len();
        assert!(bytes < 1500, "{bytes} bytes");
        let answer = verify_tree(root.root, &asked, &proof).unwrap();
        let node = answer.nodes[&node_id].as_ref().unwrap();
        assert_eq!((&node.skeleton, node.status), (&expected.skeleton, expected.status));
        let mut altered = proof.clone();
        altered[proof.len() / 2] ^= 1;
        verify_tree(root.root, &asked, &altered).unwrap_err();
    }
}

#[bounded::test]
fn only_a_network_that_is_not_flows_takes_the_version() {
    let command = Command::UpgradeVersion { version: SIMULATED_KV_STORE_VERSION, lead_views: 60 };
    Network::new(config().at(Trigger::Now, command.clone())).unwrap();
    let refused = Network::new(Config::default().at(Trigger::Now, command)).unwrap_err();
    assert!(refused.to_string().contains("protocol version"), "{refused}");
}

/// `weir tree` on a network that commits to the root: taken from the state, checked by a device.
#[bounded::test]
async fn the_command_prints_the_root_and_checks_against_it() {
    let dir = chain();
    let data = tempfile::tempdir().unwrap();
    let mut server = ServerProcess::start(&data.path().join("data"), dir.path()).await.unwrap();
    server.indexed().await;
    let expected = folder_lines(dir.path(), "expected.jsonl.gz").unwrap();
    let root_id = expected[0]["block_id"].as_str().unwrap().to_owned();
    let is_final = |block: &&Value| block["finalized"] == true;
    let run = async |arguments: &str| {
        let all = format!("--server {} --json {arguments}", server.url);
        Program::Client.run(all.split_whitespace()).await
    };
    let (committed, recomputed) = (committed(dir.path()), recomputed::roots(dir.path()));
    let finalized: Vec<_> = expected.iter().filter(is_final).collect();
    let (first, last) = (finalized[1], finalized[finalized.len() - 1]);
    for block in [first, last] {
        let state = block["protocol_state_id"].as_str().unwrap();
        let at = format!("--block {}", block["block_id"].as_str().unwrap());
        let checkpoint = format!("--no-state --checkpoint {root_id} tree");
        let found = run(&format!("{checkpoint} root {at}")).await.json();
        let root = recomputed[state].to_hex();
        assert_eq!(found["root"], root);
        assert_eq!(found["committed"], committed[state].is_string());
        let phase = run(&format!("{checkpoint} field current_epoch.phase {at}")).await.json();
        assert_eq!((&phase["value"], &phase["root"]), (&block["epoch_phase"], &found["root"]));
        // Without a checkpoint, a device that was given the root.
        let table = run(&format!("tree role consensus {at} --root {root}")).await.json();
        let node = table["identities"][0]["node_id"].as_str().unwrap();
        let one = run(&format!("tree identity {node} {at} --root {root}")).await.json();
        assert_eq!(one["identities"][0], table["identities"][0]);
        let other = "5a".repeat(32);
        run(&format!("tree identity {other} {at} --root {root}"))
            .await
            .expect(6, &["no such node"]);
        let absent = format!("tree field previous_epoch.commit_id {at} --root {root}");
        let code = if first == block { 6 } else { 0 };
        run(&absent).await.expect(code, &[]);
        let lied = run(&format!("tree identity {node} {at} --root {other}")).await;
        lied.expect(3, &["snapshot tree"]);
    }
    run("tree field epoch").await.expect(2, &["no field of this name"]);
    run("--save file tree root").await.expect(2, &["--save"]);
}
