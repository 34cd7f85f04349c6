//! Events as they happen: changes of the protocol state, and how far given blocks are.
//!
//! Servers send notices that prove nothing. For each the client asks about the block and its parent
//! and derives the events itself. The parent's state must be the one that the client was told of
//! last, and so must that of every block up to which a server says it told all: a change left out
//! shows, and so does where.

mod begin;
mod blocks;
mod changes;
mod error;
mod event;
mod filter;
#[cfg(feature = "json")]
pub mod json;
mod servers;
mod teller;

use alloc::vec::Vec;
use core::time::Duration;

use weir_protocol::model::Identifier;
use weir_protocol::request::Notice;

pub use error::WatchError;
pub use event::{BlockStatus, Cursor, CursorError, Event, EventBlock, EventKind};
pub use filter::{Filter, Kind};
pub use weir_protocol::request::Level;

use crate::{Walk, Walker};
use teller::Teller;

/// What to tell, and from where on.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    /// How far a block must be before its changes are told.
    pub level: Level,
    /// From where on.
    pub start: Start,
    /// Which changes are told.
    pub filter: Filter,
    /// Blocks whose status is told, at most 64.
    pub block_ids: Vec<Identifier>,
    /// Longest wait for a notice; servers send one every ten seconds at least.
    pub patience: Duration,
    /// A server without news for so long is left for the next one.
    pub stall: Duration,
}

impl Default for WatchOptions {
    /// All changes of final blocks from now on; half a minute of patience, a minute without news.
    fn default() -> Self {
        Self {
            level: Level::default(),
            start: Start::default(),
            filter: Filter::default(),
            block_ids: Vec::new(),
            patience: Duration::from_secs(30),
            stall: Duration::from_secs(60),
        }
    }
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// After the newest block of the level.
    #[default]
    Latest,
    /// After the final block of this height.
    Height(u64),
    /// After an event told before.
    After(Cursor),
}

/// A subscription that outlives its servers.
///
/// Whatever the servers do, the events are those that an undisturbed watch tells, in the same order,
/// or there is an error that says what is missing.
#[derive(Debug)]
pub struct Watch {
    walker: Walker,
    options: WatchOptions,
    place: Option<Place>,
    teller: Teller,
    blocks: Vec<(Identifier, Option<BlockStatus>)>,
    /// The peer that is subscribed to.
    subscription: Option<usize>,
    /// Notices in a row that led nowhere.
    useless: u32,
    /// Subscriptions in a row that broke before anything new.
    broken: usize,
    /// When there was something new.
    progressed: Duration,
    /// How often there was something new.
    steps: u64,
    /// When the server last said that it is no further.
    heard: Duration,
}

/// How far the changes are told.
#[derive(Debug)]
struct Place {
    /// The block whose state is the present one of the final chain.
    base: Point,
    /// Up to this height nothing is missing.
    reached: u64,
    /// Told changes of blocks that are not final yet, each after the one before it.
    pending: Vec<Pending>,
    /// Changes up to here were told in an earlier run.
    before: Option<Cursor>,
}

/// A block and its protocol state.
#[derive(Clone, Copy, Debug)]
struct Point {
    block: EventBlock,
    state_id: Identifier,
}

/// A certified block whose changes were told.
#[derive(Debug)]
struct Pending {
    point: Point,
    /// Where a later run goes on should the block be orphaned.
    cursor: Cursor,
    /// Whether the filter lets any of its changes pass.
    told: bool,
}

impl Watch {
    /// Watches with what the walker trusts.
    #[must_use]
    pub fn new(walker: Walker, options: WatchOptions) -> Self {
        let blocks = options.block_ids.iter().map(|id| (*id, None)).collect();
        let teller = Teller::new(options.filter.clone(), event::trust_of(options.level));
        Self {
            walker,
            options,
            place: None,
            teller,
            blocks,
            subscription: None,
            useless: 0,
            broken: 0,
            progressed: Duration::ZERO,
            steps: 0,
            heard: Duration::ZERO,
        }
    }

    /// A walk: what `begin` does with the watch, step by step.
    pub fn walk<'a, T, F>(&'a mut self, begin: impl FnOnce(&'a mut Self) -> F) -> Walk<'a, T>
    where
        F: Future<Output = T> + Send + 'a,
    {
        let io = self.walker.asking.io.clone();
        Walk::new(io, begin(self))
    }

    /// As [`Walker::into_walk`].
    pub fn into_walk<T, F>(self, begin: impl FnOnce(Self) -> F) -> Walk<'static, T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let io = self.walker.asking.io.clone();
        Walk::new(io, begin(self))
    }

    /// The walker.
    #[must_use]
    pub fn walker(&self) -> &Walker {
        &self.walker
    }

    /// As [`Walker::prove_lies`].
    pub async fn prove_lies(&mut self) {
        self.walker.prove_lies().await;
    }

    /// Whether it is told of all blocks asked about that they are sealed or orphaned.
    #[must_use]
    pub fn blocks_are_decided(&self) -> bool {
        let decided = self.blocks.iter().all(|(_, told)| told.is_some_and(BlockStatus::is_last));
        decided && self.teller.is_empty()
    }

    /// The next event, as soon as there is one.
    ///
    /// # Errors
    /// When no server answers, all are set aside, or the start is no place to begin at. After an
    /// error the next call goes on where this one stopped.
    pub async fn next(&mut self) -> Result<Event, WatchError> {
        loop {
            if let Some(event) = self.teller.take() {
                return Ok(event);
            }
            self.advance_or_resume().await?;
        }
    }

    /// The next notice that held, and the events that it brought: for a relay. What it names was
    /// proved, and nothing was left out before it.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn next_notice(&mut self) -> Result<(Notice, Vec<Event>), WatchError> {
        loop {
            let before = self.steps;
            let notice = self.advance_or_resume().await?;
            let events = core::iter::from_fn(|| self.teller.take()).collect();
            if let Some(notice) = notice.filter(|_| self.steps != before) {
                return Ok((notice, events));
            }
        }
    }

    /// The newest final block whose changes were told, or with which the watch began, and its
    /// height; none before it has begun.
    #[must_use]
    pub fn newest_change(&self) -> Option<(Identifier, u64)> {
        self.place.as_ref().map(|place| (place.base.block.block_id, place.base.block.height))
    }

    async fn advance_or_resume(&mut self) -> Result<Option<Notice>, WatchError> {
        let advanced = self.advance().await;
        if advanced.is_err() {
            // Notices may be lost; the next subscription brings them again.
            self.subscription = None;
        }
        advanced
    }

    /// Takes one notice for what it is.
    async fn advance(&mut self) -> Result<Option<Notice>, WatchError> {
        if self.place.is_none() {
            self.begin().await?;
            return Ok(None);
        }
        let Some(notice) = self.notice().await? else { return Ok(None) };
        match notice {
            Notice::StateChanged { block_id, height } => self.state_changed(block_id, height).await,
            Notice::Reached { block_id, height } => self.reached(block_id, height).await,
            Notice::BlockNews { block_id, orphaned } => self.block_news(block_id, orphaned).await,
            Notice::Unknown => self.nothing_new(),
        }?;
        Ok(Some(notice))
    }
}
