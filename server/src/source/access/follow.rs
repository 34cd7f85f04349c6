//! Following one upstream: backfill up to its tip, then the subscription or polling.

use std::convert::Infallible as Never;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::{StreamExt as _, stream};
use prost::Message as _;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use weir_proto::flow::{access, entities};

use super::fetcher::{Fetched, Fetcher, Rejection, remaining};
use super::upstream::{Upstream, height_of};
use super::{Network, SyncState, UpstreamError, WrongAnswer};

/// Why an upstream is no longer followed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The indexer is gone.
    Closed,
    /// The indexer rejected a block.
    Command(Rejection),
    /// The upstream failed.
    Upstream(UpstreamError),
}

impl<E: Into<UpstreamError>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Upstream(error.into())
    }
}

impl Fetcher {
    /// Fetches from one upstream until something goes wrong.
    pub(super) async fn follow(&mut self, index: usize, network: &Network) -> Trouble {
        match self.try_follow(index, network).await {
            Ok(never) => match never {},
            Err(trouble) => trouble,
        }
    }

    async fn try_follow(&mut self, index: usize, network: &Network) -> Result<Never, Trouble> {
        let upstream = self.upstreams[index].clone();
        self.mark(index);
        upstream.check_network(network).await?;
        // What others sent after the final block is not built upon: so a block without a parent is
        // always the fault of who sent it.
        self.next_height = self.finalized.borrow().map_or(0, |(height, _)| height + 1);
        let mut follows = Follows::Subscription;
        let (mut newest_at, mut missed) = (Instant::now(), None);
        loop {
            let tip = self.tip(&upstream).await?;
            if tip >= self.next_height {
                newest_at = Instant::now();
            }
            self.backfill(index, &upstream, tip).await?;
            self.praise(index);
            self.cross_check(index).await;
            match follows {
                Follows::Subscription => follows = self.live(index, &upstream).await?,
                Follows::Polling => tokio::time::sleep(self.options.poll_interval).await,
            }
            self.check_commands()?;
            if newest_at.elapsed() > self.options.quiet_max {
                self.doubt(index, &upstream, &mut missed).await?;
                newest_at = Instant::now();
            }
        }
    }

    /// The latest finalized height, which is not below what was fetched before.
    pub(super) async fn tip(&self, upstream: &Upstream) -> Result<u64, UpstreamError> {
        let tip = upstream.tip().await?;
        if tip.saturating_add(1) < self.next_height {
            return Err(UpstreamError::Behind { tip, expected: self.next_height - 1 });
        }
        Ok(tip)
    }

    /// Fetches all blocks up to the tip.
    async fn backfill(
        &mut self,
        index: usize,
        upstream: &Upstream,
        tip: u64,
    ) -> Result<(), Trouble> {
        let pace = Pace { started: Instant::now(), first: self.next_height, tip };
        loop {
            match self.backfill_at_once(index, upstream, &pace).await {
                // One large block is fetched alone, so that many cannot fill the memory; and with
                // no others under way, whose unread bytes would leave no room on the connection.
                Err(Trouble::Upstream(UpstreamError::TooLarge)) => {
                    let block = upstream.large_block(self.next_height).await?;
                    self.backfilled(index, block, &pace).await?;
                }
                result => return result,
            }
        }
    }

    /// Fetches blocks up to the tip, several at once.
    async fn backfill_at_once(
        &mut self,
        index: usize,
        upstream: &Upstream,
        pace: &Pace,
    ) -> Result<(), Trouble> {
        let mut window = stream::iter(self.next_height..=pace.tip)
            .map(|height| upstream.block(height))
            .buffered(BLOCKS_AT_ONCE);
        while let Some(block) = window.next().await {
            self.backfilled(index, block?, pace).await?;
        }
        Ok(())
    }

    async fn backfilled(
        &mut self,
        index: usize,
        block: entities::Block,
        pace: &Pace,
    ) -> Result<(), Trouble> {
        let height = self.next_height;
        let left = pace.tip - height;
        self.announce(if left > 0 {
            SyncState::Syncing {
                upstream: self.peers.name(index).to_owned(),
                height,
                target: pace.tip,
                remaining: remaining(pace.started, height - pace.first, left),
            }
        } else {
            self.live_state(index, &block)
        });
        self.hand_out(index, block).await
    }

