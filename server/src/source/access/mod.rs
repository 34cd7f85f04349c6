//! Flow's access nodes as a source: every finalized block with its full payload, by height.
//!
//! A [`Fetcher`] runs on the async threads: it backfills in parallel windows, then follows the
//! block subscription, or polls where there is none. It fails over on transport errors, and does not ask
//! an upstream again that gave a wrong answer; whom it asks next is decided by [`weir_peers`]. What it
//! hands out is unchecked but for what only the fetcher knows: the height that was asked for.

mod checkpoint;
mod choice;
mod error;
mod evidence;
mod fetcher;
mod follow;
mod nodes;
mod others;
mod remembered;
mod state;
mod upstream;

pub use checkpoint::CheckpointError;
pub use error::{UpstreamError, WrongAnswer};
pub use evidence::WRONG_ANSWER_BYTES_MAX;
pub use fetcher::{Fault, Fetched, Fetcher, Handle, Rejection};
pub(crate) use nodes::Nodes;
pub use state::SyncState;
pub use weir_peers::{NoPeer, Standing};

use std::path::{Path, PathBuf};
use std::time::Duration;

use weir_dial::{AccessNode, Dialer};
use weir_protocol::model::Identifier;

/// Which access nodes to follow, and how patiently.
#[derive(Clone, Debug)]
pub struct AccessOptions {
    /// Access nodes, by preference.
    pub nodes: Vec<AccessNode>,
    /// Connects to them.
    pub dialer: Dialer,
    /// Where wrong answers are kept.
    pub evidence_dir: PathBuf,
    /// Where it is kept which upstreams are set aside.
    pub standing_dir: PathBuf,
    /// Longest time for one answer, its last byte included.
    pub request_timeout: Duration,
    /// How often to ask for the tip where there is no subscription.
    pub poll_interval: Duration,
    /// How often to ask other nodes for the block that is proved to be final.
    pub cross_check_interval: Duration,
    /// After how long without a block a subscription is doubted.
    pub quiet_max: Duration,
    /// The spork, if the operator names it: a node that says otherwise is wrong.
    pub spork_id: Option<Identifier>,
}

impl AccessOptions {
    /// Access nodes with the usual patience; what they did wrong is kept in the data folder.
    #[must_use]
    pub fn new(nodes: Vec<AccessNode>, data: &Path) -> Self {
        Self {
            nodes,
            dialer: Dialer::default(),
            evidence_dir: data.join("wrong-answers"),
            standing_dir: data.join("upstreams"),
            request_timeout: Duration::from_secs(15),
            poll_interval: Duration::from_millis(500),
            cross_check_interval: Duration::from_secs(30),
            quiet_max: Duration::from_secs(20),
            spork_id: None,
        }
    }
}

/// The network that a store is of; upstreams of another are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Chain, such as `flow-mainnet`.
    pub chain_id: String,
    /// Spork.
    pub spork_id: Identifier,
    /// Who says that it is this spork.
    pub spork_basis: SporkBasis,
}

/// Who says which spork a network is of; the blocks in the middle of one do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SporkBasis {
    /// The operator: a node that says otherwise is wrong.
    Operator,
    /// Access nodes: one that says otherwise may well be right.
    Nodes,
}
