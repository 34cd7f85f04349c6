//! How servers have behaved, known to several who ask them.

use std::time::{Duration, Instant};

use weir_dial::Dialer;
use weir_walk::{Peers, SharedPeers};

/// Servers that several ask, each over connections of its own; cheap to clone.
#[derive(Clone, Debug)]
pub struct SharedServers {
    pub(super) peers: SharedPeers,
    /// From when on all of them count time.
    pub(super) began: Instant,
    pub(super) dialer: Dialer,
}

impl SharedServers {
    /// Shares these servers, whose names are their URLs, and who connects to them.
    #[must_use]
    pub fn new(peers: Peers, dialer: Dialer) -> Self {
        Self { peers: SharedPeers::new(peers), began: Instant::now(), dialer }
    }

    /// Reads or changes how the servers have behaved, with the time. Others wait meanwhile.
    pub fn with<T>(&self, change: impl FnOnce(&mut Peers, Duration) -> T) -> T {
        let now = self.began.elapsed();
        self.peers.with(|peers| change(peers, now))
    }
}
