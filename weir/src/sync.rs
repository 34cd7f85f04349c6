//! `weir sync`: walks to the head, shows how far it is, and says what it took.

use std::fs;
use std::io::IsTerminal as _;
use std::time::Instant;

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use weir_client::sync::{LightClient, Outcome, SyncProgress, Testimony};
use weir_client::transport::Standing;
use weir_verifier::{Trust, TrustedState};

use super::args::Arguments;
use super::session::Session;
use super::{EXIT_INVALID, evidence, stdout, text};

/// Syncs, keeps what is proved, and prints a summary.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let begun = Instant::now();
    let mut session = Session::begin(arguments).await?;
    let bar = bar(arguments);
    let (client, folder) = (&mut session.client, &session.folder);
    let synced = client.sync(|progress, trusted| {
        show(&bar, progress);
        // So that nothing is lost to whatever ends the program; a failure is told at the end.
        let _kept = folder.as_ref().map(|folder| folder.keep(trusted));
    });
    let synced = synced.await;
    bar.finish_and_clear();
    let checked = match synced {
        Ok(outcome) => session.client.cross_check().await.map(|said| (outcome, said)),
        Err(error) => Err(error),
    };
    let (outcome, testimonies) = session.end(checked).await?;
    let conflicts = evidence::tell_testimonies(&session.kept(), &testimonies);
    let code = if conflicts { EXIT_INVALID } else { 0 };
    let trusted = session.client.trusted();
    let elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let servers = servers(&session.client, &testimonies);
    let summary = summary(&session.client, &outcome, elapsed_ms, &servers);
    if arguments.json {
        return stdout(format!("{summary}\n").as_bytes()).map(|()| code);
    }
    let head = trusted.head();
    let trust = trust_of_head(&outcome, trusted);
    let first = text::block(head.block_id, head.height, head.view, trust);
    let servers: String = servers.iter().map(text::server).collect();
    stdout(format!("{first}{}{servers}", text::fields(&summary)).as_bytes()).map(|()| code)
}

/// A bar on a terminal, and nothing elsewhere.
fn bar(arguments: &Arguments) -> ProgressBar {
    if arguments.json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} epoch {msg}")
        .expect("the template is a constant that a bar accepts");
    let bar = ProgressBar::new(1).with_style(style);
    bar.set_message("…");
    bar
}

fn show(bar: &ProgressBar, progress: &SyncProgress) {
    let first = progress.first_epoch_counter;
    // The target is the server's word: it may be anything, also before what is proved.
    let target = progress.target_epoch_counter.max(progress.epoch_counter);
    bar.set_length(target.saturating_sub(first));
    bar.set_position(progress.epoch_counter.saturating_sub(first));
    let received = HumanBytes(progress.bytes_received);
    bar.set_message(format!("{} of {target}, {received} received", progress.epoch_counter));
}

fn summary(client: &LightClient, outcome: &Outcome, elapsed_ms: u64, servers: &[Value]) -> Value {
    let trusted = client.trusted();
    let head = trusted.head();
    json!({
        "hops": client.hops(),
        "bytes_received": client.bytes_received(),
        "epoch_counter": epoch_counter(trusted),
        "head_height": head.height,
        "head_block_id": head.block_id.to_hex(),
        "trust": trust_of_head(outcome, trusted).name(),
        "elapsed_ms": elapsed_ms,
        "peak_memory_bytes": peak_memory_bytes(),
        "servers": servers,
    })
}

/// All servers by preference: the newest final block that each proves, how many blocks that is behind
/// the head, and what it says of the head.
fn servers(client: &LightClient, testimonies: &[Testimony]) -> Vec<Value> {
    let head = client.trusted().head().height;
    let said = |url: &str| testimonies.iter().find(|testimony| testimony.url == url);
    let server = |(url, standing): (&str, Standing)| {
        let (height, verdict) = match (said(url), standing) {
            (Some(witness), _) => (witness.head_height, witness.verdict.name()),
            (None, Standing::SetAside { .. }) => (None, "set aside"),
            (None, _) => (Some(head), "agrees"),
        };
        json!({
            "url": url,
            "head_height": height,
            "lag": height.map(|height| head.saturating_sub(height)),
            "verdict": verdict,
        })
    };
    client.health().map(server).collect()
}

/// A witness may have led on to a newer block than that of the answer; the head is final anyway.
fn trust_of_head(outcome: &Outcome, trusted: &TrustedState) -> Trust {
    let of_head = outcome.answer.block_id == trusted.head().block_id;
    if of_head { outcome.answer.trust } else { Trust::Finalized }
}

/// Epoch of the head; the one after it may be known already.
fn epoch_counter(trusted: &TrustedState) -> u64 {
    let (oldest, newest) = (trusted.oldest_epoch().counter(), trusted.newest_epoch().counter());
    let begun = |counter: &u64| {
        trusted.epoch(*counter).is_some_and(|epoch| epoch.views().0 <= trusted.head().view)
    };
    (oldest..=newest).rev().find(begun).unwrap_or(oldest)
}

/// The most memory this process ever held, where the system tells.
fn peak_memory_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kibibytes.checked_mul(1024)
}
