//! Which upstream is asked next, and what becomes of one that failed or was wrong.
//!
//! The order, the rests and the memory of who is set aside are those of [`weir_peers`]. Here it is
//! said what counts as an answer, as a failure and as wrong, and log, disk and metrics are told.

use std::future::pending;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::time::sleep_until;
use weir_dial::AccessNode;
use weir_peers::{NoPeer, Peers, Rests, Standing, Turn};
use weir_proto::flow::entities;

use super::fetcher::{Fault, Fetcher, Rejection};
use super::remembered::Remembered;
use super::{AccessOptions, SyncState, UpstreamError, WrongAnswer, evidence};

/// The upstreams by preference, with what is remembered of them.
pub(super) fn peers(options: &AccessOptions, remembered: &Remembered) -> Result<Peers, NoPeer> {
    // The random keys of std's hash maps are random enough: the number is no secret.
    let spread = RandomState::new().hash_one(0);
    let rests = Rests { first: REST_MIN, longest: REST_MAX, spread };
    let mut peers = Peers::new(options.nodes.iter().map(AccessNode::url), rests)?;
    for index in 0..peers.count() {
        let url = peers.name(index);
        if let Some(reason) = remembered.set_aside(url) {
            let file = remembered.file_of(url);
            tracing::warn!(
                upstream = url, reason, file = %file.display(),
                "set aside before: not asked; delete the file and start again to ask it"
            );
            set_aside_gauge(url);
            peers.set_aside(index, reason);
        }
    }
    Ok(peers)
}

impl Fetcher {
    /// Reads whose blocks were being taken in when the process ended the last time: others go first.
    pub(super) fn begin(&mut self) {
        let final_height = self.finalized.borrow().map(|(height, _)| height);
        if let Err(error) = self.remembered.begin(final_height) {
            tracing::error!(%error, "it cannot be marked whose blocks are taken in");
        }
        for index in 0..self.peers.count() {
            let ends = self.remembered.unfinished_ends(self.peers.name(index));
            self.peers.suspect(index, ends);
        }
    }

    /// Leaves those alone, for longer and longer, whose blocks were being taken in when the process
    /// ended again and again: what there is can be served meanwhile, where a loop of crashes serves
    /// nothing.
    pub(super) fn rest_suspects(&mut self) {
        let now = self.began.elapsed();
        for index in 0..self.peers.count() {
            let ends = self.remembered.unfinished_ends(self.peers.name(index));
            let Some(ends_before) = ends.checked_sub(SUSPECT_ENDS) else { continue };
            let rest = SUSPECT_RESTS.after(ends_before);
            let reason = format!(
                "the process ended {ends} times while it took in blocks of this node, and none \
                 became final since: left alone for {} s",
                rest.as_secs()
            );
            self.peers.rest(index, reason, now.saturating_add(rest));
            self.publish(index);
        }
    }

    /// Marks on disk whose blocks are taken in from here on.
    pub(super) fn mark(&self, index: usize) {
        let final_height = self.finalized.borrow().map(|(height, _)| height);
        if let Err(error) = self.remembered.taking_in(self.peers.name(index), final_height) {
            tracing::error!(%error, "it cannot be marked whose blocks are taken in");
        }
    }

    /// The next upstream to ask, when its rest is over; none when the indexer is gone.
    pub(super) async fn choose(&mut self) -> Option<usize> {
        loop {
            let now = self.began.elapsed();
            let next = self.peers.next_in_turns(&mut self.turn, now);
            if let Some(ready) = next.filter(|next| next.ready_at <= now) {
                return Some(ready.peer);
            }
            self.stall();
            let ready_at = next.map(|next| self.began + next.ready_at);
            let rested = async {
                match ready_at {
                    Some(ready_at) => sleep_until(ready_at).await,
                    // All are set aside.
                    None => pending().await,
                }
            };
            tokio::select! {
                () = rested => {}
                command = self.commands.recv() => self.obey(command?),
            }
        }
    }

    /// Says why nothing comes in.
    fn stall(&self) {
        let troubles = self.peers.iter().map(|(url, standing)| match standing {
            Standing::Untried | Standing::Good => format!("{url}: no answer yet"),
            Standing::Resting { reason, .. } => format!("{url}: {reason}"),
            Standing::SetAside { reason } => {
                format!("{url}: wrong answer, not asked again: {reason}")
            }
        });
        let mut reason = troubles.collect::<Vec<_>>().join("; ");
        if (0..self.peers.count()).all(|index| self.peers.is_set_aside(index)) {
            let dir = self.options.standing_dir.display();
            reason.push_str(&format!(
                "; every access node is set aside: name another one in --source, start a newer \
                 version of Weir, or delete a node's file in {dir} and start again to ask it once more"
            ));
        }
        self.announce(SyncState::Stalled { reason });
    }

