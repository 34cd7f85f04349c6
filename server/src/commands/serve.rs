//! `weir-server serve`.

use std::fs;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;
use weir_admission::Port;
use weir_dial::{AccessNode, Asking, Dialer};
use weir_protocol::model::{Identifier, Versions};
use weir_server::api::{self, ApiOptions};
use weir_server::indexer::feed::{AccessFeed, Origin};
use weir_server::indexer::{End, IndexError, IndexProgress, Indexer};
use weir_server::prover::Prover;
use weir_server::source::ChainFolder;
use weir_server::source::access::{AccessOptions, Fetcher, SyncState};
use weir_server::store::StoreOptions;

use super::interrupt::interrupted;
use super::port::{Serving, scheme};
use super::source::Source;
use super::{metrics, receipt_key};
use crate::commands::output::output;

/// How to serve.
#[derive(Debug, Args)]
pub(crate) struct ServeOptions {
    /// Folder of the index; made if missing
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Where blocks come from: replay:DIR, a chain folder, or access:URL[,URL...], access nodes by
    /// preference
    #[arg(long, value_name = "SOURCE")]
    source: Source,
    /// With access nodes: ID of the finalized block to begin at, which you trust
    #[arg(long, value_name = "BLOCK_ID", conflicts_with = "root")]
    checkpoint: Option<Identifier>,
    /// With access nodes: file with the protocol state snapshot to begin at, which you trust
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
    /// With access nodes: ID of the spork, which you know; a node of another one is not trusted.
    /// Without it, --checkpoint takes the word of the access nodes that agree on it
    #[arg(long, value_name = "SPORK_ID")]
    spork: Option<Identifier>,
    /// Address to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9400")]
    listen: SocketAddr,
    /// Address for Prometheus metrics, none if left out
    #[arg(long, value_name = "ADDR")]
    metrics: Option<SocketAddr>,
    /// Memory for the database's cache, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    cache_mib: u64,
    /// Blocks whose payloads are kept, all if left out; seals and results of older ones cannot be
    /// proved any more
    #[arg(long, value_name = "BLOCKS", value_parser = clap::value_parser!(u64).range(KEPT_MIN..))]
    keep_payloads: Option<u64>,
    /// File with the secret key that signs answers, as `weir-server receipt-key` makes it; a lie can
    /// then be shown to others. Answers are not signed if left out
    #[arg(long, value_name = "FILE")]
    receipt_key: Option<PathBuf>,
    /// Know the protocol version that `devnet --future-version` upgrades to, as a later version of Weir
    /// would: for trials with clients that do not
    #[arg(long)]
    future_version: bool,
    /// Access node that answers, unverified, what protocol state cannot: transactions, scripts,
    /// accounts, events and collections
    #[arg(long, value_name = "URL")]
    pass_on: Option<AccessNode>,
    #[command(flatten)]
    serving: Serving,
    #[command(flatten)]
    asking: Asking,
}

impl ServeOptions {
    /// Protocol versions that the server plays to know, if not those of the chain.
    fn known_versions(&self) -> Option<Versions> {
        self.future_version.then_some(Versions::Future)
    }
}

