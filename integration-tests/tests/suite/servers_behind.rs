//! Servers that know less than others: latest never goes back, and a refusal is one server's word.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use tempfile::TempDir;
use tonic::Status;
use weir_client::sync::{AskError, LightClient, Remark, Stale, Verdict};
use weir_client::transport::{Servers, TransportError};
use weir_integration_tests::TestServer;
use weir_integration_tests::proxy::TestProxy;
use weir_protocol::model::Identifier;
use weir_protocol::request::{Depth, Question, Selector, Topic};

use crate::adversary::proxy::{Call, Hostile};
use crate::servers::{serve, some_blocks, weir};

const CHAIN: &str = "happy-epochs";

/// A server that has the whole chain, and one that has the first blocks of it, some epochs less.
async fn ahead_and_behind() -> (TestServer, TestServer, TempDir) {
    let first = some_blocks(CHAIN, |index| index < 40);
    let behind = serve(first.path()).await;
    (TestServer::start(CHAIN).await.unwrap(), behind, first)
}

fn about(block: Selector) -> Question {
    Question { block, topic: Topic::Snapshot }
}

/// A client that has synced with one server, and asks others from then on.
async fn moved_on(from: &TestServer, to: &[&TestServer]) -> LightClient {
    let servers = Servers::new([from.url()]).unwrap();
    let mut client = LightClient::start(servers, from.root_id).await.unwrap();
    client.sync(|_, _| ()).await.unwrap();
    client.ask(&about(Selector::LatestSealed), Depth::Seal).await.unwrap();
    let urls = to.iter().map(|server| server.url());
    LightClient::resume(Servers::new(urls).unwrap(), client.trusted().clone())
}

#[bounded::test]
async fn latest_never_stands_below_what_is_proved() {
    let (ahead, behind, _folder) = ahead_and_behind().await;
    let known = ahead.prover.head().finalized.height;
    let latest = about(Selector::LatestFinalized);
    // With a server that is further, its answer is taken, and the other one named.
    let mut client = moved_on(&ahead, &[&behind, &ahead]).await;
    let answer = client.ask(&latest, Depth::Seal).await.unwrap().answer;
    assert_eq!(answer.height, known);
    let [Remark::Stale(Stale { url, found, known: proved })] = client.remarks() else {
        panic!("{:?}", client.remarks())
    };
    assert_eq!((url, *proved), (&behind.url(), known));
    assert_eq!(*found, behind.prover.head().finalized.height);
    assert_eq!(client.lies(), []);
    // Without one there is no answer, and the head stays.
    let mut client = moved_on(&ahead, &[&behind]).await;
    for _ in 0..2 {
        let error = client.ask(&latest, Depth::Seal).await.unwrap_err();
        assert!(matches!(error, AskError::Stale(_)), "{error}");
        let error = client.sync(|_, _| ()).await.unwrap_err();
        assert!(matches!(error, AskError::Stale(_)), "{error}");
    }
    assert_eq!(client.trusted().head().height, known);
    // The blocks that it has are proved all the same.
    let height = behind.prover.head().finalized.height;
    client.ask(&about(Selector::Height(height)), Depth::Seal).await.unwrap();
}

#[bounded::test]
async fn the_newest_sealed_block_does_not_go_back_either() {
    let (ahead, behind, _folder) = ahead_and_behind().await;
    let sealed = about(Selector::LatestSealed);
    let (between, url) = Hostile::start(&ahead).await;
    let servers = Servers::new([url, behind.url()]).unwrap();
    let mut client = LightClient::start(servers, ahead.root_id).await.unwrap();
    let first = client.ask(&sealed, Depth::Seal).await.unwrap().answer.height;
    // The server that is ahead is silent from now on; the other one gives no older block instead.
    between.lie(Call::Answer, Arc::new(|_| Err(Status::unavailable("gone"))));
    let error = client.ask(&sealed, Depth::Seal).await.unwrap_err();
    assert!(matches!(error, AskError::Stale(Stale { known, .. }) if known == first), "{error}");
}

#[bounded::test]
async fn a_refusal_is_believed_of_nobody_else() {
    let (ahead, behind, _folder) = ahead_and_behind().await;
    let newest = ahead.prover.head().finalized.height;
    let servers = Servers::new([behind.url(), ahead.url()]).unwrap();
    let mut client = LightClient::start(servers, ahead.root_id).await.unwrap();
    let answer = client.ask(&about(Selector::Height(newest)), Depth::Seal).await.unwrap().answer;
    assert_eq!(answer.height, newest);
    let told = client.remarks().iter().any(|remark| {
        matches!(remark, Remark::Refused { refusal, proved_by }
            if refusal.url() == Some(&behind.url()) && *proved_by == ahead.url())
    });
    assert!(told, "{:?}", client.remarks());
    // What nobody has is refused with the first one's words, and that server is asked first again.
    let nowhere = about(Selector::Height(newest + 1_000_000));
    let error = client.ask(&nowhere, Depth::Seal).await.unwrap_err();
    assert!(
        matches!(&error, AskError::Transport(TransportError::Refused { url, .. })
        if *url == ahead.url()),
        "{error}"
    );
    assert_eq!(client.lies(), []);
}

