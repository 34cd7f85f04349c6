//! A network that upgrades to a protocol version that this build does not know: clients and servers
//! that are too old say so, before and after, and blame nobody.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::OnceLock;

use tempfile::TempDir;
use tokio::time::timeout;
use tonic::Code;
use tonic::transport::Channel;
use weir_client::sync::{AskError, LightClient};
use weir_client::transport::{Servers, Standing};
use weir_client::watch::{BlockStatus, EventKind, Filter, Start, Watch, WatchError, WatchOptions};
use weir_devnet::archive::{Amount, write};
use weir_devnet::{Config, config::EpochConfig};
use weir_integration_tests::TestServer;
use weir_integration_tests::programs::{PATIENCE, Program, ServerProcess};
use weir_integration_tests::proxy::TestProxy;
use weir_proto::weir::v1;
use weir_proto::weir::v1::snapshot_api_client::SnapshotApiClient;
use weir_proto::weir::v1::{
    BlockSelector, GetServerInfoRequest, GetServerInfoResponse, GetSnapshotRequest,
    LatestFinalized, ProtocolVersionUpgrade, block_selector,
};
use weir_protocol::model::{FUTURE_KV_STORE_VERSION, Identifier, Versions};
use weir_protocol::request::{Depth, IdentityFilter, Question, Selector, Topic};
use weir_server::api::ApiOptions;
use weir_server::prover::Prover;
use weir_verifier::{AnswerValue, Change, NeedsUpdate, Rejection, Trust};

use crate::servers::weir;

const EPOCH_VIEWS: u64 = 200;
/// Blocks of the whole chain, into the second epoch.
const BLOCKS: u64 = 280;
/// Blocks of its beginning, after the upgrade is scheduled and before it is in force.
const BEGINNING: u64 = 60;

fn folder(blocks: u64) -> TempDir {
    let epochs = EpochConfig::of_length(EPOCH_VIEWS);
    let config = Config { seed: 6, epochs, ..Config::default() }.with_future_version();
    let dir = tempfile::tempdir().unwrap();
    write(config, dir.path(), Amount::Blocks(blocks), |_| ()).unwrap();
    dir
}

/// The chain, to the end.
pub(crate) fn whole() -> &'static Path {
    static WHOLE: OnceLock<TempDir> = OnceLock::new();
    WHOLE.get_or_init(|| folder(BLOCKS)).path()
}

/// A server that knows the version.
pub(crate) async fn newer() -> TestServer {
    let options = ApiOptions { versions: Some(Versions::Future), ..ApiOptions::default() };
    TestServer::over(whole(), options).await.unwrap()
}

/// A server that does not, before the upgrade is in force.
async fn older() -> TestServer {
    static BEGIN: OnceLock<TempDir> = OnceLock::new();
    let folder = BEGIN.get_or_init(|| folder(BEGINNING)).path();
    TestServer::over(folder, ApiOptions::default()).await.unwrap()
}

/// The last height before the version to come, and the view that it is scheduled from.
pub(crate) fn last_known(prover: &Prover) -> (u64, u64) {
    let state = |height: u64| {
        let ordinal = prover.reader().finalized_at(height).unwrap().unwrap();
        let record = prover.block_at(ordinal).unwrap().record;
        prover.states().load(&record.protocol_state_id).unwrap()
    };
    let first = (1..).find(|height| state(*height).version() == FUTURE_KV_STORE_VERSION).unwrap();
    let upgrade = state(first - 1).kv().version_upgrade.unwrap();
    (first - 1, upgrade.activation_view)
}

fn block_id(prover: &Prover, height: u64) -> Identifier {
    let ordinal = prover.reader().finalized_at(height).unwrap().unwrap();
    prover.block_at(ordinal).unwrap().block_id
}

fn about(height: u64, topic: Topic) -> Question {
    Question { block: Selector::Height(height), topic }
}

async fn client(server: &TestServer) -> LightClient {
    LightClient::start(Servers::new([server.url()]).unwrap(), server.root_id).await.unwrap()
}

