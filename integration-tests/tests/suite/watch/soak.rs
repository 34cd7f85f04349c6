//! Long chains over networks that stall, drip and cut, and servers of two chains.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::timeout;
use weir_client::sync::AskError;
use weir_client::sync::LightClient;
use weir_client::transport::Servers;
use weir_client::watch::{BlockStatus, Event, EventKind, Start, Watch, WatchError, WatchOptions};
use weir_devnet::archive::{Amount, write};
use weir_devnet::config::Chances;
use weir_devnet::{Command, Config, NodeName, Trigger};
use weir_integration_tests::TestServer;
use weir_integration_tests::connections::chaotic_proxy;
use weir_protocol::model::{Identifier, Role};
use weir_server::api::ApiOptions;

use super::{changes, finalized, start, watch};

/// Simulated time from view to view.
const BLOCK_TIME_MS: u64 = 10_000;
const MINUTE_MS: u64 = 60_000;
/// Longest time that one event may take, over a network that rarely lets anything through.
const LONG: Duration = Duration::from_secs(120);

/// A chain on which nodes come and go and the network falls back and recovers.
fn chain(seed: u64, minutes: u64) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let chances = Chances { fork_per_mille: 30, timeout_per_mille: 20, view_gap_per_mille: 10 };
    let mut config = Config { seed, chances, block_time_ms: BLOCK_TIME_MS, ..Config::default() };
    let views = minutes * MINUTE_MS / BLOCK_TIME_MS;
    for epoch in 0..views / 400 {
        let view = |offset| Trigger::View(epoch * 400 + offset);
        let access = |position| NodeName::Place { role: Role::Access, position };
        config = match epoch % 6 {
            1 => config.at(view(20), Command::Join(Role::Access)),
            2 => config.at(view(30), Command::Eject(access(1))),
            3 => config.at(view(40), Command::MissedCommit).at(view(41), Command::Recover),
            4 => config.at(view(20), Command::Leave(access(0))),
            _ => config,
        };
    }
    write(config, dir.path(), Amount::Blocks(views), |_| ()).unwrap();
    dir
}

/// All changes, whatever becomes of the connections.
async fn patiently(watch: &mut Watch) -> (Vec<Event>, u64) {
    let (mut events, mut failures) = (Vec::new(), 0);
    loop {
        match timeout(LONG, watch.next()).await.unwrap() {
            Ok(event) => match event.kind {
                EventKind::Status { status: BlockStatus::Certified, .. } => {}
                EventKind::Status { .. } => return (events, failures),
                _ => events.push(event),
            },
            Err(WatchError::Ask(AskError::Transport(error))) if error.is_silence() => failures += 1,
            Err(error) => panic!("after {} events: {error}", events.len()),
        }
    }
}

async fn over(chain: &Path) -> TestServer {
    TestServer::over(chain, ApiOptions::default()).await.unwrap()
}

/// Watches over connections that break, by seed, and compares with an undisturbed watch.
async fn soak(seed: u64, minutes: u64) {
    println!("seed {seed}, {minutes} minutes");
    let (chain, foreign) = (chain(seed, minutes), chain(seed + 1000, 10));
    let (server, foreign) = (over(chain.path()).await, over(foreign.path()).await);
    let (root_id, end) = (server.root_id, finalized(&server));
    let undisturbed = changes(&mut watch(&[&server.url()], root_id, end, |_| ()).await).await;
    assert!(undisturbed.len() as u64 >= minutes / 60);

    let good = vec![server.address];
    let mut urls = Vec::new();
    for number in 1..=3 {
        urls.push(chaotic_proxy(good.clone(), seed * 10 + number).await);
    }
    // Sometimes it answers for another chain.
    let two_faced = vec![server.address, server.address, foreign.address];
    urls.push(chaotic_proxy(two_faced, seed * 10 + 4).await);
    let mut disturbed = begin(&urls, &server, end).await;
    let (told, failures) = patiently(&mut disturbed).await;
    assert_eq!(told, undisturbed);
    let head = server.prover.latest().head();
    println!(
        "{} changes over {} heights, {failures} times without any server, {} set aside",
        told.len(),
        head.finalized.height - head.first_height,
        disturbed.walker().lies().len()
    );
}

async fn begin(urls: &[String], server: &TestServer, end: Identifier) -> Watch {
    let client = LightClient::start(Servers::new([server.url()]).unwrap(), server.root_id).await;
    let trusted = client.unwrap().trusted().clone();
    let servers = Servers::new(urls.iter().map(String::as_str)).unwrap();
    let client = LightClient::resume(servers.with_request_timeout(Duration::from_secs(1)), trusted);
    let options = WatchOptions {
        start: Start::Height(start(server).height),
        block_ids: vec![end],
        patience: Duration::from_secs(1),
        ..WatchOptions::default()
    };
    Watch::new(client, options)
}

#[bounded::test(flavor = "multi_thread")]
async fn broken_networks_change_nothing() {
    for seed in 1..=3 {
        soak(seed, 200).await;
    }
}

/// `cargo xtask soak`
#[bounded::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn ten_thousand_minutes() {
    let seed = std::env::var("WEIR_SEED").map_or(7, |seed| seed.parse().unwrap());
    soak(seed, 10_000).await;
}