    pub(super) fn on_error(&mut self, index: usize, error: UpstreamError) {
        match error {
            UpstreamError::Wrong { answer, block } => {
                self.on_wrong(index, &answer, block.as_deref());
            }
            error => self.rest(index, error.to_string()),
        }
    }

    pub(super) fn obey(&mut self, rejection: Rejection) {
        let Rejection { upstream, fault, reason, block, generation } = rejection;
        match fault {
            Fault::Broken => self.distrust(upstream, &reason, block.as_deref()),
            Fault::Unproved => self.rest(upstream, reason),
        }
        self.generation = generation;
    }

    /// Leaves an upstream alone for a while, and then connects anew.
    fn rest(&mut self, index: usize, reason: String) {
        if self.peers.is_set_aside(index) {
            return;
        }
        let url = self.peers.name(index).to_owned();
        tracing::warn!(upstream = url, reason, "upstream left alone for a while");
        metrics::counter!("ingest_upstream_failures_total", "upstream" => url).increment(1);
        self.upstreams[index].reconnect();
        self.peers.silent(index, reason, self.began.elapsed());
        self.turn.count(index);
        self.publish(index);
    }

    /// Does not ask an upstream again that gave a wrong answer.
    pub(super) fn on_wrong(
        &mut self,
        index: usize,
        answer: &WrongAnswer,
        block: Option<&entities::Block>,
    ) {
        let reason = answer.to_string();
        match answer {
            // The operator may have named the wrong spork. A node is asked for its network before
            // anything else, so that one which is of another shows it again at every start.
            WrongAnswer::Network { .. } => self.leave_out(index, &reason, block),
            _ => self.distrust(index, &reason, block),
        }
    }

    /// Does not ask this upstream again, also after a restart: why is on the disk before anything else
    /// is done.
    pub(super) fn distrust(&mut self, index: usize, reason: &str, block: Option<&entities::Block>) {
        if self.peers.is_set_aside(index) {
            return;
        }
        let url = self.peers.name(index);
        match self.remembered.keep(url, reason) {
            Ok(file) => tracing::info!(
                upstream = url, file = %file.display(),
                "set aside until the file is deleted and the server started again"
            ),
            Err(error) => {
                tracing::error!(%error, "a verdict cannot be kept: it holds until the next start");
            }
        }
        self.leave_out(index, reason, block);
    }

    /// Does not ask this upstream again before the next start, and keeps what it answered.
    fn leave_out(&mut self, index: usize, reason: &str, block: Option<&entities::Block>) {
        let url = self.peers.name(index).to_owned();
        let kept = evidence::keep(&self.options.evidence_dir, &url, reason, block);
        let kept = kept.unwrap_or_else(|error| {
            tracing::error!(%error, "a wrong answer cannot be kept");
            None
        });
        tracing::error!(upstream = url, reason, ?kept, "wrong answer: not asked again");
        set_aside_gauge(&url);
        metrics::counter!("ingest_wrong_answers_total", "upstream" => url).increment(1);
        self.peers.set_aside(index, reason);
        self.publish(index);
    }

    /// The upstream answered well.
    pub(super) fn praise(&mut self, index: usize) {
        self.peers.answered(index);
        self.turn = Turn::default();
        self.publish(index);
    }

    fn publish(&self, index: usize) {
        let standing = self.peers.standing(index);
        self.standing.send_if_modified(|published| {
            let changed = published[index] != *standing;
            published[index].clone_from(standing);
            changed
        });
    }
}

fn set_aside_gauge(url: &str) {
    metrics::gauge!("ingest_upstream_set_aside", "upstream" => url.to_owned()).set(1.0);
}

const REST_MIN: Duration = Duration::from_millis(200);
const REST_MAX: Duration = Duration::from_secs(30);
/// Ends of the process after which a node is left alone: a single one has many causes.
const SUSPECT_ENDS: u32 = 2;
const SUSPECT_RESTS: Rests =
    Rests { first: Duration::from_secs(1), longest: Duration::from_secs(300), spread: 0 };
