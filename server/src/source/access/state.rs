//! Where following the network stands, for people and for metrics.

use std::fmt;
use std::time::Duration;

/// Where following the network stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncState {
    /// No upstream has answered yet.
    Connecting,
    /// Blocks up to the tip are being fetched.
    Syncing {
        /// Upstream asked.
        upstream: String,
        /// Next height.
        height: u64,
        /// Latest finalized height of the upstream.
        target: u64,
        /// Estimate of the time left.
        remaining: Option<Duration>,
    },
    /// New blocks come in as they are finalized.
    Live {
        /// Upstream followed.
        upstream: String,
        /// Latest height fetched.
        height: u64,
        /// Age of the newest block when it came in.
        lag: Duration,
    },
    /// Blocks come from a folder, whose end is known: there is nothing to follow.
    Folder,
    /// Nothing comes in; it is tried again.
    Stalled {
        /// Why.
        reason: String,
    },
    /// Nothing more will be indexed by this version; what there is, is served.
    Halted {
        /// Why.
        reason: String,
    },
}

impl SyncState {
    /// One word; empty for a folder.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Syncing { .. } => "syncing",
            Self::Live { .. } => "live",
            Self::Folder => "",
            Self::Stalled { .. } => "stalled",
            Self::Halted { .. } => "halted",
        }
    }
}

impl fmt::Display for SyncState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Syncing { upstream, height, target, remaining } => {
                write!(f, "syncing from {upstream}, height {height} of {target}")?;
                match remaining {
                    Some(left) => write!(f, ", about {} s left", left.as_secs().max(1)),
                    None => Ok(()),
                }
            }
            Self::Live { upstream, height, lag } => {
                write!(f, "live on {upstream}, height {height}, {} ms behind", lag.as_millis())
            }
            Self::Folder => Ok(()),
            Self::Stalled { reason } => write!(f, "stalled: {reason}"),
            Self::Halted { reason } => write!(f, "halted: {reason}"),
        }
    }
}