    /// Follows the subscription; returns when there is none to follow.
    async fn live(&mut self, index: usize, upstream: &Upstream) -> Result<Follows, Trouble> {
        // The start must exist, so it is the block before the next one.
        let mut blocks = match upstream.subscribe(self.next_height.saturating_sub(1)).await {
            Ok(blocks) => blocks,
            Err(UpstreamError::Unimplemented(_)) => return Ok(Follows::Polling),
            Err(error) => return Err(error.into()),
        };
        let mut cross_check = interval(self.options.cross_check_interval);
        cross_check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before_next = true;
        let mut doubt_at = Instant::now() + self.options.quiet_max;
        let mut missed = None;
        loop {
            tokio::select! {
                // A message that is there is no reason to doubt; handing it out heeds commands.
                biased;
                message = blocks.message() => {
                    let block = self.next_in_sequence(message, before_next)?;
                    before_next = false;
                    if let Some(block) = block {
                        self.announce(self.live_state(index, &block));
                        self.hand_out(index, block).await?;
                    }
                    doubt_at = Instant::now() + self.options.quiet_max;
                }
                () = sleep_until(doubt_at) => {
                    self.doubt(index, upstream, &mut missed).await?;
                    doubt_at = Instant::now() + self.options.quiet_max;
                }
                command = self.commands.recv() => {
                    return Err(command.map_or(Trouble::Closed, Trouble::Command));
                }
                _ = cross_check.tick() => self.cross_check(index).await,
            }
        }
    }

    /// The block of the next height; none for the one before it, which the subscription begins with.
    fn next_in_sequence(
        &self,
        message: Result<Option<access::SubscribeBlocksResponse>, tonic::Status>,
        before_next: bool,
    ) -> Result<Option<entities::Block>, Trouble> {
        let message =
            message.map_err(|status| UpstreamError::from_status(&status).of_large_block())?;
        let ended = || UpstreamError::Transport("the subscription ended".to_owned());
        let block = message.ok_or_else(ended)?.block.unwrap_or_default();
        let expected = self.next_height;
        let answer = match height_of(&block) {
            Some(found) if found == expected => return Ok(Some(block)),
            Some(found) if before_next && found.saturating_add(1) == expected => return Ok(None),
            Some(found) => WrongAnswer::Sequence { expected, found },
            None => WrongAnswer::LightBlock { height: expected },
        };
        Err(UpstreamError::wrong_block(answer, block).into())
    }

    fn live_state(&self, index: usize, block: &entities::Block) -> SyncState {
        SyncState::Live {
            upstream: self.peers.name(index).to_owned(),
            height: block.height,
            lag: age(block),
        }
    }

    async fn hand_out(&mut self, index: usize, block: entities::Block) -> Result<(), Trouble> {
        let room = block.encoded_len().div_ceil(BYTES_A_PERMIT).clamp(1, PERMITS);
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        let handing_out = async {
            let room = self.room.clone().acquire_many_owned(room).await.ok();
            let fetched = Fetched { generation: self.generation, upstream: index, block, room };
            self.blocks.send(fetched).await
        };
        let sent = tokio::select! {
            sent = handing_out => sent,
            command = self.commands.recv() => {
                return Err(command.map_or(Trouble::Closed, Trouble::Command));
            }
        };
        sent.map_err(|_| Trouble::Closed)?;
        self.next_height += 1;
        self.check_commands()
    }

    fn check_commands(&mut self) -> Result<(), Trouble> {
        match self.commands.try_recv() {
            Ok(command) => Err(Trouble::Command(command)),
            Err(TryRecvError::Empty) => Ok(()),
            Err(TryRecvError::Disconnected) => Err(Trouble::Closed),
        }
    }
}

/// Since when blocks are fetched, and which.
struct Pace {
    started: Instant,
    first: u64,
    tip: u64,
}

/// How new blocks are noticed.
enum Follows {
    Subscription,
    Polling,
}

/// How old a block is by this machine's clock.
fn age(block: &entities::Block) -> Duration {
    let stamp = block.block_header.as_ref().and_then(|header| header.timestamp);
    let stamp = stamp.and_then(|stamp| {
        let (seconds, nanos) = (u64::try_from(stamp.seconds), u32::try_from(stamp.nanos));
        Some(Duration::new(seconds.ok()?, nanos.ok().filter(|nanos| *nanos < 1_000_000_000)?))
    });
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    stamp.map_or(Duration::ZERO, |stamp| now.saturating_sub(stamp))
}

/// Blocks asked for at once.
const BLOCKS_AT_ONCE: usize = 16;
/// Bytes of blocks fetched that the indexer has not taken: one permit each.
const BYTES_A_PERMIT: usize = 4 << 10;
/// 64 MiB in all; a larger block waits until it is alone.
pub(super) const PERMITS: usize = 16 << 10;
