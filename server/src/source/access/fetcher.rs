//! Fetches blocks from one upstream after another, and hands them out in order of height.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver, Sender, UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use weir_dial::AccessNode;
use weir_peers::{NoPeer, Peers, Standing, Turn};
use weir_proto::flow::entities;
use weir_protocol::model::Identifier;

use super::choice::peers;
use super::follow::{PERMITS, Trouble};
use super::remembered::Remembered;
use super::upstream::Upstream;
use super::{AccessOptions, Network, SyncState};

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
    /// The block, if it is to be kept.
    pub block: Option<Box<entities::Block>>,
    /// Generation of the blocks to come.
    pub generation: u64,
}

/// What is wrong with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It breaks a rule, and who sent it is at fault: it is not asked again.
    Broken,
    /// It breaks a rule, and nothing shows yet whose fault that is: another upstream is asked, and
    /// later this one again.
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
    pub upstreams: watch::Receiver<Vec<Standing>>,
    rejections: UnboundedSender<Rejection>,
    finalized: watch::Sender<Option<(u64, Identifier)>>,
    remembered: Arc<Remembered>,
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

    /// Tells that no more blocks are taken in, so that an end of the process from now on is nobody's.
    pub fn ended(&self) {
        self.remembered.ended();
    }
}

/// Follows a network through its access nodes.
#[derive(Debug)]
pub struct Fetcher {
    pub(super) options: AccessOptions,
    pub(super) upstreams: Vec<Upstream>,
    /// The upstreams, by the same index, and how they have behaved.
    pub(super) peers: Peers,
    /// Who failed since somebody answered; each is asked once before one is asked again.
    pub(super) turn: Turn,
    /// What the times of `peers` count from.
    pub(super) began: Instant,
    pub(super) next_height: u64,
    pub(super) generation: u64,
    pub(super) blocks: Sender<Fetched>,
    pub(super) commands: UnboundedReceiver<Rejection>,
    pub(super) finalized: watch::Receiver<Option<(u64, Identifier)>>,
    pub(super) room: Arc<Semaphore>,
    state: watch::Sender<SyncState>,
    pub(super) standing: watch::Sender<Vec<Standing>>,
    pub(super) remembered: Arc<Remembered>,
}

impl Fetcher {
    /// A fetcher over the access nodes, and the indexer's end of it. Nodes that this version of Weir
    /// set aside before stay so.
    ///
    /// # Errors
    /// When no access node is named.
    pub fn new(options: AccessOptions) -> Result<(Self, Handle), NoPeer> {
        let (block_sender, blocks) = mpsc::channel(BLOCKS_AHEAD);
        let (rejections, commands) = mpsc::unbounded_channel();
        let (finalized_sender, finalized) = watch::channel(None);
        let (state, _) = watch::channel(SyncState::Connecting);
        let remembered = Arc::new(Remembered::open(&options.standing_dir));
        let peers = peers(&options, &remembered)?;
        let timeout = options.request_timeout;
        let connect = |node: &AccessNode| Upstream::new(node, &options.dialer, timeout);
        let upstreams = options.nodes.iter().map(connect).collect();
        let standing = peers.iter().map(|(_, standing)| standing.clone()).collect();
        let (standing, standing_receiver) = watch::channel(standing);
        let handle = Handle {
            blocks,
            state: state.clone(),
            upstreams: standing_receiver,
            rejections,
            finalized: finalized_sender,
            remembered: remembered.clone(),
        };
        let fetcher = Self {
            options,
            upstreams,
            peers,
            turn: Turn::default(),
            began: Instant::now(),
            next_height: 0,
            generation: 0,
            blocks: block_sender,
            commands,
            finalized,
            room: Arc::new(Semaphore::new(PERMITS)),
            state,
            standing,
            remembered,
        };
        Ok((fetcher, handle))
    }

    /// The spork that the operator names.
    #[must_use]
    pub fn pinned_spork(&self) -> Option<Identifier> {
        self.options.spork_id
    }

    /// Fetches what follows the proved final block, until the indexer is gone.
    pub async fn run(mut self, network: Network) {
        self.begin();
        self.rest_suspects();
        while let Some(index) = self.choose().await {
            match self.follow(index, &network).await {
                Trouble::Closed => return,
                Trouble::Command(command) => self.obey(command),
                Trouble::Upstream(error) => self.on_error(index, error),
            }
        }
    }

    pub(super) fn announce(&self, state: SyncState) {
        let halted = matches!(*self.state.borrow(), SyncState::Halted { .. });
        if !halted {
            self.state.send_replace(state);
        }
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
