//! `weir-server proxy`.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use tokio::sync::watch;
use weir_dial::{Address, Asking};
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::Identifier;
use weir_proxy::{ACCESS_METHODS, ACCESS_REFUSAL, CheckSnapshot, Proxy, ProxyOptions};
use weir_server::api::{self, Rest, Services};
use weir_server::ingest::check_snapshot;

use super::interrupt::interrupted;
use super::metrics;
use super::port::{Serving, scheme};
use crate::commands::output::output;

/// How to stand in for servers.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Servers to ask, by preference, such as https://HOST:PORT/PREFIX; none is trusted
    #[arg(long, value_name = "URL,...", required = true, value_delimiter = ',')]
    upstream: Vec<Address>,
    /// ID of a finalized block that you trust: 64 hexadecimal digits
    #[arg(long, value_name = "BLOCK_ID")]
    checkpoint: Identifier,
    /// ID of the spork, which you know; without it, that of a snapshot of the Access API is proved
    /// where an upstream has the spork's first block, and else taken on the upstream's word
    #[arg(long, value_name = "SPORK_ID")]
    spork: Option<Identifier>,
    /// Address to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9401")]
    listen: SocketAddr,
    /// Address for Prometheus metrics, none if left out
    #[arg(long, value_name = "ADDR")]
    metrics: Option<SocketAddr>,
    /// Memory for verified answers, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    cache_mib: u64,
    #[command(flatten)]
    serving: Serving,
    #[command(flatten)]
    asking: Asking,
}

/// Proves the checkpoint, and stands in for the servers until interrupted.
pub(crate) fn run(options: Options) -> anyhow::Result<ExitCode> {
    super::log();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(options))
}

async fn serve(options: Options) -> anyhow::Result<ExitCode> {
    let port = options.serving.port(options.listen).await?;
    if let Some(address) = options.metrics {
        metrics::install(address)?;
    }
    let dialer = options.asking.dialer()?;
    let interrupted = interrupted();
    let check: CheckSnapshot =
        Arc::new(|snapshot: &Snapshot| check_snapshot(snapshot).map_err(|fault| fault.to_string()));
    let setup = ProxyOptions::new(options.upstream, options.checkpoint, check);
    let cache_bytes = options.cache_mib.saturating_mul(1 << 20);
    let setup = ProxyOptions { dialer, spork_id: options.spork, cache_bytes, ..setup };
    let (snapshots, access) = Proxy::start(setup).await?;
    let (scheme, address) = (scheme(&port), port.listener.local_addr()?);
    output!("weir-server: proxy serving {scheme}://{address}");
    let rest = Rest { answered: &ACCESS_METHODS, upstream: None, refusal: ACCESS_REFUSAL };
    let (ending, _) = watch::channel(false);
    let services = Services { snapshots, access, rest, ending };
    api::serve_services(port, services, interrupted).await?;
    Ok(ExitCode::SUCCESS)
}
