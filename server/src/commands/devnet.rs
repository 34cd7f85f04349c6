//! `weir-server devnet`.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc::{Receiver, channel};
use weir_admission::Port;
use weir_devnet::archive::{self, Amount, ArchiveProgress};
use weir_devnet::config::{Chances, EpochConfig, NodeCounts};
use weir_devnet::schedule::{ScheduledEvent, Trigger};
use weir_devnet::{BlockTime, Config, Keep, Live, Network, access};
use weir_dial::NetworkKey;
use weir_protocol::model::Role;

use super::interrupt::interrupted;
use super::port::{Serving, bind, scheme};
use crate::commands::output::output;

/// What to simulate, and what for.
///
/// While it serves, further commands are read from standard input, one a line, with or without a
/// trigger; each is answered by one line.
#[derive(Debug, Args)]
pub(crate) struct DevnetOptions {
    /// Address to serve the Access API on; port 0 picks a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
    /// Address to serve it on with TLS, as an access node does: with a certificate that its networking key
    /// vouches for, which is printed
    #[arg(long, value_name = "ADDR")]
    secure_listen: Option<SocketAddr>,
    /// What keys, IDs and chances follow from; the same seed gives the same chain
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Time from one view to the next
    #[arg(long, value_name = "N", default_value_t = 1000)]
    block_time_ms: u64,
    /// Nodes of the first epoch: a number, in mainnet's proportions, or roles such as
    /// consensus=7,access=3, the others as usual; 16 in all if left out
    #[arg(long, value_name = "N|ROLE=N,...", value_parser = node_counts)]
    nodes: Option<NodeCounts>,
    /// Views of an epoch; 400 if left out
    #[arg(long, value_name = "N")]
    epoch_views: Option<u64>,
    /// Blocks of a thousand that are certified, and then left behind
    #[arg(long, value_name = "PERMILLE", default_value_t = Config::default().chances.fork_per_mille)]
    forks: u32,
    /// Blocks of a thousand that gather no quorum
    #[arg(
        long, value_name = "PERMILLE",
        default_value_t = Config::default().chances.timeout_per_mille
    )]
    timeouts: u32,
    /// Blocks of a thousand before which views pass without a proposal
    #[arg(
        long, value_name = "PERMILLE",
        default_value_t = Config::default().chances.view_gap_per_mille
    )]
    gaps: u32,
    /// What happens when, such as height:120=eject:consensus:0 or view:900=recover
    #[arg(long = "at", value_name = "TRIGGER=COMMAND")]
    events: Vec<ScheduledEvent>,
    /// Commit the snapshot tree's root in the protocol state: the network begins with version 3 and
    /// soon upgrades to one that is not Flow's, and its chain ID is weir-devnet, not flow-localnet
    #[arg(long)]
    snapshot_tree: bool,
    /// Run a protocol version that this build does not know: the network begins with version 3 and soon
    /// upgrades to 4, and its chain ID is weir-devnet. To see what clients and servers do that are too
    /// old; `serve --future-version` plays a server that is not
    #[arg(long, conflicts_with = "snapshot_tree")]
    future_version: bool,
    /// Date the root block now, not 2026-01-01; the chain is then another at every start
    #[arg(long)]
    start_now: bool,
    /// Blocks made at once before serving begins
    #[arg(long, value_name = "N", default_value_t = 0)]
    history: u64,
    /// Heights kept in memory, below the latest sealed one
    #[arg(
        long, value_name = "HEIGHTS", default_value_t = 50_000,
        value_parser = clap::value_parser!(u64).range(KEPT_MIN..)
    )]
    keep: u64,
    /// Write a chain folder instead of serving
    #[arg(long, value_name = "DIR", requires = "amount", conflicts_with_all = ["listen", "secure_listen", "history"])]
    out: Option<PathBuf>,
    #[command(flatten)]
    amount: AmountOptions,
    #[command(flatten)]
    serving: Serving,
}

/// How much to write.
#[derive(Debug, Args)]
#[group(id = "amount", multiple = false, requires = "out")]
pub(crate) struct AmountOptions {
    /// Blocks to write, the root not counted
    #[arg(long, value_name = "N")]
    blocks: Option<u64>,
    /// Write until so many epochs are complete
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,
}

impl DevnetOptions {
    fn config(&self) -> Config {
        let mut config = Config {
            seed: self.seed,
            block_time_ms: self.block_time_ms,
            chances: Chances {
                fork_per_mille: self.forks,
                timeout_per_mille: self.timeouts,
                view_gap_per_mille: self.gaps,
            },
            ..Config::default()
        };
        if let Some(nodes) = self.nodes {
            config.nodes = nodes;
            config.clusters = config.clusters.min(config.nodes.collection);
        }
        if let Some(views) = self.epoch_views {
            config.epochs = EpochConfig::of_length(views);
        }
        if self.start_now {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            config.root.timestamp_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        }
        config.schedule.events.clone_from(&self.events);
        if self.snapshot_tree {
            config.with_snapshot_tree()
        } else if self.future_version {
            config.with_future_version()
        } else {
            config
        }
    }

    fn amount(&self) -> Option<Amount> {
        let AmountOptions { blocks, epochs } = self.amount;
        blocks.map(Amount::Blocks).or(epochs.map(Amount::Epochs))
    }
}