/// It says that a newer version is needed, since when, and blames nobody.
fn assert_needs_update<T: std::fmt::Debug>(
    client: &LightClient,
    asked: Result<T, AskError>,
    view: u64,
) {
    let error = asked.unwrap_err();
    let AskError::Rejected { rejection, lies, .. } = error else { panic!("{error}") };
    let version = FUTURE_KV_STORE_VERSION;
    let needs = NeedsUpdate::ProtocolVersion { version, since_view: Some(view) };
    assert_eq!(rejection, Rejection::NeedsUpdate(needs));
    assert_eq!((lies, client.lies()), (vec![], &[][..]));
    assert!(client.health().all(|(_, standing)| standing == Standing::Good));
    let ahead = client.trusted().upgrade_ahead().unwrap();
    assert_eq!((ahead.version, ahead.activation_view), (version, view));
}

#[bounded::test]
async fn who_comes_after_the_upgrade_finds_who_scheduled_it() {
    let server = newer().await;
    let (last, view) = last_known(&server.prover);
    let latest = Question { block: Selector::LatestFinalized, topic: Topic::Snapshot };
    let just_after = about(last + 1, Topic::Snapshot);
    for question in [latest, just_after] {
        let mut client = client(&server).await;
        let asked = client.ask(&question, Depth::Seal).await;
        assert_needs_update(&client, asked, view);
    }
    let mut syncing = client(&server).await;
    let synced = syncing.sync(|_, _| ()).await;
    assert_needs_update(&syncing, synced, view);
    assert!(syncing.trusted().head().view < view || syncing.trusted().head().height > last);
    // Its head is beyond already, and it has seen no state since the checkpoint.
    let mut beyond = client(&server).await;
    beyond.ask(&about(last + 20, Topic::Seal), Depth::Seal).await.unwrap();
    assert!(beyond.trusted().head().height > last);
    let asked = beyond.ask(&about(last + 5, Topic::Snapshot), Depth::Seal).await;
    assert_needs_update(&beyond, asked, view);
}

#[bounded::test]
async fn what_needs_no_state_goes_on() {
    let server = newer().await;
    let (last, view) = last_known(&server.prover);
    let mut client = client(&server).await;
    for height in [last, last + 1, last + 10] {
        let outcome = client.status(Selector::Height(height), Depth::Seal).await.unwrap();
        assert_eq!((outcome.answer.trust, outcome.answer.height), (Trust::Sealed, height));
        let AnswerValue::Status(status) = outcome.answer.value else { panic!() };
        assert!(status.sealed_by.is_some() && status.last_sealed_block_id.is_some());
        for topic in [Topic::Seal, Topic::ExecutionResult] {
            client.ask(&about(height, topic), Depth::Seal).await.unwrap();
        }
    }
    // An answer is about the state or it is not; the block before the upgrade has all of them.
    let table = |height| about(height, Topic::Identities(IdentityFilter::default()));
    client.ask(&table(last), Depth::Seal).await.unwrap();
    let asked = client.ask(&table(last + 1), Depth::Seal).await;
    assert_needs_update(&client, asked, view);
}

/// The lowest height whose seal is in the next epoch.
fn sealed_in_next_epoch(prover: &Prover) -> u64 {
    let sealing = |height| prover.reader().sealing_ordinal(height).unwrap().unwrap();
    let epoch = |ordinal| prover.block_at(ordinal).unwrap().record.epoch_counter;
    let (first, first_height) = (prover.head().first_epoch_counter, prover.head().first_height);
    (first_height + 1..).find(|height| epoch(sealing(*height)) != first).unwrap()
}

#[bounded::test]
async fn a_block_whose_seal_nobody_too_old_can_prove_is_proved_without() {
    let server = newer().await;
    let height = sealed_in_next_epoch(&server.prover);
    let proxy = TestProxy::start([server.url()], server.root_id).await.unwrap();
    for url in [server.url(), proxy.url()] {
        let servers = Servers::new([url]).unwrap();
        let mut client = LightClient::start(servers, server.root_id).await.unwrap();
        let outcome = client.status(Selector::Height(height), Depth::Seal).await.unwrap();
        assert_eq!(outcome.answer.trust, Trust::Finalized);
        let AnswerValue::Status(status) = outcome.answer.value else { panic!() };
        assert!(status.sealed_by.is_none() && client.lies().is_empty());
        assert!(client.health().all(|(_, standing)| standing == Standing::Good));
    }
}

