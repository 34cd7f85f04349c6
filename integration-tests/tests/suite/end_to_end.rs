//! Every block of every reference chain, asked for over a real socket by a client that trusts the
//! root block's ID alone.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use serde_json::Value;
use weir_client::sync::{ClockOptions, LightClient};
use weir_client::transport::{Server, unix_ms};
use weir_integration_tests::{CHAINS, TestServer, expected, json_lines};
use weir_protocol::model::Identifier;
use weir_protocol::request::{Depth, IdentityFilter, Question, Selector, Topic};
use weir_verifier::{Answer, AnswerValue, Timing, Trust, verify_file};

fn now() -> Timing {
    ClockOptions::default().timing(unix_ms()).unwrap()
}

async fn client(server: &TestServer) -> LightClient {
    let connection = Server::connect(&server.url()).await.unwrap();
    LightClient::start_keeping_evidence(connection, server.root_id).await.unwrap()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

fn id(value: &Value, field: &str) -> Identifier {
    text(value, field).parse().unwrap()
}

#[bounded::test]
async fn every_finalized_height_is_verified_as_flow_go_has_it() {
    // Where certificates conflict, the server stops at the conflict.
    for chain in CHAINS.into_iter().filter(|chain| *chain != "conflicting-finality") {
        let server = TestServer::start(chain).await.unwrap();
        let mut client = client(&server).await;
        let mut heights = BTreeMap::new();
        for block in expected(chain).unwrap() {
            if block["finalized"] == true {
                // On conflicting branches the first to be final stays final.
                heights
                    .entry(block["height"].as_u64().unwrap())
                    .or_insert_with(Vec::new)
                    .push(block);
            }
        }
        for (height, blocks) in heights {
            let question = Question { block: Selector::Height(height), topic: Topic::Snapshot };
            let outcome = client.ask(&question, Depth::Seal).await;
            let outcome =
                outcome.unwrap_or_else(|error| panic!("{chain} height {height}: {error}"));
            let block = blocks.iter().find(|b| id(b, "block_id") == outcome.answer.block_id);
            let block = block.unwrap_or_else(|| panic!("{chain}: another block at {height}"));
            check_snapshot(chain, &outcome.answer, block);
            assert!(outcome.answer.trust >= Trust::Finalized, "{chain} height {height}");
        }
    }
}

fn check_snapshot(chain: &str, answer: &Answer, block: &Value) {
    let AnswerValue::Snapshot(snapshot) = &answer.value else { panic!("not a snapshot") };
    let at = format!("{chain} height {}", answer.height);
    assert_eq!(answer.view, block["view"].as_u64().unwrap(), "{at}");
    assert_eq!(snapshot.protocol_state_id, id(block, "protocol_state_id"), "{at}");
    assert_eq!(
        snapshot.kv_store.version,
        block["protocol_state_version"].as_u64().unwrap(),
        "{at}"
    );
    assert_eq!(snapshot.kv_store.epoch_state_id, id(block, "epoch_state_id"), "{at}");
    assert_eq!(snapshot.epoch_counter, block["epoch_counter"].as_u64().unwrap(), "{at}");
    assert_eq!(snapshot.epoch_phase.name(), text(block, "epoch_phase"), "{at}");
    assert_eq!(snapshot.epoch_fallback_triggered, block["epoch_fallback_triggered"], "{at}");
    if let Some(last_sealed) = snapshot.last_sealed_block_id {
        assert_eq!(last_sealed, id(block, "last_sealed_block_id"), "{at}");
    }
}

#[bounded::test]
async fn certified_orphans_are_verified_by_id() {
    let server = TestServer::start("happy-epochs").await.unwrap();
    let mut client = client(&server).await;
    let blocks = expected("happy-epochs").unwrap();
    let parents: Vec<_> = blocks.iter().map(|block| id(block, "parent_id")).collect();
    let orphans: Vec<_> = blocks.iter().filter(|block| block["finalized"] == false).collect();
    let (mut certified, mut uncertified) = (0, 0);
    for block in orphans {
        let block_id = id(block, "block_id");
        let question = Question { block: Selector::Id(block_id), topic: Topic::Snapshot };
        let outcome = client.ask(&question, Depth::Seal).await;
        if parents.contains(&block_id) {
            let outcome = outcome.unwrap();
            assert_eq!(outcome.answer.trust, Trust::Certified);
            check_snapshot("happy-epochs", &outcome.answer, block);
            certified += 1;
        } else {
            let message = outcome.unwrap_err().to_string();
            assert!(message.contains("not certified"), "{message}");
            uncertified += 1;
        }
    }
    assert!(certified > 0 && uncertified > 0, "{certified} {uncertified}");
}

#[bounded::test]
async fn identity_tables_are_those_of_flow_go() {
    for chain in ["ejection", "happy-epochs", "efm-bad-commit-and-readmission"] {
        let server = TestServer::start(chain).await.unwrap();
        let mut client = client(&server).await;
        let tables: BTreeMap<String, Value> = json_lines(chain, "epoch_states.jsonl.gz")
            .unwrap()
            .into_iter()
            .map(|state| {
                (text(&state, "epoch_state_id").to_owned(), state["identity_table"].clone())
            })
            .collect();
        for block in expected(chain).unwrap().iter().filter(|block| block["finalized"] == true) {
            let height = block["height"].as_u64().unwrap();
            let topic = Topic::Identities(IdentityFilter::default());
            let question = Question { block: Selector::Height(height), topic };
            let outcome = client.ask(&question, Depth::Finality).await.unwrap();
            let AnswerValue::Identities(nodes) = &outcome.answer.value else { panic!() };
            let table = tables[text(block, "epoch_state_id")].as_array().unwrap();
            assert_eq!(nodes.len(), table.len(), "{chain} height {height}");
            for (node, row) in nodes.iter().zip(table) {
                assert_eq!(node.skeleton.node_id, id(row, "NodeID"));
                assert_eq!(node.status.flow_name(), text(row, "Status"));
                assert_eq!(node.skeleton.address, text(row, "Address"));
            }
        }
    }
}

#[bounded::test]
async fn blocks_before_the_checkpoints_epoch_are_proved_by_hash_links() {
    let server = TestServer::start("happy-epochs").await.unwrap();
    let blocks = expected("happy-epochs").unwrap();
    let checkpoint = blocks.iter().rfind(|block| block["finalized"] == true).unwrap();
    let connection = Server::connect(&server.url()).await.unwrap();
    let mut client = LightClient::start(connection, id(checkpoint, "block_id")).await.unwrap();
    for height in [1000, 1001, 1040, 1080] {
        let question = Question { block: Selector::Height(height), topic: Topic::Snapshot };
        let outcome = client.ask(&question, Depth::Seal).await.unwrap();
        let block =
            blocks.iter().find(|block| block["finalized"] == true && block["height"] == height);
        check_snapshot("happy-epochs", &outcome.answer, block.unwrap());
        // No payload seals the root; that is part of what its snapshot is trusted for.
        let expected = if height == 1000 { Trust::Finalized } else { Trust::Sealed };
        assert_eq!(outcome.answer.trust, expected);
    }
}

#[bounded::test]
async fn saved_evidence_verifies_offline_and_with_its_own_checkpoint_only() {
    let server = TestServer::start("thirty-epochs").await.unwrap();
    let mut client = client(&server).await;
    let question = Question { block: Selector::LatestSealed, topic: Topic::Snapshot };
    let outcome = client.ask(&question, Depth::Seal).await.unwrap();
    assert!(outcome.hops >= 25, "{} hops", outcome.hops);
    let bytes = outcome.file.unwrap().to_bytes();
    let (saved, answer) = verify_file(server.root_id, &bytes, &now()).unwrap();
    assert_eq!((&saved, &answer), (&question, &outcome.answer));
    let other = Identifier([7; 32]);
    assert!(verify_file(other, &bytes, &now()).unwrap_err().to_string().contains("checkpoint"));
}

#[bounded::test]
async fn seal_result_and_absent_node_are_proved() {
    let server = TestServer::start("ejection").await.unwrap();
    let mut client = client(&server).await;
    let block = Selector::Height(1010);
    for topic in [Topic::Seal, Topic::ExecutionResult] {
        let outcome = client.ask(&Question { block, topic }, Depth::Seal).await.unwrap();
        assert_eq!(outcome.answer.trust, Trust::Sealed);
    }
    let topic = Topic::Identity(Identifier([9; 32]));
    let outcome = client.ask(&Question { block, topic }, Depth::Finality).await.unwrap();
    assert_eq!(outcome.answer.value, AnswerValue::Identity(None));
}

/// The last blocks of an epoch are sealed by blocks of the next, which a new client does not know.
#[bounded::test]
async fn a_seal_in_a_later_epoch_is_proved_from_the_checkpoint() {
    let server = TestServer::start("happy-epochs").await.unwrap();
    let block = Selector::Height(LAST_OF_EPOCH - 2);
    for topic in [Topic::Seal, Topic::ExecutionResult, Topic::Snapshot] {
        let mut client = client(&server).await;
        let outcome = client.ask(&Question { block, topic }, Depth::Seal).await.unwrap();
        assert_eq!(outcome.answer.trust, Trust::Sealed);
        assert!(outcome.hops > 0, "the seal is of a later epoch");
        // Without its seal the block needs no later epoch.
        let topic = Topic::Snapshot;
        let mut client = self::client(&server).await;
        let outcome = client.ask(&Question { block, topic }, Depth::Finality).await.unwrap();
        assert_eq!((outcome.answer.trust, outcome.hops), (Trust::Finalized, 0));
    }
}

/// The last height of the chain's first epoch.
const LAST_OF_EPOCH: u64 = 1031;
