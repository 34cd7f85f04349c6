//! A network that goes on: blocks come at their pace, and everybody may look.
//!
//! The pace decides only when a block is made, never what is in it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{RwLock, RwLockReadGuard, watch};
use tokio::time::{Instant, sleep_until};
use weir_protocol::codec::Entity as _;
use weir_protocol::model::{Identifier, Role};

use crate::config::ConfigError;
use crate::network::Network;
use crate::schedule::{Command, Trigger};

/// A network that goes on.
#[derive(Debug)]
pub struct Live {
    /// The lock is fair, so that neither blocks nor lookups have to wait for long.
    network: RwLock<Network>,
    tip: watch::Sender<Tip>,
    keep: Keep,
    /// What never changes.
    constants: Constants,
}

/// Where the network stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Latest finalized height.
    pub finalized_height: u64,
    /// The block there.
    pub finalized_id: Identifier,
    /// Latest sealed height.
    pub sealed_height: u64,
    /// Lowest height that is kept.
    pub first_height: u64,
}

/// When the next block is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockTime {
    /// As configured; views that are skipped take their time, too.
    Paced,
    /// As soon as the one before it is made.
    Immediate,
}

/// How much of the past is kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All of it.
    Everything,
    /// So many heights below the latest sealed one.
    Heights(u64),
}

/// What the network is.
#[derive(Clone, Debug)]
pub(crate) struct Constants {
    pub(crate) chain_id: String,
    pub(crate) spork_id: Identifier,
    pub(crate) spork_root_block_height: u64,
    pub(crate) root_id: Identifier,
    /// The access node that the network speaks as.
    pub(crate) node_id: Identifier,
    block_time: Duration,
}

impl Live {
    /// A network at rest: it goes on by [`Self::produce`] or [`Self::advance`].
    #[must_use]
    pub fn new(network: Network, keep: Keep) -> Arc<Self> {
        let constants = Constants::of(&network);
        let first_height = network.config().root.height;
        let (tip, _) = watch::channel(tip_of(&network, first_height));
        Arc::new(Self { network: RwLock::new(network), tip, keep, constants })
    }

    /// Makes blocks until the tip is where it should be.
    pub async fn produce(
        self: Arc<Self>,
        block_time: BlockTime,
        is_enough: impl Fn(&Tip) -> bool + Send,
    ) {
        let mut pace = None;
        while !is_enough(&self.tip()) {
            let view = Arc::clone(&self).make(1).await;
            if block_time == BlockTime::Immediate {
                continue;
            }
            let (begin, first_view) = *pace.get_or_insert((Instant::now(), view));
            // From the beginning, so that no time is lost between two blocks.
            let views = u32::try_from(view + 1 - first_view).unwrap_or(u32::MAX);
            sleep_until(begin + self.constants.block_time.saturating_mul(views)).await;
        }
    }

    /// Makes so many blocks at once.
    pub async fn advance(self: &Arc<Self>, blocks: u64) {
        for _ in 0..blocks / BLOCKS_AT_ONCE {
            Arc::clone(self).make(BLOCKS_AT_ONCE).await;
        }
        Arc::clone(self).make(blocks % BLOCKS_AT_ONCE).await;
    }

    /// Has a command carried out when it is due.
    ///
    /// # Errors
    /// When no network can carry it out.
    pub async fn command(&self, trigger: Trigger, command: Command) -> Result<(), ConfigError> {
        self.network.write().await.command(trigger, command)
    }

    /// The network as it is now; it stands still while somebody looks.
    pub async fn network(&self) -> RwLockReadGuard<'_, Network> {
        self.network.read().await
    }

    /// ID of the root block: the checkpoint to trust.
    #[must_use]
    pub fn root_id(&self) -> Identifier {
        self.constants.root_id
    }

    /// Where the network stands.
    #[must_use]
    pub fn tip(&self) -> Tip {
        *self.tip.borrow()
    }

    /// Where the network stands, now and whenever it changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Tip> {
        self.tip.subscribe()
    }

    pub(crate) fn constants(&self) -> &Constants {
        &self.constants
    }

    /// Looks at the network from a thread that may block.
    pub(crate) fn look(&self) -> RwLockReadGuard<'_, Network> {
        self.network.blocking_read()
    }

    /// Makes blocks on a thread that may block; the view of the last one.
    async fn make(self: Arc<Self>, blocks: u64) -> u64 {
        let made = tokio::task::spawn_blocking(move || {
            let mut network = self.network.blocking_write();
            let mut view = 0;
            for _ in 0..blocks {
                view = network.next_block().block.header.view;
            }
            self.announce(&mut network);
            view
        });
        made.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    fn announce(&self, network: &mut Network) {
        let mut first_height = self.tip().first_height;
        if let Keep::Heights(keep) = self.keep {
            let lowest = network.latest_sealed().height.saturating_sub(keep);
            // Pruning looks at everything that is kept, so it is not done for every block.
            if lowest >= first_height + PRUNE_HEIGHTS {
                network.prune(keep);
                first_height = lowest;
            }
        }
        let tip = tip_of(network, first_height);
        self.tip.send_if_modified(|old| std::mem::replace(old, tip) != tip);
    }
}

impl Constants {
    fn of(network: &Network) -> Self {
        let params = network.root().params();
        let participants = &network.root().head_state().current_epoch_setup.participants;
        let access = participants.iter().find(|node| node.role == Role::Access);
        Self {
            chain_id: params.chain_id.clone(),
            spork_id: params.spork_id,
            spork_root_block_height: params.spork_root_block_height,
            root_id: network.root().head().header.id(),
            node_id: access.map_or(Identifier::ZERO, |node| node.node_id),
            block_time: Duration::from_millis(network.config().block_time_ms),
        }
    }
}

fn tip_of(network: &Network, first_height: u64) -> Tip {
    let finalized = network.latest_finalized();
    Tip {
        finalized_height: finalized.height,
        finalized_id: finalized.block_id,
        sealed_height: network.latest_sealed().height,
        first_height,
    }
}

/// Blocks made while nobody can look.
const BLOCKS_AT_ONCE: u64 = 32;
/// Heights forgotten at once.
const PRUNE_HEIGHTS: u64 = 256;
