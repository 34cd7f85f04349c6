//! Which upstream is asked next, and what becomes of one that failed or was wrong.

use tokio::time::{Instant, sleep_until};
use weir_proto::flow::entities;

use super::fetcher::{Fault, Fetcher, Rejection};
use super::upstream::Upstream;
use super::{SyncState, UpstreamError, UpstreamState, WrongAnswer, evidence};

impl Fetcher {
    /// Reads whose blocks were being taken in when the process ended the last time.
    pub(super) fn begin(&self) {
        let final_height = self.finalized.borrow().map(|(height, _)| height);
        if let Err(error) = self.remembered.begin(final_height) {
            tracing::error!(%error, "it cannot be marked whose blocks are taken in");
        }
    }

    /// Marks on disk whose blocks are taken in from here on.
    pub(super) fn mark(&self, index: usize) {
        let final_height = self.finalized.borrow().map(|(height, _)| height);
        if let Err(error) = self.remembered.taking_in(&self.upstreams[index].url, final_height) {
            tracing::error!(%error, "it cannot be marked whose blocks are taken in");
        }
    }

    /// The next upstream to ask, when its rest is over; none when the indexer is gone. One whose
    /// blocks were being taken in when the process ended comes after the others.
    pub(super) async fn choose(&mut self) -> Option<usize> {
        loop {
            let now = Instant::now();
            let times = self.upstreams.iter().enumerate();
            let times = times.filter_map(|(index, one)| Some((one.ready_at(now)?, index)));
            let order = |(at, index): &(Instant, usize)| {
                let ends =
                    if *at <= now { self.upstreams[*index].unfinished_ends } else { u32::MAX };
                (*at > now, ends, *at, *index)
            };
            match times.min_by_key(order) {
                Some((at, index)) if at <= now => return Some(index),
                Some((at, _)) => {
                    self.stall();
                    tokio::select! {
                        () = sleep_until(at) => {}
                        command = self.commands.recv() => self.obey(command?),
                    }
                }
                None => {
                    self.stall();
                    let command = self.commands.recv().await;
                    self.obey(command?);
                }
            }
        }
    }

    /// Says why nothing comes in.
    fn stall(&self) {
        let troubles = self.upstreams.iter().map(|upstream| match &upstream.state {
            UpstreamState::Good => format!("{}: no answer yet", upstream.url),
            UpstreamState::Resting { reason } => format!("{}: {reason}", upstream.url),
            UpstreamState::Wrong { reason } => {
                format!("{}: wrong answer, not asked again: {reason}", upstream.url)
            }
        });
        let mut reason = troubles.collect::<Vec<_>>().join("; ");
        if self.upstreams.iter().all(Upstream::is_set_aside) {
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

    /// Leaves an upstream alone for a while.
    fn rest(&mut self, index: usize, reason: String) {
        let upstream = &mut self.upstreams[index];
        let url = upstream.url.clone();
        tracing::warn!(upstream = url, reason, "upstream left alone for a while");
        metrics::counter!("ingest_upstream_failures_total", "upstream" => url).increment(1);
        upstream.rest(reason);
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
        let upstream = &self.upstreams[index];
        if upstream.is_set_aside() {
            return;
        }
        match self.remembered.keep(&upstream.url, reason) {
            Ok(file) => tracing::info!(
                upstream = upstream.url, file = %file.display(),
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
        let upstream = &mut self.upstreams[index];
        let kept = evidence::keep(&self.options.evidence_dir, &upstream.url, reason, block);
        let kept = kept.unwrap_or_else(|error| {
            tracing::error!(%error, "a wrong answer cannot be kept");
            None
        });
        let url = upstream.url.clone();
        tracing::error!(upstream = url, reason, ?kept, "wrong answer: not asked again");
        set_aside_gauge(&url);
        metrics::counter!("ingest_wrong_answers_total", "upstream" => url).increment(1);
        upstream.state = UpstreamState::Wrong { reason: reason.to_owned() };
        self.publish(index);
    }

    /// The upstream answered well.
    pub(super) fn praise(&mut self, index: usize) {
        self.upstreams[index].praise();
        self.publish(index);
    }

    pub(super) fn publish(&self, index: usize) {
        let state = &self.upstreams[index].state;
        self.standing.send_if_modified(|standing| {
            let changed = standing[index] != *state;
            standing[index].clone_from(state);
            changed
        });
    }
}

pub(super) fn set_aside_gauge(url: &str) {
    metrics::gauge!("ingest_upstream_set_aside", "upstream" => url.to_owned()).set(1.0);
}
