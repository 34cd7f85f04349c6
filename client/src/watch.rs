//! Events as they happen; see [`weir_walk::watch`].

use weir_protocol::model::Identifier;
use weir_protocol::request::Notice;
use weir_walk::{Walker, watch};

use crate::sync::LightClient;
use crate::transport::Servers;

pub use weir_walk::watch::{
    BlockStatus, Cursor, CursorError, Event, EventBlock, EventKind, Filter, Kind, Level, Start,
    WatchError, WatchOptions,
};

/// A subscription that outlives its servers.
///
/// Whatever the servers do, the events are those that an undisturbed watch tells, in the same order,
/// or there is an error that says what is missing.
#[derive(Debug)]
pub struct Watch {
    servers: Servers,
    watch: watch::Watch,
}

impl Watch {
    /// Watches with what the client trusts.
    #[must_use]
    pub fn new(client: LightClient, options: WatchOptions) -> Self {
        let LightClient { servers, walker } = client;
        Self { servers, watch: watch::Watch::new(walker, options) }
    }

    /// What is trusted, and what servers did.
    #[must_use]
    pub fn walker(&self) -> &Walker {
        self.watch.walker()
    }

    /// As [`LightClient::prove_lies`].
    pub async fn prove_lies(&mut self) {
        self.servers.drive(self.watch.walk(watch::Watch::prove_lies)).await;
    }

    /// Whether it is told of all blocks asked about that they are sealed or orphaned.
    #[must_use]
    pub fn blocks_are_decided(&self) -> bool {
        self.watch.blocks_are_decided()
    }

    /// The next event, as soon as there is one.
    ///
    /// # Errors
    /// When no server answers, all are set aside, or the start is no place to begin at. After an
    /// error the next call goes on where this one stopped.
    pub async fn next(&mut self) -> Result<Event, WatchError> {
        self.servers.drive(self.watch.walk(watch::Watch::next)).await
    }

    /// The next notice that held, and the events that it brought: for a relay. What it names was
    /// proved, and nothing was left out before it.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn next_notice(&mut self) -> Result<(Notice, Vec<Event>), WatchError> {
        self.servers.drive(self.watch.walk(watch::Watch::next_notice)).await
    }

    /// The newest final block whose changes were told, or with which the watch began, and its
    /// height; none before it has begun.
    #[must_use]
    pub fn newest_change(&self) -> Option<(Identifier, u64)> {
        self.watch.newest_change()
    }
}
