//! Prometheus metrics: all names in one place.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use metrics::{describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::sync::watch;
use weir_protocol::model::Versions;
use weir_server::indexer::Condition;
use weir_server::prover::{ProtocolVersion, Prover};
use weir_server::source::access::SyncState;
use weir_server::store::Head;

/// Serves metrics on an address; within a runtime.
pub(crate) fn install(address: SocketAddr) -> anyhow::Result<()> {
    PrometheusBuilder::new()
        .with_http_listener(address)
        .install()
        .with_context(|| format!("cannot serve metrics on {address}; is the port in use?"))?;
    describe_gauge!("store_blocks", "blocks indexed");
    describe_gauge!(
        "store_condition",
        "1 for what keeps new blocks out: catching_up, disk_full or disk_failing"
    );
    describe_gauge!("store_finalized_height", "latest finalized height");
    describe_gauge!("store_sealed_height", "latest sealed height");
    describe_gauge!("store_epoch_counter", "epoch of the latest finalized block");
    describe_gauge!("protocol_version", "protocol version of the latest finalized block");
    describe_gauge!("protocol_upgrade_version", "version of the pending upgrade, 0 without one");
    describe_gauge!("protocol_upgrade_view", "view from which on the pending upgrade is in force");
    describe_gauge!("protocol_upgrade_time_seconds", "about when that view comes, Unix seconds");
    describe_gauge!(
        "protocol_upgrade_needs_update",
        "1 when the pending upgrade is to a version that this server does not know"
    );
    describe_gauge!("ingest_state", "1 for the state that following the network is in");
    describe_gauge!("ingest_lag_milliseconds", "age of the newest block when it came in");
    describe_gauge!(
        "ingest_halted",
        "1 with block, height, rule and version, once halted before it"
    );
    describe_gauge!("ingest_upstream_set_aside", "1 for an access node that is not asked, by url");
    describe_counter!("ingest_upstream_failures_total", "failures of an access node, by url");
    describe_counter!("ingest_wrong_answers_total", "wrong answers of an access node, by url");
    describe_counter!("ingest_cross_checks_total", "final blocks compared with another node's");
    describe_counter!("connections_refused_total", "connections of an address that has too many");
    describe_counter!(
        "connections_ended_total",
        "connections ended, by why: silent, quiet, untaken, gave_place"
    );
    describe_counter!("requests_refused_total", "requests refused because too much waits");
    describe_counter!("proxy_cache_hits_total", "answers of a proxy that it had verified before");
    describe_counter!("proxy_cache_misses_total", "answers of a proxy that it had to ask for");
    describe_counter!("proxy_upstream_failures_total", "silences of a server, by url");
    describe_counter!(
        "proxy_beyond_upgrade_total",
        "answers passed on whose protocol version a proxy does not know"
    );
    describe_counter!("proxy_wrong_answers_total", "answers that do not verify, by url");
    Ok(())
}

/// Keeps the gauges of the store.
pub(crate) async fn report_head(mut head: watch::Receiver<Arc<Head>>) {
    loop {
        let now = head.borrow_and_update().clone();
        set("store_blocks", now.blocks);
        set("store_finalized_height", now.finalized.height);
        set("store_sealed_height", now.sealed.height);
        set("store_epoch_counter", now.epoch_counter);
        if head.changed().await.is_err() {
            return;
        }
    }
}

/// Keeps the gauges of the protocol version, and warns of an upgrade to one that is not known here.
pub(crate) async fn report_upgrade(prover: Prover, known: Option<Versions>) {
    let mut head = prover.reader().watch_head();
    let mut warned = None;
    loop {
        head.mark_unchanged();
        let latest = prover.latest();
        let read = tokio::task::spawn_blocking(move || latest.protocol_version(known)).await;
        if let Ok(Ok(now)) = read {
            set_version(&now);
            let pending = now.pending.map(|upgrade| (upgrade.version, upgrade.activation_view));
            if let Some(warning) = now.warning().filter(|_| pending != warned) {
                tracing::warn!("{warning}");
                warned = pending;
            }
        }
        if head.changed().await.is_err() {
            return;
        }
    }
}

fn set_version(now: &ProtocolVersion) {
    let (version, view, ms) = now.pending.map_or((0, 0, 0), |upgrade| {
        (upgrade.version, upgrade.activation_view, upgrade.about_ms.unwrap_or_default())
    });
    set("protocol_version", now.version);
    set("protocol_upgrade_version", version);
    set("protocol_upgrade_view", view);
    set("protocol_upgrade_time_seconds", ms / 1000);
    set("protocol_upgrade_needs_update", u64::from(now.needs_update));
}

/// Logs where following the network stands whenever it changes in kind, and keeps its gauges.
pub(crate) async fn report_sync(mut sync: watch::Receiver<SyncState>) {
    let mut last = "";
    loop {
        let now = sync.borrow_and_update().clone();
        for name in STATES {
            gauge!("ingest_state", "state" => name).set(if name == now.name() { 1.0 } else { 0.0 });
        }
        if let SyncState::Live { lag, .. } = &now {
            gauge!("ingest_lag_milliseconds").set(lag.as_secs_f64() * 1000.0);
        }
        if now.name() != last {
            match &now {
                SyncState::Stalled { .. } | SyncState::Halted { .. } => tracing::warn!("{now}"),
                _ => tracing::info!("{now}"),
            }
            last = now.name();
        }
        if sync.changed().await.is_err() {
            return;
        }
    }
}

/// Keeps the gauge of how the store is.
pub(crate) async fn report_condition(mut condition: watch::Receiver<Condition>) {
    loop {
        let now = condition.borrow_and_update().name();
        for name in CONDITIONS {
            gauge!("store_condition", "state" => name).set(if name == now { 1.0 } else { 0.0 });
        }
        if condition.changed().await.is_err() {
            return;
        }
    }
}

/// Heights and counts stay far below 2^53.
fn set(name: &'static str, value: u64) {
    gauge!(name).set(f64::from(u32::try_from(value).unwrap_or(u32::MAX)));
}

const CONDITIONS: [&str; 3] = ["catching_up", "disk_full", "disk_failing"];
const STATES: [&str; 5] = ["connecting", "syncing", "live", "stalled", "halted"];