#[bounded::test]
async fn a_witness_that_is_further_leads_on() {
    let (ahead, behind, _folder) = ahead_and_behind().await;
    let servers = Servers::new([behind.url(), ahead.url()]).unwrap();
    let mut client = LightClient::start(servers, ahead.root_id).await.unwrap();
    client.sync(|_, _| ()).await.unwrap();
    let old = behind.prover.head().finalized.height;
    assert_eq!(client.trusted().head().height, old);
    let said = client.cross_check().await.unwrap();
    assert_eq!(client.trusted().head().height, ahead.prover.head().finalized.height);
    let [witness] = &said[..] else { panic!("{said:?}") };
    assert_eq!((&witness.url, witness.head_height), (&behind.url(), Some(old)));
    assert!(matches!(witness.verdict, Verdict::Behind { height } if height == old), "{witness:?}");
}

async fn through(proxy: &TestProxy, root_id: Identifier) -> LightClient {
    LightClient::start(Servers::new([proxy.url()]).unwrap(), root_id).await.unwrap()
}

#[bounded::test]
async fn a_proxy_asks_the_upstream_that_is_further() {
    let (ahead, behind, _folder) = ahead_and_behind().await;
    let (root, newest) = (ahead.root_id, ahead.prover.head().finalized.height);
    let proxy = TestProxy::start([behind.url(), ahead.url()], root).await.unwrap();
    let mut client = through(&proxy, root).await;
    // The first upstream refuses, which is its word alone; what the second one proves is remembered.
    for height in [ahead.prover.head().sealed.height, newest] {
        client.ask(&about(Selector::Height(height)), Depth::Seal).await.unwrap();
    }
    for block in [Selector::LatestFinalized, Selector::LatestSealed] {
        let mut client = through(&proxy, root).await;
        let mut direct =
            LightClient::start(Servers::new([ahead.url()]).unwrap(), root).await.unwrap();
        let [relayed, direct] = [&mut client, &mut direct].map(|client| async {
            client.ask(&about(block), Depth::Seal).await.unwrap().answer.height
        });
        assert_eq!(relayed.await, direct.await, "{block:?}");
    }
    // What none of them has is refused as a server refuses it.
    let nowhere = about(Selector::Height(newest + 1_000_000));
    let error = client.ask(&nowhere, Depth::Seal).await.unwrap_err();
    assert!(matches!(&error, AskError::Transport(TransportError::Refused { .. })), "{error}");
}

/// Where nobody is further, the older block is better than none, but not for those who know better.
#[bounded::test]
async fn a_proxy_passes_on_what_there_is() {
    let (ahead, behind, _folder) = ahead_and_behind().await;
    let (root, latest) = (ahead.root_id, about(Selector::LatestFinalized));
    let (between, url) = Hostile::start(&ahead).await;
    let proxy = TestProxy::start([url, behind.url()], root).await.unwrap();
    let mut client = through(&proxy, root).await;
    let newest = client.ask(&latest, Depth::Seal).await.unwrap().answer.height;
    between.lie(Call::Answer, Arc::new(|_| Err(Status::unavailable("gone"))));
    let error = client.ask(&latest, Depth::Seal).await.unwrap_err();
    assert!(matches!(error, AskError::Stale(Stale { known, .. }) if known == newest), "{error}");
    let another = through(&proxy, root).await.ask(&latest, Depth::Seal).await.unwrap().answer;
    assert_eq!(another.height, behind.prover.head().finalized.height);
}

#[bounded::test]
async fn the_command_lists_all_servers_and_goes_back_with_none() {
    let (ahead, behind, _folder) = ahead_and_behind().await;
    let (root, high, low) = (ahead.root_id, ahead.url(), behind.url());
    let folder = tempfile::tempdir().unwrap();
    let sync = format!("--checkpoint {root} --json --server {low},{high},http://127.0.0.1:9 sync");
    let synced = weir(&folder, &sync).await.json();
    let newest = ahead.prover.head().finalized.height;
    assert_eq!(synced["head_height"], newest);
    let field = |name: &str| -> Vec<_> {
        synced["servers"].as_array().unwrap().iter().map(|one| one[name].clone()).collect()
    };
    assert_eq!(field("url"), [&low[..], &high, "http://127.0.0.1:9"]);
    assert_eq!(field("verdict"), ["behind", "agrees", "silent"]);
    let old = behind.prover.head().finalized.height;
    assert_eq!(field("lag"), [(newest - old).into(), 0.into(), serde_json::Value::Null]);
    // From now on the older server alone gives no answer about the newest block.
    let stale =
        format!("is behind: its newest block is at height {old}, height {newest} is proved");
    for command in ["epoch", "status", "sync", "tree root"] {
        let asked = format!("--checkpoint {root} --server {low} {command}");
        weir(&folder, &asked).await.expect(5, &[&stale]);
    }
    let asked = format!("--checkpoint {root} --server {low},{high} epoch");
    weir(&folder, &asked).await.expect(0, &[&stale]);
}
