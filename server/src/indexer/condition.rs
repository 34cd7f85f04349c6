//! How the store is, for people and for metrics: what keeps new blocks out while all others are served.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::watch;

use super::IndexError;
use crate::store::{CommitError, Refusal, Store};

/// How the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Blocks are written as they come.
    Well,
    /// The index is made from the log; blocks up to `done` are served by now.
    CatchingUp {
        /// Blocks indexed.
        done: u64,
        /// Blocks in the log.
        total: u64,
    },
    /// The disk has no space: it is looked at again and again, and indexing goes on by itself.
    DiskFull {
        /// What the system said.
        reason: String,
    },
    /// The disk fails or may only be read: it is tried again and again.
    DiskFailing {
        /// What the system said.
        reason: String,
    },
}

impl Condition {
    /// One word; empty when all is well.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Well => "",
            Self::CatchingUp { .. } => "catching_up",
            Self::DiskFull { .. } => "disk_full",
            Self::DiskFailing { .. } => "disk_failing",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Well => Ok(()),
            Self::CatchingUp { done, total } => {
                write!(f, "catching up with the log, {done} of {total} blocks are indexed")
            }
            Self::DiskFull { reason } => write!(
                f,
                "the disk is full: {reason}; blocks up to here are served, and indexing goes on by \
                 itself when there is space"
            ),
            Self::DiskFailing { reason } => write!(
                f,
                "the disk fails: {reason}; blocks up to here are served, and writing is tried again"
            ),
        }
    }
}

/// Tells others how the store is.
#[derive(Debug)]
pub(super) struct Conditions {
    sender: watch::Sender<Condition>,
    on_refusal: OnRefusal,
}

/// What to do while the disk refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnRefusal {
    TryAgain,
    Fail,
}

impl Conditions {
    pub(super) fn new() -> Self {
        Self { sender: watch::Sender::new(Condition::Well), on_refusal: OnRefusal::TryAgain }
    }

    /// Fails from now on, instead of trying again.
    pub(super) fn give_up(&mut self) {
        self.on_refusal = OnRefusal::Fail;
    }

    /// Tries again from now on.
    pub(super) fn try_again(&mut self) {
        self.on_refusal = OnRefusal::TryAgain;
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Condition> {
        self.sender.subscribe()
    }

    pub(super) fn set(&self, condition: Condition) {
        self.sender.send_replace(condition);
    }

    /// Writes to the store; while the disk refuses, tries again until it does not, or until somebody
    /// asks to stop.
    pub(super) fn persist(
        &self,
        store: &mut Store,
        stop: &AtomicBool,
        mut write: impl FnMut(&mut Store) -> Result<(), CommitError>,
    ) -> Result<Written, IndexError> {
        let mut pause = PAUSE_MIN;
        let mut written = write(store);
        loop {
            let error = match written {
                Ok(()) => {
                    if pause > PAUSE_MIN {
                        tracing::info!("the disk takes blocks again, indexing goes on");
                        self.set(Condition::Well);
                    }
                    return Ok(Written::Yes);
                }
                Err(error) => error,
            };
            let refusal = error.refusal().filter(|_| self.on_refusal == OnRefusal::TryAgain);
            let Some(refusal) = refusal else { return Err(error.into()) };
            let condition = condition(refusal, &error);
            if pause == PAUSE_MIN {
                tracing::warn!(state = condition.name(), "{condition}");
            }
            self.set(condition);
            if wait(pause, stop) == Waited::Stopped {
                return Ok(Written::Stopped);
            }
            pause = (pause * 2).min(PAUSE_MAX);
            written = store.recover().and_then(|()| write(store));
        }
    }
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is on disk.
    Yes,
    /// It is not, and somebody asked to stop.
    Stopped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    Fully,
    Stopped,
}

fn condition(refusal: Refusal, error: &CommitError) -> Condition {
    let source = std::error::Error::source(error);
    let causes = std::iter::successors(source, |error| error.source());
    let reason = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    match refusal {
        Refusal::Full => Condition::DiskFull { reason },
        Refusal::Failing => Condition::DiskFailing { reason },
    }
}

fn wait(pause: Duration, stop: &AtomicBool) -> Waited {
    let mut left = pause;
    while !left.is_zero() {
        if stop.load(Ordering::Relaxed) {
            return Waited::Stopped;
        }
        let slice = left.min(PAUSE_MIN);
        thread::sleep(slice);
        left -= slice;
    }
    if stop.load(Ordering::Relaxed) { Waited::Stopped } else { Waited::Fully }
}

/// First pause before a refused write is tried again; also how soon a stop is heard.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);