async fn info(server: &TestServer) -> (GetServerInfoResponse, Option<ProtocolVersionUpgrade>) {
    let channel = Channel::from_shared(server.url()).unwrap().connect().await.unwrap();
    let mut api = SnapshotApiClient::new(channel);
    let info = api.get_server_info(GetServerInfoRequest {}).await.unwrap().into_inner();
    let selector = Some(block_selector::Selector::LatestFinalized(LatestFinalized {}));
    let question = v1::Question { block: Some(BlockSelector { selector }), ..Default::default() };
    let asked = GetSnapshotRequest { question: Some(question) };
    let snapshot = api.get_snapshot(asked).await.unwrap().into_inner();
    (info, snapshot.snapshot.unwrap().pending_upgrade)
}

#[bounded::test]
async fn everybody_is_told_ahead() {
    let (server, ahead) = (older().await, newer().await);
    let (_, view) = last_known(&ahead.prover);
    let mut client = client(&server).await;
    client.sync(|_, _| ()).await.unwrap();
    let upgrade = client.trusted().upgrade_ahead().unwrap();
    let head = *client.trusted().head();
    assert!(!upgrade.is_in_force(head.view) && upgrade.activation_view == view);
    assert!(upgrade.about_ms.unwrap() > head.timestamp_ms);
    let (said, pending) = info(&server).await;
    assert!(said.needs_update && said.protocol_state_version == FUTURE_KV_STORE_VERSION - 1);
    let detail = format!("protocol version 4 from view {view}, about 2026-01-01T");
    assert!(said.sync_detail.starts_with(&detail), "{}", said.sync_detail);
    let told = said.pending_upgrade.unwrap();
    assert_eq!((told.version, told.activation_view), (FUTURE_KV_STORE_VERSION, view));
    assert_eq!(Some(told.estimated_time_ms), upgrade.about_ms);
    assert_eq!(pending.map(|pending| pending.activation_view), Some(view));
    // What is in force is pending no more, and who knows it needs no update.
    let (said, pending) = info(&ahead).await;
    assert_eq!((said.protocol_state_version, said.needs_update), (FUTURE_KV_STORE_VERSION, false));
    assert_eq!((said.pending_upgrade, pending, said.sync_detail), (None, None, String::new()));
}

#[bounded::test]
async fn a_watch_warns_and_ends_with_the_last_known_state() {
    let server = newer().await;
    let (last, view) = last_known(&server.prover);
    let client = client(&server).await;
    let start = Start::Height(client.trusted().checkpoint().height);
    let mut watch = Watch::new(client, WatchOptions { start, ..WatchOptions::default() });
    let mut warned = Vec::new();
    let error = loop {
        match timeout(PATIENCE, watch.next()).await.unwrap() {
            Ok(event) => {
                assert!(event.block.height <= last);
                if let EventKind::Change(Change::Version { after, .. }) = event.kind {
                    assert!(after.needs_update);
                    warned.push(after.upgrade.unwrap().activation_view);
                }
            }
            Err(error) => break error,
        }
    };
    assert_eq!(warned, [view]);
    assert!(matches!(&error, WatchError::Ask(error) if error.is_beyond_upgrade()), "{error}");
    assert_eq!(watch.walker().lies(), []);
}

#[bounded::test]
async fn a_watch_of_blocks_goes_on() {
    let server = newer().await;
    let (last, _) = last_known(&server.prover);
    let block_ids = [last, last + 10].map(|height| block_id(&server.prover, height)).to_vec();
    // The newest block is of the next epoch, whose committee nobody knows who is too old.
    let (start, filter) = (Start::Height(last - 1), Filter::nothing());
    let options =
        WatchOptions { start, filter, block_ids: block_ids.clone(), ..WatchOptions::default() };
    let mut watch = Watch::new(client(&server).await, options);
    let mut statuses = Vec::new();
    while !watch.blocks_are_decided() {
        let event = timeout(PATIENCE, watch.next()).await.unwrap().unwrap();
        let EventKind::Status { status, .. } = event.kind else { panic!("{event:?}") };
        statuses.push((event.block.block_id, status));
    }
    let all = [BlockStatus::Certified, BlockStatus::Finalized, BlockStatus::Sealed];
    let mut expected: Vec<_> =
        block_ids.iter().flat_map(|id| all.map(|status| (*id, status))).collect();
    statuses.sort();
    expected.sort();
    assert_eq!(statuses, expected);
    assert_eq!(watch.walker().lies(), []);
}

