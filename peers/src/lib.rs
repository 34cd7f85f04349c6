//! Peers: which of several servers is asked next, and what its silence or its lie means for that.
//!
//! Who asks decides what an answer is worth, and says so here; this is only the order. Peers are
//! asked by preference. One that is silent is left alone for a while, longer each time, and comes
//! after the others meanwhile. One that was wrong is set aside: it is not asked again, or last of
//! all by somebody who checks every answer anyway.
//!
//! It is pure: no connection, no clock, no `std`. Times are what has passed since some beginning.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod rests;
mod shared;
mod turn;

pub use rests::Rests;
pub use shared::Shared;
pub use turn::{Next, Turn};

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// Several peers that may all answer, by preference.
#[derive(Clone, Debug)]
pub struct Peers {
    peers: Vec<Peer>,
    rests: Rests,
    asks_set_aside: bool,
}

#[derive(Clone, Debug)]
struct Peer {
    name: String,
    standing: Standing,
    /// How often in a row it was silent.
    silences: u32,
    /// Peers with more of it come after those with less.
    suspicion: u32,
}

/// How a peer has behaved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was not asked yet.
    Untried,
    /// It answered when last asked.
    Good,
    /// It gave no answer when last asked.
    Resting {
        /// What happened.
        reason: String,
        /// Until then the others come first.
        until: Duration,
    },
    /// It was wrong.
    SetAside {
        /// How.
        reason: String,
    },
}

impl Standing {
    /// Whether nothing is held against the peer: it answered when last asked, or was not asked yet.
    #[must_use]
    pub fn behaves(&self) -> bool {
        matches!(self, Self::Untried | Self::Good)
    }
}

impl Peers {
    /// Peers of these names, by preference.
    ///
    /// # Errors
    /// When there is none.
    pub fn new(
        names: impl IntoIterator<Item = impl Into<String>>,
        rests: Rests,
    ) -> Result<Self, NoPeer> {
        let peer =
            |name: String| Peer { name, standing: Standing::Untried, silences: 0, suspicion: 0 };
        let peers: Vec<_> = names.into_iter().map(|name| peer(name.into())).collect();
        if peers.is_empty() {
            return Err(NoPeer);
        }
        Ok(Self { peers, rests, asks_set_aside: false })
    }

    /// Asks peers that are set aside after all others, instead of never.
    #[must_use]
    pub fn asking_set_aside(self) -> Self {
        Self { asks_set_aside: true, ..self }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.peers.len()
    }

    /// All peers by preference, each with its name and how it has behaved.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Standing)> {
        self.peers.iter().map(|peer| (peer.name.as_str(), &peer.standing))
    }

    /// The name of a peer.
    ///
    /// # Panics
    /// When there is no such peer, as for the other methods that take an index.
    #[must_use]
    pub fn name(&self, peer: usize) -> &str {
        &self.peers[peer].name
    }

    /// How a peer has behaved.
    #[must_use]
    pub fn standing(&self, peer: usize) -> &Standing {
        &self.peers[peer].standing
    }

    /// Whether a peer was wrong.
    #[must_use]
    pub fn is_set_aside(&self, peer: usize) -> bool {
        matches!(self.peers[peer].standing, Standing::SetAside { .. })
    }

    /// A peer answered; one that is set aside stays so.
    pub fn answered(&mut self, peer: usize) {
        let peer = &mut self.peers[peer];
        if !matches!(peer.standing, Standing::SetAside { .. }) {
            peer.standing = Standing::Good;
            (peer.silences, peer.suspicion) = (0, 0);
        }
    }

    /// A peer gave no answer; one that is set aside stays so.
    pub fn silent(&mut self, peer: usize, reason: impl Into<String>, now: Duration) {
        let rest = self.rests.after(self.peers[peer].silences);
        self.peers[peer].silences = self.peers[peer].silences.saturating_add(1);
        self.rest(peer, reason, now.saturating_add(rest));
    }

    /// Leaves a peer alone until then; one that is set aside stays so.
    pub fn rest(&mut self, peer: usize, reason: impl Into<String>, until: Duration) {
        if !self.is_set_aside(peer) {
            let reason = reason.into();
            self.peers[peer].standing = Standing::Resting { reason, until };
        }
    }

    /// A peer was wrong.
    pub fn set_aside(&mut self, peer: usize, reason: impl Into<String>) {
        self.peers[peer].standing = Standing::SetAside { reason: reason.into() };
    }

    /// Puts a peer after those that are less suspect, until it answers.
    pub fn suspect(&mut self, peer: usize, suspicion: u32) {
        self.peers[peer].suspicion = suspicion;
    }
}

/// No peer was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no server given")]
pub struct NoPeer;
