//! What a walk asks its driver to do, and what the driver hears.

use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use spin::Mutex;
use weir_protocol::evidence::Receipt;
use weir_protocol::request::{Notice, Request, WatchRequest};

use crate::TransportError;

/// What the driver's clocks say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Time since some beginning, the same for all walks of a client; it never goes back.
    pub elapsed: Duration,
    /// Unix milliseconds.
    pub unix_ms: u64,
}

/// One thing to do, with one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which of the peers, by the order in which they were named.
    pub peer: usize,
    /// What to do.
    pub call: Call,
}

/// What to do with a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Send the request, and hear [`Heard::Reply`].
    Send(Request),
    /// Ask what the server says of itself, and hear [`Heard::ServerSays`].
    Info,
    /// Subscribe to notices, and hear [`Heard::Subscribed`]. A subscription before it has ended.
    Subscribe(WatchRequest),
    /// Wait for the next notice of the subscription, and hear [`Heard::Notice`].
    Notice {
        /// Longest wait.
        patience: Duration,
    },
}

/// What came of a call.
#[derive(Clone, Debug)]
pub enum Heard {
    /// What the server sent back.
    Reply(Reply),
    /// What the server says of itself.
    ServerSays(ServerSays),
    /// The server took the subscription.
    Subscribed,
    /// A notice.
    Notice(Notice),
    /// The server gave no answer, or refused.
    NoAnswer(TransportError),
}

/// What a server sends back to a request; nothing of it is checked but the receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Evidence, or a proof about a snapshot tree.
    pub bytes: Vec<u8>,
    /// The server's signed word that it sent this back to this request, if it gave a valid one
    /// ([`weir_verifier::check_receipt`]).
    pub receipt: Option<Receipt>,
}

/// What a server says of itself; nothing proves it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerSays {
    /// The newest epoch that it knows.
    pub epoch_counter: u64,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a step is taken apart at once")]
pub enum Step<T> {
    /// Do this, and call [`Walk::hear`].
    Call(Asked),
    /// The walk waits for what it asked for last.
    Waits,
    /// The walk has ended.
    Done(T),
}

/// A walk on its way.
pub struct Walk<'a, T> {
    io: Io,
    future: Pin<Box<dyn Future<Output = T> + Send + 'a>>,
}

impl<'a, T> Walk<'a, T> {
    pub(crate) fn new(io: Io, future: impl Future<Output = T> + Send + 'a) -> Self {
        // Whatever a walk before it left behind is not for this one.
        *io.0.lock() = Slots::default();
        Self { io, future: Box::pin(future) }
    }

    /// Goes on as far as it can.
    ///
    /// # Panics
    /// When it has ended before.
    pub fn poll(&mut self, now: Moment) -> Step<T> {
        self.io.0.lock().now = now;
        match self.future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Step::Done(value),
            Poll::Pending => self.io.0.lock().asked.take().map_or(Step::Waits, Step::Call),
        }
    }

    /// The same walk, with what `then` makes of its end.
    #[must_use]
    pub fn map<U>(self, then: impl FnOnce(T) -> U + Send + 'a) -> Walk<'a, U>
    where
        T: 'a,
    {
        let Self { io, future } = self;
        Walk { io, future: Box::pin(async move { then(future.await) }) }
    }

    /// Calls nobody any more: the next [`Self::poll`] ends the walk, with [`TransportError::Cancelled`]
    /// where it had not ended yet. What was proved until then stays.
    pub fn cancel(&mut self) {
        self.io.0.lock().cancelled = true;
    }

    /// Says what came of the last call.
    pub fn hear(&mut self, heard: Heard) {
        self.io.0.lock().heard = Some(heard);
    }
}

impl<T> fmt::Debug for Walk<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walk").field("io", &self.io).finish_non_exhaustive()
    }
}

/// The way between a walk and its driver. Both are never at work at once, so the lock is always
/// free; it is there because a walk may move from thread to thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Io(Arc<Mutex<Slots>>);

#[derive(Debug, Default)]
struct Slots {
    now: Moment,
    asked: Option<Asked>,
    heard: Option<Heard>,
    cancelled: bool,
}

impl Io {
    /// The time of the step.
    pub(crate) fn now(&self) -> Moment {
        self.0.lock().now
    }

    /// Asks the driver for something, and waits until it is done.
    pub(crate) async fn call(&self, peer: usize, call: Call) -> Heard {
        let mut asked = Some(Asked { peer, call });
        poll_fn(|_| {
            let mut slots = self.0.lock();
            if slots.cancelled {
                return Poll::Ready(Heard::NoAnswer(TransportError::Cancelled));
            }
            if asked.is_some() {
                (slots.asked, slots.heard) = (asked.take(), None);
            }
            slots.heard.take().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}