#[bounded::test]
async fn a_proxy_that_is_too_old_passes_on_what_clients_may_know() {
    let server = newer().await;
    let (last, view) = last_known(&server.prover);
    let proxy = TestProxy::start([server.url()], server.root_id).await.unwrap();
    let through = || async {
        LightClient::start(Servers::new([proxy.url()]).unwrap(), server.root_id).await.unwrap()
    };
    let latest = Question { block: Selector::LatestFinalized, topic: Topic::Snapshot };
    for question in [about(last + 1, Topic::Snapshot), latest] {
        let mut client = through().await;
        let asked = client.ask(&question, Depth::Seal).await;
        assert_needs_update(&client, asked, view);
    }
    let mut client = through().await;
    let synced = client.sync(|_, _| ()).await;
    assert_needs_update(&client, synced, view);
    for height in [last, last + 1] {
        client.ask(&about(height, Topic::Seal), Depth::Seal).await.unwrap();
        client.status(Selector::Height(height), Depth::Seal).await.unwrap();
    }
    // Whoever takes the proxy's word is told that it has none.
    let channel = Channel::from_shared(proxy.url()).unwrap().connect().await.unwrap();
    let mut api = SnapshotApiClient::new(channel);
    let mut value_at = async |height| {
        let selector = Some(block_selector::Selector::Height(height));
        let question =
            v1::Question { block: Some(BlockSelector { selector }), ..Default::default() };
        let asked = GetSnapshotRequest { question: Some(question) };
        api.get_snapshot(asked).await.map(|answer| answer.into_inner().snapshot)
    };
    assert!(value_at(last).await.unwrap().is_some());
    let refusal = value_at(last + 1).await.unwrap_err();
    assert_eq!(refusal.code(), Code::FailedPrecondition);
    assert!(refusal.message().contains("does not know (up to 3)"), "{refusal}");
}

#[bounded::test]
async fn the_command_says_what_to_do() {
    let (server, ahead) = (older().await, newer().await);
    let (last, view) = last_known(&ahead.prover);
    let folder = tempfile::tempdir().unwrap();
    let asks = |server: &TestServer, rest: &str| {
        format!("--server {} --checkpoint {} {rest}", server.url(), server.root_id.to_hex())
    };
    let ran = weir(&folder, &asks(&server, "sync")).await;
    let from = format!("protocol version 4 from view {view}, about 2026-01-01T");
    ran.expect(0, &[&from, "this version knows up to 3"]);
    let ran = weir(&folder, &asks(&server, "--json sync")).await;
    let told = &ran.json()["upgrade_ahead"];
    assert_eq!((&told["version"], &told["activation_view"]), (&4.into(), &view.into()));
    let since =
        format!("protocol version 4 is in force since view {view}; this version knows up to 3");
    let save = folder.path().join("saved").display().to_string();
    for rest in ["sync", "epoch", "watch", &format!("--no-state epoch --height {}", last + 1)] {
        weir(&folder, &asks(&ahead, rest)).await.expect(8, &[&since]);
    }
    let saving = format!("--save {save} epoch --height {}", last + 1);
    weir(&folder, &asks(&ahead, &saving)).await.expect(8, &[&since]);
    assert!(!Path::new(&save).exists());
    let status = format!("--save {save} status --height {}", last + 1);
    weir(&folder, &asks(&ahead, &status)).await.expect(0, &[]);
    let verify =
        |view: &str| format!("--checkpoint {} verify {save} {view}", ahead.root_id.to_hex());
    weir(&folder, &verify("--as status")).await.expect(0, &[]);
    weir(&folder, &verify("")).await.expect(4, &["no proved state schedules it"]);
    // Neither an accusation nor anything but what is trusted is kept.
    let listed = weir(&folder, "evidence list").await;
    assert!(listed.stdout.is_empty(), "{}", listed.stdout);
}

#[bounded::test]
async fn an_older_server_stops_before_the_upgrade_and_serves_on() {
    let data = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(&data.path().join("data"), whole()).await.unwrap();
    let halted = |info: &GetServerInfoResponse| info.sync_state == "halted";
    let info = crate::server_info::info_is(&server, halted).await;
    for part in ["found 4", "a protocol version that Weir", "protocol version 4 from view"] {
        assert!(info.sync_detail.contains(part), "{part}: {}", info.sync_detail);
    }
    assert!(info.needs_update && info.latest_finalized.unwrap().height > 0);
    server.terminate().await.expect(0, &["does not know", "protocol version 4 from view"]);
    let ran = Program::Server.run(["replay".as_ref(), whole().as_os_str()]).await;
    ran.expect(4, &["does not know", "a newer version of Weir goes on from here"]);
}
