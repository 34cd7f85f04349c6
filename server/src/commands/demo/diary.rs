//! What the client sees: it verifies every block, and writes down what changed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::sync::watch;
use tokio::time::timeout;
use weir_client::sync::{LightClient, Outcome};
use weir_protocol::model::{EpochPhase, Identifier, Role};
use weir_protocol::protocol_state::ParticipationStatus;
use weir_protocol::request::{Depth, IdentityFilter, Question, Selector, Topic};
use weir_server::store::Head;
use weir_verifier::{AnswerValue, IdentityAnswer, SnapshotAnswer};

use super::milliseconds;
use crate::commands::output::output;

/// Asks about every block as soon as it is sealed.
pub(super) struct Diary {
    client: LightClient,
    head: watch::Receiver<Arc<Head>>,
    answers: u64,
    asking: Duration,
}

impl Diary {
    pub(super) fn new(client: LightClient, head: watch::Receiver<Arc<Head>>) -> Self {
        Self { client, head, answers: 0, asking: Duration::ZERO }
    }

    /// Goes on until an epoch is entered; returns the last answer.
    pub(super) async fn write(mut self, last_epoch: u64) -> anyhow::Result<Outcome> {
        let mut height = self.head.borrow().first_height + 1;
        let watched = self.watched_node(height).await?;
        output!(
            "\nIt asks for the protocol state of every block as soon as it is sealed, and for the\n  \
             status of one node. What changes on the way:\n\n  height  view  evidence  verified in\n"
        );
        let mut seen: Option<(SnapshotAnswer, ParticipationStatus)> = None;
        loop {
            let entry = self.ask(height, Topic::Snapshot).await?;
            let AnswerValue::Snapshot(state) = entry.outcome.answer.value.clone() else {
                bail!("the verifier answered another question");
            };
            let hops = entry.hops;
            let changes = changes(seen.as_ref().map(|(state, _)| state), &state, hops);
            entry.print(changes);
            let status = self.status(height, watched, seen.as_ref().map(|seen| seen.1)).await?;
            if state.epoch_counter == last_epoch {
                self.sum_up();
                return Ok(entry.outcome);
            }
            seen = Some((state, status));
            height += 1;
        }
    }

    /// The verification node whose status is watched.
    async fn watched_node(&mut self, height: u64) -> anyhow::Result<Identifier> {
        let filter = IdentityFilter { roles: [Role::Verification].into(), ..Default::default() };
        let entry = self.ask(height, Topic::Identities(filter)).await?;
        let AnswerValue::Identities(nodes) = &entry.outcome.answer.value else {
            bail!("the verifier answered another question");
        };
        output!(
            "\nWho verifies, as of height {height}? {} nodes, and none can be left out:",
            nodes.len()
        );
        for IdentityAnswer { skeleton, status } in nodes {
            output!("  {}  {status}, weight {}", skeleton.node_id, skeleton.initial_weight);
        }
        Ok(nodes.first().context("a network has verification nodes")?.skeleton.node_id)
    }

    /// The status of a node; written down when it changed.
    async fn status(
        &mut self,
        height: u64,
        node: Identifier,
        before: Option<ParticipationStatus>,
    ) -> anyhow::Result<ParticipationStatus> {
        let entry = self.ask(height, Topic::Identity(node)).await?;
        let AnswerValue::Identity(identity) = &entry.outcome.answer.value else {
            bail!("the verifier answered another question");
        };
        let Some(identity) = identity else {
            // An ejected node is in no later epoch.
            let gone = before.filter(|_| height > 0).context("the watched node is not known")?;
            return Ok(gone);
        };
        let status = identity.status;
        if before.is_some_and(|before| before != status) {
            let node = node.to_string();
            entry.print(vec![format!("  node {}... is {status}", &node[..16])]);
        }
        Ok(status)
    }

    async fn ask(&mut self, height: u64, topic: Topic) -> anyhow::Result<Entry> {
        let sealed = self.head.wait_for(|head| head.sealed.height >= height);
        timeout(PATIENCE, sealed).await.context("the network stands still")??;
        let (hops, bytes) = (self.client.hops(), self.client.bytes_received());
        let question = Question { block: Selector::Height(height), topic };
        let started = Instant::now();
        let outcome = self.client.ask(&question, Depth::Seal).await?;
        let elapsed = started.elapsed();
        self.answers += 1;
        self.asking += elapsed;
        let (hops, bytes) = (outcome.hops - hops, outcome.bytes_received - bytes);
        Ok(Entry { outcome, hops, bytes, elapsed })
    }

    fn sum_up(&self) {
        let mean = self.asking / u32::try_from(self.answers).unwrap_or(u32::MAX).max(1);
        output!(
            "\n{} answers, {} epochs walked, {} KiB of evidence; {} an answer, fetched and verified.",
            self.answers,
            self.client.hops(),
            self.client.bytes_received() / 1024,
            milliseconds(mean)
        );
    }
}

/// A verified answer, and what it took.
struct Entry {
    outcome: Outcome,
    hops: u64,
    bytes: u64,
    elapsed: Duration,
}

impl Entry {
    fn print(&self, changes: Vec<String>) {
        let Self { outcome, bytes, elapsed, .. } = self;
        let answer = &outcome.answer;
        for change in changes {
            output!(
                "  {:>6}  {:>4}  {bytes:>6} B  {:>8}  {}: {change}",
                answer.height,
                answer.view,
                milliseconds(*elapsed),
                answer.trust
            );
        }
    }
}

/// What is new in a protocol state.
fn changes(before: Option<&SnapshotAnswer>, state: &SnapshotAnswer, hops: u64) -> Vec<String> {
    let mut changes = Vec::new();
    let epoch = state.epoch_counter;
    let is_new = |what: fn(&SnapshotAnswer) -> u64| before.map(what) != Some(what(state));
    if is_new(|state| state.epoch_counter) {
        let views = format!("views {} to {}", state.first_view, state.final_view);
        let proved = if hops > 0 { ", its committee proved by the one before" } else { "" };
        changes.push(format!("EPOCH {epoch}, {views}{proved}"));
    } else if before.is_some_and(|before| before.epoch_phase != state.epoch_phase) {
        changes.push(phase(state));
    }
    if before.is_some_and(|before| before.extensions.len() < state.extensions.len()) {
        changes.push(format!("  epoch {epoch} is extended to view {}", state.final_view));
    }
    changes
}

fn phase(state: &SnapshotAnswer) -> String {
    let epoch = state.epoch_counter;
    let meaning = match state.epoch_phase {
        EpochPhase::Setup => format!("epoch {} is set up", epoch + 1),
        EpochPhase::Committed => format!("epoch {} is committed", epoch + 1),
        EpochPhase::Fallback => "FALLBACK, the setup was invalid".to_owned(),
        _ => "staking".to_owned(),
    };
    format!("  {}: {meaning}", state.epoch_phase)
}

/// Longest wait for the next block.
const PATIENCE: Duration = Duration::from_secs(30);