/// A total, or counts by role.
fn node_counts(text: &str) -> Result<NodeCounts, String> {
    if let Ok(total) = text.parse() {
        return Ok(NodeCounts::of_size(total));
    }
    let mut counts = Config::default().nodes;
    for part in text.split(',') {
        let malformed = || format!("expected a number or ROLE=N, found {part:?}");
        let (role, count) = part.split_once('=').ok_or_else(malformed)?;
        let count = count.parse().map_err(|_| malformed())?;
        match role.parse().map_err(|_| malformed())? {
            Role::Collection => counts.collection = count,
            Role::Consensus => counts.consensus = count,
            Role::Execution => counts.execution = count,
            Role::Verification => counts.verification = count,
            Role::Access => counts.access = count,
        }
    }
    Ok(counts)
}

/// Writes an archive, or serves until interrupted.
pub(crate) fn run(options: DevnetOptions) -> anyhow::Result<ExitCode> {
    if let (Some(dir), Some(amount)) = (&options.out, options.amount()) {
        return write(options.config(), dir, amount);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(&options))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(options: &DevnetOptions) -> anyhow::Result<()> {
    let port = options.serving.port(options.listen).await?;
    let (scheme, address) = (scheme(&port), port.listener.local_addr()?);
    let live = Live::new(Network::new(options.config())?, Keep::Heights(options.keep));
    let interrupted = interrupted();
    live.advance(options.history).await;
    output!("weir-server: devnet serving {scheme}://{address}, checkpoint {}", live.root_id());
    let secure = secure_port(options, &live).await?;
    let producing = tokio::spawn(Arc::clone(&live).produce(BlockTime::Paced, |_| false));
    let commands = tokio::spawn(obey(Arc::clone(&live), lines()));
    let secured = async {
        match secure {
            Some(port) => {
                access::serve(port, Arc::clone(&live), super::interrupt::interrupted()).await
            }
            None => Ok(()),
        }
    };
    tokio::try_join!(access::serve(port, Arc::clone(&live), interrupted), secured)?;
    producing.abort();
    commands.abort();
    Ok(())
}

/// The port of an access node that shows its networking key, where it is asked for.
async fn secure_port(options: &DevnetOptions, live: &Live) -> anyhow::Result<Option<Port>> {
    let Some(listen) = options.secure_listen else { return Ok(None) };
    let network = live.network().await;
    let state = network.protocol_state(&live.root_id()).context("the root has a state")?;
    let mut participants = state.current_setup().participants.iter();
    let node = participants.find(|node| node.role == Role::Access);
    let node = node.context("the network has no access node")?;
    let key = node.network_key.as_ref().context("the access node has no networking key")?;
    let tls = Some(access::certificate::tls(&node.node_id)?);
    let port = Port { tls, ..bind(listen, "--secure-listen").await?.into() };
    let address = port.listener.local_addr()?;
    output!("weir-server: devnet serving https://{address}#{}", NetworkKey::from_bytes(key)?);
    Ok(Some(port))
}

/// Carries out commands, and answers each with a line.
async fn obey(live: Arc<Live>, mut lines: Receiver<String>) {
    while let Some(line) = lines.recv().await {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let answer = match parse(line) {
            Ok(event) => live
                .command(event.trigger, event.command.clone())
                .await
                .map(|()| event)
                .map_err(anyhow::Error::from),
            Err(error) => Err(error),
        };
        match answer {
            Ok(event) => output!("ok: {event}, at height {}", live.tip().finalized_height),
            Err(error) => output!("error: {error:#}"),
        }
    }
}

/// A command is due at the next block unless it says otherwise.
fn parse(line: &str) -> anyhow::Result<ScheduledEvent> {
    if line.contains('=') {
        return Ok(line.parse()?);
    }
    Ok(ScheduledEvent { trigger: Trigger::Now, command: line.parse()? })
}

/// Lines of standard input, until it is closed; reading it must not keep the program up.
fn lines() -> Receiver<String> {
    let (sender, receiver) = channel(1);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn write(config: Config, dir: &Path, amount: Amount) -> anyhow::Result<ExitCode> {
    let bar = progress_bar(amount);
    let started = Instant::now();
    let progress = archive::write(config, dir, amount, |progress| show(&bar, amount, progress))?;
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    let ArchiveProgress { blocks, height, epochs } = progress;
    let pace = f64::from(u32::try_from(blocks).unwrap_or(u32::MAX)) / seconds.max(1e-9);
    output!(
        "weir-server: wrote {blocks} blocks to {}, height {height}, {epochs} epochs complete, in \
         {seconds:.1} s: {pace:.0} blocks/s",
        dir.display()
    );
    Ok(ExitCode::SUCCESS)
}

fn progress_bar(amount: Amount) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (Amount::Blocks(length) | Amount::Epochs(length)) = amount;
    let style = "{spinner} writing [{bar:32}] {percent}% {msg}, {eta} left";
    let bar = ProgressBar::new(length);
    bar.set_style(
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar.enable_steady_tick(TICK);
    bar
}

fn show(bar: &ProgressBar, amount: Amount, progress: ArchiveProgress) {
    bar.set_position(match amount {
        Amount::Blocks(_) => progress.blocks,
        Amount::Epochs(_) => progress.epochs,
    });
    if progress.blocks.is_multiple_of(SHOWN_BLOCKS) {
        bar.set_message(format!("{} blocks, {} epochs", progress.blocks, progress.epochs));
    }
}

/// Fewest heights kept: a snapshot reaches back 600 blocks and more.
const KEPT_MIN: u64 = 1000;
/// Blocks between one message of the progress bar and the next.
const SHOWN_BLOCKS: u64 = 64;
const TICK: Duration = Duration::from_millis(200);
