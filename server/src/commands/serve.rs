//! `weir-server serve`.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use http::Uri;
use indicatif::{ProgressBar, ProgressStyle};
use thiserror::Error;
use tokio::net::TcpListener;
use tonic::transport::Channel;
use weir_server::api::{self, ApiOptions};
use weir_server::indexer::{End, IndexError, Indexer, Progress};
use weir_server::prover::Prover;
use weir_server::source::ChainFolder;
use weir_server::store::StoreOptions;

/// Where blocks come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A chain folder.
    Replay(PathBuf),
}

impl FromStr for Source {
    type Err = UnknownSource;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("replay", dir)) if !dir.is_empty() => Ok(Self::Replay(dir.into())),
            _ => Err(UnknownSource),
        }
    }
}

/// The text names no source.
#[derive(Debug, Error)]
#[error("a source is replay:DIR, where DIR is a chain folder")]
pub(crate) struct UnknownSource;

/// How to serve.
#[derive(Debug)]
pub(crate) struct ServeOptions {
    pub(crate) data: PathBuf,
    pub(crate) source: Source,
    pub(crate) listen: SocketAddr,
    pub(crate) cache_mib: u64,
    pub(crate) pass_on: Option<Uri>,
}

/// Indexes and serves until interrupted.
pub(crate) fn run(options: &ServeOptions) -> anyhow::Result<ExitCode> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("WEIR_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,sled=warn")),
        )
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(options))
}

async fn serve(options: &ServeOptions) -> anyhow::Result<ExitCode> {
    let ServeOptions { data, source, listen, cache_mib, pass_on } = options;
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("cannot listen on {listen}; is the port in use? pick another with --listen")
    })?;
    let address = listener.local_addr()?;
    let Source::Replay(dir) = source;
    let folder = ChainFolder::open(dir)?;
    let options = StoreOptions { cache_bytes: cache_mib << 20, ..StoreOptions::default() };
    let stop = Arc::new(AtomicBool::new(false));
    let indexer = Indexer::open(data, options, &folder, stop.clone())?;
    let prover = Prover::new(indexer.reader());
    let indexing = Arc::new(AtomicBool::new(true));
    let interrupted = interrupted();
    println!("weir-server: serving http://{address}");
    let worker = index_in_background(indexer, indexing.clone())?;
    let options = ApiOptions { indexing, pass_on: pass_on.clone().map(access_node) };
    api::serve(listener, prover, options, interrupted).await?;
    stop.store(true, Ordering::Relaxed);
    tokio::task::spawn_blocking(move || worker.join()).await?.map_err(|_| {
        anyhow::anyhow!(
            "the indexer stopped unexpectedly; run `weir-server fsck` on the data folder"
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Connects when it is first needed, so that an access node that is down stops nothing else.
fn access_node(url: Uri) -> Channel {
    Channel::builder(url).connect_timeout(CONNECT_TIMEOUT).connect_lazy()
}

/// Indexes on a thread of its own; serving goes on with what there is when it fails.
fn index_in_background(
    mut indexer: Indexer,
    indexing: Arc<AtomicBool>,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("indexer".into()).spawn(move || {
        let bar = progress_bar();
        let outcome = indexer.run(|progress| show(&bar, progress));
        indexing.store(false, Ordering::Relaxed);
        bar.finish_and_clear();
        report(&indexer, outcome);
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

fn show(bar: &ProgressBar, progress: Progress) {
    let (read, total) = progress.source_bytes;
    bar.set_length(total);
    bar.set_position(read);
    bar.set_message(format!(
        "{} blocks, finalized height {}",
        progress.blocks, progress.finalized_height
    ));
}

/// Resolves on Ctrl-C or a termination signal; both are heard from this call on.
fn interrupted() -> impl Future<Output = ()> {
    #[cfg(unix)]
    let signals = {
        use tokio::signal::unix::{SignalKind, signal};
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    };
    async move {
        #[cfg(unix)]
        if let (Ok(mut terminate), Ok(mut interrupt)) = signals {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            return;
        }
        // Without a signal handler the server runs until it is killed, which loses nothing.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
