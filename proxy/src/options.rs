//! How a proxy is set up, and why it cannot begin.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use weir_client::sync::ClockOptions;
use weir_dial::{Address, Dialer};
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::Identifier;

/// Whether a snapshot is what its head commits to, or why not.
pub type CheckSnapshot = Arc<dyn Fn(&Snapshot) -> Result<(), String> + Send + Sync>;

/// How a proxy is set up.
#[derive(Clone)]
pub struct ProxyOptions {
    /// Servers to ask, by preference.
    pub upstreams: Vec<Address>,
    /// Connects to them.
    pub dialer: Dialer,
    /// ID of a finalized block that the operator trusts.
    pub checkpoint_id: Identifier,
    /// ID of the spork, where the operator knows it; for snapshots of the Access API.
    pub spork_id: Option<Identifier>,
    /// The rules of a snapshot of the Access API beyond its own consistency.
    pub check_snapshot: CheckSnapshot,
    /// Bounds on time.
    pub clock: ClockOptions,
    /// Longest wait for one answer of an upstream.
    pub upstream_timeout: Duration,
    /// Bytes of verified answers that are kept, about.
    pub cache_bytes: u64,
}

impl ProxyOptions {
    /// The usual bounds.
    #[must_use]
    pub fn new(
        upstreams: Vec<Address>,
        checkpoint_id: Identifier,
        check_snapshot: CheckSnapshot,
    ) -> Self {
        Self {
            upstreams,
            dialer: Dialer::default(),
            checkpoint_id,
            spork_id: None,
            check_snapshot,
            clock: ClockOptions::default(),
            upstream_timeout: UPSTREAM_TIMEOUT,
            cache_bytes: CACHE_BYTES,
        }
    }
}

impl fmt::Debug for ProxyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyOptions")
            .field("upstreams", &self.upstreams)
            .field("checkpoint_id", &self.checkpoint_id)
            .finish_non_exhaustive()
    }
}

/// Why a proxy cannot begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// No upstream was named.
    #[error("no upstream given")]
    NoUpstream,
    /// An upstream is named with a key.
    #[error("{url}: the receipts of an upstream are not asked for; leave out # and its key")]
    Key {
        /// The address.
        url: String,
    },

    /// No upstream proves the checkpoint.
    #[error("cannot begin at the checkpoint: {message}")]
    Checkpoint {
        /// What each upstream said.
        message: String,
    },
}

/// Longest wait for one answer of an upstream; a client waits a minute.
const UPSTREAM_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of verified answers that are kept: 64 MiB.
const CACHE_BYTES: u64 = 64 << 20;
