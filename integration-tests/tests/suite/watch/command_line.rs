//! `weir watch`.

use std::sync::Arc;

use serde_json::Value;
use weir_integration_tests::TestServer;
use weir_integration_tests::connections::{Then, broken_proxy};
use weir_integration_tests::programs::{Program, Ran};

use super::faults::without;
use super::{CHAIN, changes, finalized, start, watch};
use crate::adversary::proxy::Hostile;

fn lines(ran: &Ran) -> Vec<Value> {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn run(server: &TestServer, arguments: &[&str]) -> Ran {
    let (url, root_id) = (server.url(), server.root_id.to_hex());
    let first = ["--server", &url, "--checkpoint", &root_id, "watch"];
    Program::Client.run(first.iter().chain(arguments)).await
}

#[bounded::test]
async fn events_are_lines_with_all_that_a_reader_needs() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let end = finalized(&server);
    let expected = changes(&mut watch(&[&server.url()], server.root_id, end, |_| ()).await).await;
    let (after, count) = (start(&server).height.to_string(), expected.len().to_string());
    let found = run(&server, &["--after", &after, "--count", &count, "--json"]).await;
    let found = lines(&found);
    assert_eq!(found.len(), expected.len());
    let mut before = start(&server).to_string();
    for (line, event) in found.iter().zip(&expected) {
        assert_eq!(line["block_id"], event.block.block_id.to_hex());
        assert_eq!(line["height"], event.block.height);
        assert_eq!(line["trust"], "finalized");
        assert_eq!(line["cursor"], event.cursor.to_string());
        assert_eq!(line["predecessor"], before);
        before = event.cursor.to_string();
    }
    let kinds: std::collections::BTreeSet<_> =
        found.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert!(kinds.contains("epoch") && kinds.contains("identity"), "{kinds:?}");
    let epoch = found.iter().find(|line| line["event"] == "epoch").unwrap();
    assert_ne!(epoch["epoch_phase"], epoch["before"]["epoch_phase"]);
    // On from the middle, in words.
    let cursor = found[1]["cursor"].as_str().unwrap();
    let text = run(&server, &["--after", cursor, "--count", "1"]).await;
    assert_eq!(text.code, Some(0), "{text:?}");
    assert!(text.stdout.contains(found[2]["block_id"].as_str().unwrap()), "{text:?}");
}

#[bounded::test]
async fn one_that_lies_and_one_that_dies_change_nothing() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let (hostile, lying) = Hostile::start(&server).await;
    let end = finalized(&server);
    let expected = changes(&mut watch(&[&server.url()], server.root_id, end, |_| ()).await).await;
    hostile.notify(Arc::new(without(expected[2].block.height)));
    let (after, count) = (start(&server).height.to_string(), expected.len().to_string());
    let arguments = ["--after", &after, "--count", &count, "--json"];
    let undisturbed = run(&server, &arguments).await;
    for bytes in [2_000, 6_000, 12_000] {
        let dying = broken_proxy(server.address, bytes, Then::Close).await;
        let urls = [lying.as_str(), &dying, &server.url()].join(",");
        let root_id = server.root_id.to_hex();
        let first = ["--server", &urls, "--checkpoint", &root_id, "watch"];
        let disturbed = Program::Client.run(first.iter().chain(&arguments)).await;
        disturbed.expect(0, &["is not asked again: it left out changes"]);
        assert_eq!(disturbed.stdout, undisturbed.stdout);
    }
}

#[bounded::test]
async fn watched_blocks_end_the_command_when_they_are_decided() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let prover = server.prover.latest();
    let sealed = super::final_block(&prover, prover.head().sealed.height).to_hex();
    let found = run(&server, &["--block", &sealed, "--json"]).await;
    let statuses: Vec<_> = lines(&found).iter().map(|line| line["status"].clone()).collect();
    assert_eq!(statuses, ["certified", "finalized", "sealed"]);
}

#[bounded::test]
async fn wrong_usage_and_missing_places_are_said() {
    let server = TestServer::start(CHAIN).await.unwrap();
    run(&server, &["--after", "12:34"]).await.expect(2, &["a cursor is HEIGHT:BLOCK_ID"]);
    run(&server, &["--level", "known"]).await.expect(2, &["certified, finalized or sealed"]);
    run(&server, &["--after", "0"]).await.expect(5, &["height"]);
    let cursor = format!("{}:{}", start(&server).height + 1, server.root_id);
    run(&server, &["--after", &cursor]).await.expect(1, &["its block has height"]);
    let mut blocks = Vec::new();
    let id = server.root_id.to_hex();
    (0..65).for_each(|_| blocks.extend(["--block", &id]));
    run(&server, &blocks).await.expect(5, &["block_ids"]);
    let dead = ["--server", "127.0.0.1:9", "--checkpoint", &id, "watch", "--patience", "1s"];
    Program::Client.run(dead).await.expect(5, &["cannot connect"]);
}

#[bounded::test]
async fn a_reader_that_goes_away_ends_it_quietly() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let (url, root_id) = (server.url(), server.root_id.to_hex());
    let after = start(&server).height.to_string();
    let state = tempfile::tempdir().unwrap();
    let mut weir = Program::Client.start([
        "--server",
        &url,
        "--checkpoint",
        &root_id,
        "--state-dir",
        state.path().to_str().unwrap(),
        "watch",
        "--after",
        &after,
    ]);
    let first = weir.line().await;
    assert!(first.contains(" node "), "{first}");
    weir.close_output();
    weir.ended().await.expect(0, &[]);
}
