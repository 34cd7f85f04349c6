//! Fetches blocks from one upstream after another, and hands them out in order of height.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver, Sender, UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until};
use weir_proto::flow::entities;
use weir_protocol::model::Identifier;

use super::follow::{PERMITS, Trouble};
use super::upstream::Upstream;
use super::{AccessOptions, Network, SyncState, UpstreamError, UpstreamState, evidence};

/// A block as an upstream sent it.
#[derive(Debug)]
pub struct Fetched {
    /// Blocks of earlier generations are void: fetching went back behind them.
    pub generation: u64,
    /// Who sent it.
    pub upstream: usize,
    /// The block.
    pub block: entities::Block,
    /// Its share of the memory for blocks on their way.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

impl Fetched {
    /// The height that the block claims.
    #[must_use]
    pub fn height(&self) -> u64 {
        let header = self.block.block_header.as_ref();
        header.map_or(self.block.height, |header| header.height)
    }

    /// Gives back its share of the memory.
    pub fn release(&mut self) {
        self.room = None;
    }
}

/// A block that is not taken.
#[derive(Debug)]
pub struct Rejection {
    /// Who sent it.
    pub upstream: usize,
    /// What is wrong with it.
    pub fault: Fault,
    /// Why.
    pub reason: String,
    /// The block.
    pub block: Box<entities::Block>,
    /// Generation of the blocks to come.
    pub generation: u64,
}

/// What is wrong with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It breaks a rule: who sent it is not asked again.
    Broken,
    /// Nothing proves it yet: another upstream is asked, and later this one again.
    Unproved,
}

/// The indexer's end of a fetcher.
#[derive(Debug)]
pub struct Handle {
    /// Blocks, in order of height within a generation.
    pub blocks: Receiver<Fetched>,
    /// Where fetching stands.
    pub state: watch::Sender<SyncState>,
    /// How the upstreams have behaved, in the order of the options.
    pub upstreams: watch::Receiver<Vec<UpstreamState>>,
    rejections: UnboundedSender<Rejection>,
    finalized: watch::Sender<Option<(u64, Identifier)>>,
}

impl Handle {
    /// Tells that a block was rejected.
    pub fn reject(&self, rejection: Rejection) {
        // Without a fetcher no more blocks come, and the indexer notices that.
        let _ = self.rejections.send(rejection);
    }

    /// Tells which block is proved to be final.
    pub fn finalized(&self, height: u64, block_id: Identifier) {
        self.finalized.send_replace(Some((height, block_id)));
    }
}

/// Follows a network through its access nodes.
#[derive(Debug)]
pub struct Fetcher {
    pub(super) options: AccessOptions,
    pub(super) upstreams: Vec<Upstream>,
    pub(super) next_height: u64,
    pub(super) generation: u64,
    pub(super) blocks: Sender<Fetched>,
    pub(super) commands: UnboundedReceiver<Rejection>,
    pub(super) finalized: watch::Receiver<Option<(u64, Identifier)>>,
    pub(super) room: Arc<Semaphore>,
    state: watch::Sender<SyncState>,
    standing: watch::Sender<Vec<UpstreamState>>,
}

impl Fetcher {
    /// A fetcher over the access nodes, and the indexer's end of it.
    #[must_use]
    pub fn new(options: AccessOptions) -> (Self, Handle) {
        let (block_sender, blocks) = mpsc::channel(BLOCKS_AHEAD);
        let (rejections, commands) = mpsc::unbounded_channel();
        let (finalized_sender, finalized) = watch::channel(None);
        let (state, _) = watch::channel(SyncState::Connecting);
        let upstreams: Vec<_> =
            options.urls.iter().map(|url| Upstream::new(url, options.request_timeout)).collect();
        let (standing, standing_receiver) =
            watch::channel(vec![UpstreamState::Good; upstreams.len()]);
        let handle = Handle {
            blocks,
            state: state.clone(),
            upstreams: standing_receiver,
            rejections,
            finalized: finalized_sender,
        };
        let fetcher = Self {
            options,
            upstreams,
            next_height: 0,
            generation: 0,
            blocks: block_sender,
            commands,
            finalized,
            room: Arc::new(Semaphore::new(PERMITS)),
            state,
            standing,
        };
        (fetcher, handle)
    }

    /// The spork that the operator names.
    #[must_use]
    pub fn pinned_spork(&self) -> Option<Identifier> {
        self.options.spork_id
    }

    /// Fetches what follows the proved final block, until the indexer is gone.
    pub async fn run(mut self, network: Network) {
        while let Some(index) = self.choose().await {
            match self.follow(index, &network).await {
                Trouble::Closed => return,
                Trouble::Command(command) => self.obey(command),
                Trouble::Upstream(error) => self.on_error(index, error),
            }
        }
    }

    /// The next upstream to ask, when its rest is over; none when the indexer is gone.
    async fn choose(&mut self) -> Option<usize> {
        loop {
            let ready = self.upstreams.iter().enumerate();
            let ready = ready.filter_map(|(index, one)| Some((one.ready_at()?, index))).min();
            let now = Instant::now();
            match ready {
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
        let reason = troubles.collect::<Vec<_>>().join("; ");
        self.announce(SyncState::Stalled { reason });
    }

    pub(super) fn announce(&self, state: SyncState) {
        let halted = matches!(*self.state.borrow(), SyncState::Halted { .. });
        if !halted {
            self.state.send_replace(state);
        }
    }

    fn on_error(&mut self, index: usize, error: UpstreamError) {
        match error {
            UpstreamError::Wrong { answer, block } => {
                self.distrust(index, &answer.to_string(), block.as_deref());
            }
            error => self.rest(index, error.to_string()),
        }
    }

    fn obey(&mut self, rejection: Rejection) {
        let Rejection { upstream, fault, reason, block, generation } = rejection;
        match fault {
            Fault::Broken => self.distrust(upstream, &reason, Some(&*block)),
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

    /// Never asks this upstream again, and keeps what it answered.
    pub(super) fn distrust(&mut self, index: usize, reason: &str, block: Option<&entities::Block>) {
        let upstream = &mut self.upstreams[index];
        let kept = evidence::keep(&self.options.evidence_dir, &upstream.url, reason, block);
        let kept = kept.unwrap_or_else(|error| {
            tracing::error!(%error, "a wrong answer cannot be kept");
            None
        });
        let url = upstream.url.clone();
        tracing::error!(upstream = url, reason, ?kept, "wrong answer: not asked again");
        metrics::counter!("ingest_wrong_answers_total", "upstream" => url).increment(1);
        upstream.state = UpstreamState::Wrong { reason: reason.to_owned() };
        self.publish(index);
    }

    /// The upstream answered well.
    pub(super) fn praise(&mut self, index: usize) {
        self.upstreams[index].praise();
        self.publish(index);
    }

    fn publish(&self, index: usize) {
        let state = &self.upstreams[index].state;
        self.standing.send_if_modified(|standing| {
            let changed = standing[index] != *state;
            standing[index].clone_from(state);
            changed
        });
    }
}

/// The time left at the pace so far.
pub(super) fn remaining(started: Instant, done: u64, left: u64) -> Option<Duration> {
    let elapsed = started.elapsed();
    (done > 0).then(|| {
        let per_block = elapsed.as_secs_f64() / f64::from(u32::try_from(done).unwrap_or(u32::MAX));
        Duration::from_secs_f64(per_block * f64::from(u32::try_from(left).unwrap_or(u32::MAX)))
    })
}

/// Blocks fetched that the indexer has not taken yet.
const BLOCKS_AHEAD: usize = 256;