/// Indexes and serves until interrupted.
pub(crate) fn run(options: &ServeOptions) -> anyhow::Result<ExitCode> {
    super::log();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let port = runtime.block_on(options.serving.port(options.listen))?;
    let dialer = options.asking.dialer()?;
    if let Some(address) = options.metrics {
        let _guard = runtime.enter();
        metrics::install(address)?;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let (indexer, sync) = open(options, &dialer, &handle, &stop)?;
    runtime.block_on(serve(options, (port, dialer), indexer, sync, &stop))
}

/// Opens the store and its source; outside the runtime, for both block.
fn open(
    options: &ServeOptions,
    dialer: &Dialer,
    runtime: &tokio::runtime::Handle,
    stop: &Arc<AtomicBool>,
) -> anyhow::Result<(Indexer, watch::Sender<SyncState>)> {
    let store = StoreOptions { cache_bytes: options.cache_mib << 20, ..StoreOptions::default() };
    let data = &options.data;
    let (indexer, sync) = match &options.source {
        Source::Replay(dir) => {
            if options.checkpoint.is_some() || options.root.is_some() || options.spork.is_some() {
                bail!(
                    "--checkpoint, --root and --spork are for access nodes; a chain folder has its \
                     own root"
                );
            }
            let indexer = Indexer::open(data, store, &ChainFolder::open(dir)?, stop.clone())?;
            (indexer, watch::Sender::new(SyncState::Folder))
        }
        Source::Access(nodes) => {
            let access = AccessOptions {
                spork_id: options.spork,
                dialer: dialer.clone(),
                ..AccessOptions::new(nodes.clone(), data)
            };
            let fetcher = {
                let _guard = runtime.enter();
                Fetcher::new(access)?
            };
            let sync = fetcher.1.state.clone();
            let feed = AccessFeed::new(runtime.clone(), origin(options)?, fetcher);
            (Indexer::open_feed(data, store, Box::new(feed), stop.clone())?, sync)
        }
    };
    let indexer = indexer.keeping_payloads(options.keep_payloads);
    Ok((options.known_versions().into_iter().fold(indexer, Indexer::knowing), sync))
}

/// What the user trusts.
fn origin(options: &ServeOptions) -> anyhow::Result<Origin> {
    match (&options.checkpoint, &options.root) {
        (Some(block_id), _) => Ok(Origin::Checkpoint(*block_id)),
        (None, Some(path)) => {
            let json = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            Ok(Origin::Snapshot(json))
        }
        (None, None) => bail!(
            "access nodes are not trusted: name the finalized block to begin at with --checkpoint \
             BLOCK_ID, or its protocol state snapshot with --root FILE"
        ),
    }
}

async fn serve(
    options: &ServeOptions,
    (port, dialer): (Port, Dialer),
    indexer: Indexer,
    sync: watch::Sender<SyncState>,
    stop: &Arc<AtomicBool>,
) -> anyhow::Result<ExitCode> {
    let (scheme, address) = (scheme(&port), port.listener.local_addr()?);
    let prover = Prover::new(indexer.reader());
    let indexing = Arc::new(AtomicBool::new(true));
    let interrupted = interrupted();
    output!("weir-server: serving {scheme}://{address}");
    let state = sync.subscribe();
    tokio::spawn(metrics::report_sync(state.clone()));
    let condition = indexer.condition();
    tokio::spawn(metrics::report_condition(condition.clone()));
    tokio::spawn(metrics::report_head(indexer.reader().watch_head()));
    let versions = options.known_versions();
    tokio::spawn(metrics::report_upgrade(prover.clone(), versions));
    let worker = index_in_background(indexer, indexing.clone(), sync)?;
    let signer = options.receipt_key.as_deref().map(receipt_key::read).transpose()?;
    let dialer = dialer.with_connect_timeout(CONNECT_TIMEOUT);
    let pass_on = options.pass_on.as_ref().map(|node| dialer.access_node(node));
    let sync = Some(state);
    let api = ApiOptions { indexing, sync, condition: Some(condition), signer, pass_on, versions };
    api::serve(port, prover, api, interrupted).await?;
    stop.store(true, Ordering::Relaxed);
    tokio::task::spawn_blocking(move || worker.join()).await?.map_err(|_| {
        anyhow::anyhow!(
            "the indexer stopped unexpectedly; run `weir-server fsck` on the data folder"
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Indexes on a thread of its own; serving goes on with what there is when it fails.
fn index_in_background(
    mut indexer: Indexer,
    indexing: Arc<AtomicBool>,
    sync: watch::Sender<SyncState>,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("indexer".into()).spawn(move || {
        let bar = progress_bar();
        let run = AssertUnwindSafe(|| indexer.run(|progress| show(&bar, progress)));
        let outcome = catch_unwind(run);
        indexing.store(false, Ordering::Relaxed);
        bar.finish_and_clear();
        match outcome {
            Ok(outcome) => {
                if let Err(error) = &outcome {
                    sync.send_replace(SyncState::Halted { reason: error.to_string() });
                }
                report(&indexer, outcome);
            }
            Err(panic) => {
                // What it was doing is lost; what is on disk is served on.
                let reason = "the indexer stopped unexpectedly; start the server again".to_owned();
                sync.send_replace(SyncState::Halted { reason });
                resume_unwind(panic);
            }
        }
    })
}

fn report(indexer: &Indexer, outcome: Result<End, IndexError>) {
    let reader = indexer.reader();
    let head = reader.head();
    let (blocks, height) = (head.blocks, head.finalized.height);
    match outcome {
        Ok(End::SourceExhausted) => {
            tracing::info!(blocks, finalized_height = height, "the source is indexed to its end");
        }
        Ok(End::Stopped) => {
            tracing::info!(blocks, finalized_height = height, "stopped; it goes on here next time");
        }
        Err(error) => tracing::error!(
            %error, blocks, finalized_height = height,
            "indexing stopped here; blocks up to this one are still served"
        ),
    }
    if let Some(evidence) = &head.conflicting {
        let evidence = String::from_utf8_lossy(evidence).into_owned();
        tracing::error!(%evidence, "conflicting certificates: this chain has two truths");
    }
}

fn progress_bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = "{spinner} indexing [{bar:32}] {percent}% {msg}, {eta} left";
    let bar = ProgressBar::new(0);
    bar.set_style(
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar
}

fn show(bar: &ProgressBar, progress: IndexProgress) {
    let (read, total) = progress.source;
    bar.set_length(total);
    bar.set_position(read);
    bar.set_message(format!(
        "{} blocks, finalized height {}",
        progress.blocks, progress.finalized_height
    ));
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Fewest payloads kept: what is not sealed yet must stay.
const KEPT_MIN: u64 = 10_000;
