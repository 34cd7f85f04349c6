//! `weir-server demo`: a network, a server that follows it, a client that trusts one block ID, and
//! a lie.

mod diary;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle as Task;
use weir_client::sync::{ClockOptions, LightClient, Outcome};
use weir_client::transport::{Server, unix_ms};
use weir_devnet::config::{Chances, EpochConfig};
use weir_devnet::{
    BlockTime, Command, Config, Keep, Live, Network, NodeName, Trigger, access as devnet_access,
};
use weir_dial::AccessNode;
use weir_protocol::model::{Identifier, Role};
use weir_server::api::{self, ApiOptions};
use weir_server::indexer::Indexer;
use weir_server::indexer::feed::{AccessFeed, Origin};
use weir_server::prover::Prover;
use weir_server::source::access::{AccessOptions, Fetcher};
use weir_server::store::StoreOptions;
use weir_verifier::verify_file;

use crate::commands::output::output;
use diary::Diary;

/// Tells the story.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(story())?;
    Ok(ExitCode::SUCCESS)
}

async fn story() -> anyhow::Result<()> {
    let started = Instant::now();
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let network = start_network().await?;
    let weir = Weir::start(&network, folder.path().join("data")).await?;
    let root_id = network.root_id;
    output!("\nThe client trusts one thing, the ID of the root block:\n  {root_id}");
    let server = Server::connect(&format!("http://{}", weir.address)).await?;
    let client = LightClient::start_keeping_evidence(server, root_id).await?;
    output!(
        "  Weir opened it: header, payload, protocol state, epoch {} - each part hashes to the ID\n  \
         that the part before it names, so the committee of that epoch is proved.",
        client.trusted().newest_epoch().counter()
    );
    network.begin();
    let outcome = Diary::new(client, weir.prover.reader().watch_head()).write(LAST_EPOCH).await?;
    lie(root_id, &outcome)?;
    weir.stop().await?;
    output!("\nAll of it took {:.1} s.", started.elapsed().as_secs_f64());
    Ok(())
}

/// A simulated network that serves its Access API.
struct Simulation {
    live: Arc<Live>,
    root_id: Identifier,
    address: SocketAddr,
}

async fn start_network() -> anyhow::Result<Simulation> {
    let config = config();
    output!(
        "A Flow network of {} nodes starts in this process: a view every {} ms, epochs of {} views,\n  \
         real signatures, forks and timeouts. A verification node will be ejected, and a setup will\n  \
         be invalid, so that the network falls back until it is recovered.",
        config.nodes.total(),
        config.block_time_ms,
        config.epochs.views
    );
    let live = Live::new(Network::new(config)?, Keep::Everything);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let root_id = live.root_id();
    tokio::spawn(devnet_access::serve(listener, Arc::clone(&live), std::future::pending()));
    output!("  Its Access API is at http://{address}");
    Ok(Simulation { live, root_id, address })
}

/// Three epochs, an ejection in the second, and a fallback with recovery in the third.
fn config() -> Config {
    let first = NodeName::Place { role: Role::Verification, position: 0 };
    let epochs = EpochConfig { extension_view_count: 60, ..EpochConfig::of_length(60) };
    Config {
        seed: 7,
        block_time_ms: 50,
        epochs,
        chances: Chances { fork_per_mille: 20, timeout_per_mille: 20, view_gap_per_mille: 10 },
        ..Config::default()
    }
    .at(Trigger::View(80), Command::Eject(first))
    .at(Trigger::View(115), Command::InvalidSetup)
    .at(Trigger::View(190), Command::Recover)
}

impl Simulation {
    /// Lets time begin.
    fn begin(&self) {
        tokio::spawn(Arc::clone(&self.live).produce(BlockTime::Paced, |_| false));
    }
}

/// A server that follows the network.
struct Weir {
    address: SocketAddr,
    prover: Prover,
    stop: Arc<AtomicBool>,
    indexing: JoinHandle<anyhow::Result<()>>,
    serving: Task<Result<(), api::ServeError>>,
}

impl Weir {
    async fn start(network: &Simulation, data: PathBuf) -> anyhow::Result<Self> {
        let node: AccessNode = network.address.to_string().parse()?;
        let stop = Arc::new(AtomicBool::new(false));
        let (opened, reader) = oneshot::channel();
        let runtime = tokio::runtime::Handle::current();
        let (origin, stopped) = (Origin::Checkpoint(network.root_id), Arc::clone(&stop));
        let indexing = thread::Builder::new().name("indexer".into()).spawn(move || {
            let mut indexer = open(&data, node, origin, runtime, stopped)?;
            // Nobody waits for it when the story is over already.
            let _over = opened.send(indexer.reader());
            indexer.run(|_| ())?;
            Ok(())
        })?;
        let Ok(reader) = reader.await else {
            return Err(join(indexing).err().unwrap_or_else(|| anyhow!("no index was opened")));
        };
        let prover = Prover::new(reader);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let options = ApiOptions::default();
        let serving = api::serve(listener, prover.clone(), options, std::future::pending());
        let serving = tokio::spawn(serving);
        output!(
            "Weir follows it from its root block, checks every block, and serves on http://{address}"
        );
        Ok(Self { address, prover, stop, indexing, serving })
    }

    /// Writes what is left, and frees the data folder.
    async fn stop(self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.serving.abort();
        let indexing = self.indexing;
        tokio::task::spawn_blocking(move || join(indexing)).await?
    }
}

fn open(
    data: &Path,
    node: AccessNode,
    origin: Origin,
    runtime: tokio::runtime::Handle,
    stop: Arc<AtomicBool>,
) -> anyhow::Result<Indexer> {
    let options = AccessOptions::new(vec![node], data);
    let fetcher = {
        let _guard = runtime.enter();
        Fetcher::new(options)?
    };
    let feed = AccessFeed::new(runtime, origin, fetcher);
    Ok(Indexer::open_feed(data, StoreOptions::default(), Box::new(feed), stop)?)
}

fn join(indexing: JoinHandle<anyhow::Result<()>>) -> anyhow::Result<()> {
    indexing.join().unwrap_or_else(|_| bail!("the indexer stopped unexpectedly"))
}

/// Changes one bit of the saved evidence and shows who notices.
fn lie(root_id: Identifier, outcome: &Outcome) -> anyhow::Result<()> {
    output!("\nAnd if somebody lies?");
    let file = outcome.file.as_ref().context("the client kept no evidence")?;
    let mut bytes = file.to_bytes();
    let timing = ClockOptions::default().timing(unix_ms())?;
    let (_, answer) = verify_file(root_id, &bytes, &timing)?;
    output!(
        "  The saved evidence of the last answer ({} bytes) verifies offline: height {}, {}.",
        bytes.len(),
        answer.height,
        answer.trust
    );
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    match verify_file(root_id, &bytes, &timing) {
        Ok(_) => bail!("evidence with a flipped bit was accepted"),
        Err(rejection) => output!("  With one bit flipped: {rejection}"),
    }
    Ok(())
}

fn milliseconds(elapsed: Duration) -> String {
    format!("{:.1} ms", elapsed.as_secs_f64() * 1000.0)
}

/// The epoch with which the story ends: the one that the recovery brought.
const LAST_EPOCH: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[bounded::test]
    fn the_network_of_the_demo_can_start() {
        Network::new(config()).expect("a valid network");
    }
}
