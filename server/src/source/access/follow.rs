//! Following one upstream: backfill up to its tip, then the subscription or polling.

use std::convert::Infallible as Never;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::{StreamExt as _, stream};
use prost::Message as _;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::{Instant, interval, timeout};
use weir_proto::flow::{access, entities};

use super::fetcher::{Fetched, Fetcher, Rejection, remaining};
use super::upstream::{Client, check_full};
use super::{Network, SyncState, UpstreamError, UpstreamState, WrongAnswer};

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
        let client = self.upstreams[index].client.clone();
        client.check_network(network).await?;
        let mut follows = Follows::Subscription;
        loop {
            let tip = client.tip().await?;
            if tip.saturating_add(1) < self.next_height {
                return Err(UpstreamError::Behind { tip, expected: self.next_height - 1 }.into());
            }
            self.backfill(index, &client, tip).await?;
            self.praise(index);
            self.cross_check(index).await;
            match follows {
                Follows::Subscription => follows = self.live(index, &client).await?,
                Follows::Polling => tokio::time::sleep(self.options.poll_interval).await,
            }
            self.check_commands()?;
        }
    }

    /// Fetches all blocks up to the tip, several at once.
    async fn backfill(&mut self, index: usize, client: &Client, tip: u64) -> Result<(), Trouble> {
        let (started, first) = (Instant::now(), self.next_height);
        let mut window = stream::iter(first..=tip)
            .map(|height| async move { (height, client.block(height).await) })
            .buffered(BLOCKS_AT_ONCE);
        while let Some((height, block)) = window.next().await {
            let block = match block {
                // One large block is fetched alone, so that many cannot fill the memory.
                Err(UpstreamError::TooLarge) => client.large_block(height).await?,
                block => block?,
            };
            let left = tip - height;
            self.announce(if left > 0 {
                SyncState::Syncing {
                    upstream: self.upstreams[index].url.clone(),
                    height,
                    target: tip,
                    remaining: remaining(started, height - first, left),
                }
            } else {
                self.live_state(index, &block)
            });
            self.hand_out(index, block).await?;
        }
        Ok(())
    }

    /// Follows the subscription; returns when there is none to follow.
    async fn live(&mut self, index: usize, client: &Client) -> Result<Follows, Trouble> {
        // The start must exist, so it is the block before the next one.
        let mut blocks = match client.subscribe(self.next_height.saturating_sub(1)).await {
            Ok(blocks) => blocks,
            Err(UpstreamError::Unimplemented(_)) => return Ok(Follows::Polling),
            Err(error) => return Err(error.into()),
        };
        let mut cross_check = interval(self.options.cross_check_interval);
        let mut before_next = true;
        loop {
            tokio::select! {
                message = timeout(self.options.quiet_max, blocks.message()) => match message {
                    Ok(message) => {
                        let block = self.next_in_sequence(message, before_next)?;
                        before_next = false;
                        if let Some(block) = block {
                            self.announce(self.live_state(index, &block));
                            self.hand_out(index, block).await?;
                        }
                    }
                    Err(_) => self.doubt(client).await?,
                },
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
        let message = message.map_err(|status| UpstreamError::from_status(&status))?;
        let ended = || UpstreamError::Transport("the subscription ended".to_owned());
        let block = message.ok_or_else(ended)?.block.unwrap_or_default();
        check_full(&block, self.next_height)?;
        let found = block.block_header.as_ref().map_or(0, |header| header.height);
        if before_next && found.saturating_add(1) == self.next_height {
            return Ok(None);
        }
        if found == self.next_height {
            return Ok(Some(block));
        }
        Err(WrongAnswer::Sequence { expected: self.next_height, found }.into())
    }

    fn live_state(&self, index: usize, block: &entities::Block) -> SyncState {
        SyncState::Live {
            upstream: self.upstreams[index].url.clone(),
            height: block.height,
            lag: age(block),
        }
    }

    /// Nothing has come for a while: is there nothing, or does the subscription hang?
    async fn doubt(&self, client: &Client) -> Result<(), Trouble> {
        let tip = client.tip().await?;
        if tip < self.next_height {
            return Ok(());
        }
        let quiet = self.options.quiet_max;
        let reason = format!("the subscription was quiet for {quiet:?}, yet the tip is {tip}");
        Err(UpstreamError::Transport(reason).into())
    }

    /// Asks another upstream for the block that is proved to be final.
    async fn cross_check(&mut self, followed: usize) {
        let Some((height, proved)) = *self.finalized.borrow() else {
            return;
        };
        let others = self.upstreams.iter().enumerate().filter(|(index, _)| *index != followed);
        let good = others.filter(|(_, upstream)| upstream.state == UpstreamState::Good);
        let clients: Vec<_> = good.map(|(index, one)| (index, one.client.clone())).collect();
        for (index, client) in clients {
            // A node that does not answer now is not contradicting anybody.
            let Ok(found) = client.block_id(height).await else {
                continue;
            };
            metrics::counter!("ingest_cross_checks_total").increment(1);
            if found != proved {
                let (expected, found) = (proved.to_string(), found.to_string());
                let wrong = WrongAnswer::Finalized { height, expected, found };
                self.distrust(index, &wrong.to_string(), None);
            }
        }
    }

    async fn hand_out(&mut self, index: usize, block: entities::Block) -> Result<(), Trouble> {
        let room = block.encoded_len().div_ceil(BYTES_A_PERMIT).clamp(1, PERMITS);
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        let handing_out = async {
            let room = self.room.clone().acquire_many_owned(room).await.ok();
            let fetched =
                Fetched { generation: self.generation, upstream: index, block, _room: room };
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
