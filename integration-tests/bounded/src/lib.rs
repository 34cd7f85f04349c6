//! Tests that end: `#[bounded::test]` is `#[test]` and `#[tokio::test]` with a bound, so that a test
//! that hangs fails with its name while the others go on.
//!
//! A body runs on a thread of its own and the test waits for it, so blocking code is noticed as
//! well. What hangs is left behind until the test program ends: a thread cannot be ended from
//! outside. Programs that it started are left running.
//!
//! `ntest` and `rstest` have such attributes too. The first bounds no async body, the second wraps
//! one in a timeout of its own runtime, which never comes when the body blocks; and both
//! want a bound beside every test.
#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

pub use bounded_macros::test;

/// Runs a test's body and returns what it returns; what `#[bounded::test]` expands to.
///
/// # Panics
/// When the body panics, as it does, and when it does not end within the bound.
#[track_caller]
pub fn run<T: Send + 'static>(path: &str, body: fn() -> T) -> T {
    // As the test harness names it: without the crate.
    let name = path.split_once("::").map_or(path, |(_, name)| name);
    let bound = bound();
    let mut running = Running::start(name, body);
    loop {
        let before = APART_TURNS.load(Ordering::SeqCst);
        running = match running.ended_within(bound) {
            Ok(result) => return result,
            Err(running) => running,
        };
        // Waits for the end of work under way, which has a bound too.
        drop(apart_alone());
        if APART_TURNS.load(Ordering::SeqCst) == before {
            panic!("{name} does not end: a test has {bound:?}, or seconds of ${BOUND_VARIABLE}");
        }
    }
}

/// Does work that may take longer than a test, such as to compile a program: a test under way
/// meanwhile has its whole bound after it.
///
/// # Panics
/// When the work panics, as it does, and when it does not end within [`APART_BOUND`].
pub fn apart<T: Send + 'static>(name: &str, work: fn() -> T) -> T {
    let _alone = apart_alone();
    APART_TURNS.fetch_add(1, Ordering::SeqCst);
    let ended = Running::start(name, work).ended_within(APART_BOUND);
    APART_TURNS.fetch_add(1, Ordering::SeqCst);
    ended.unwrap_or_else(|_| panic!("{name} does not end within {APART_BOUND:?}"))
}

fn apart_alone() -> MutexGuard<'static, ()> {
    APART.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A body on its thread.
struct Running<T> {
    thread: JoinHandle<T>,
    /// Disconnected when the body has ended, in whatever way.
    ended: Receiver<()>,
}

impl<T: Send + 'static> Running<T> {
    fn start(name: &str, body: fn() -> T) -> Self {
        let (alive, ended) = channel();
        let body = move || {
            let _alive = alive;
            body()
        };
        let thread = Builder::new().name(name.to_owned()).spawn(body);
        Self { thread: thread.expect("the system has a thread for a test"), ended }
    }

    /// The result, or the body again when it takes longer.
    fn ended_within(self, bound: Duration) -> Result<T, Self> {
        match self.ended.recv_timeout(bound) {
            Err(RecvTimeoutError::Timeout) => Err(self),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => match self.thread.join() {
                Ok(result) => Ok(result),
                // Said already, by the thread; `should_panic` wants to see it.
                Err(panic) => std::panic::resume_unwind(panic),
            },
        }
    }
}

fn bound() -> Duration {
    let Ok(seconds) = std::env::var(BOUND_VARIABLE) else { return BOUND };
    let seconds = seconds.parse().unwrap_or_else(|_| panic!("${BOUND_VARIABLE} = {seconds}"));
    Duration::from_secs(seconds)
}

/// Held while there is work apart.
static APART: Mutex<()> = Mutex::new(());
/// Beginnings and ends of work apart.
static APART_TURNS: AtomicU64 = AtomicU64::new(0);

/// Longest time for a test.
///
/// The longest ones take half a minute on two idle cores and a single wait in a test has five
/// minutes (`PATIENCE` in the harness), whose end says more than this one: so twice that.
pub const BOUND: Duration = Duration::from_secs(600);
/// Longest time for work apart: two cores that many share build both programs within it.
pub const APART_BOUND: Duration = Duration::from_secs(3600);
/// Environment variable with another bound, in seconds.
pub const BOUND_VARIABLE: &str = "WEIR_TEST_BOUND_SECONDS";
