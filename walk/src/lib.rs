//! The walk: from a checkpoint to the head, and from a question to its answer. Which evidence to
//! fetch next, from whom, and when to stop.
//!
//! It does no I/O and reads no clock. A [`Walk`] says what to do next ([`Step`]), its driver does it
//! and says what came of it ([`Heard`]); so every host drives the same walk: the Rust client with
//! tonic, a page with `fetch`, a C program with whatever it has.
//!
//! ```text
//! loop {
//!     match walk.poll(now) {
//!         Step::Call(asked) => walk.hear(/* do it */),
//!         Step::Waits => /* nothing was heard yet */,
//!         Step::Done(value) => break value,
//!     }
//! }
//! ```
//!
//! Inside, a walk is an `async fn`: the compiler writes its state machine. The only thing such a
//! function awaits is the driver, so it needs no runtime, and outside of a [`Walk`] it never ends.
//! What is trusted changes only between two steps, so a walk may be dropped at any of them.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod ask;
mod asking;
mod blame;
mod error;
mod io;
mod states;
mod sync;
mod time;
mod transport_error;
mod tree;
mod upgrades;
mod walker;
pub mod watch;
mod witnesses;

pub use blame::{Fault, Judge, Lie, Remark, Stale};
pub use error::AskError;
pub use io::{Asked, Call, Heard, Moment, Reply, ServerSays, Step, Walk};
pub use sync::SyncProgress;
pub use time::ClockOptions;
pub use transport_error::{Code, TransportError};
pub use tree::{TreeOutcome, ask_tree_with_root};
pub use walker::{Beginning, Outcome, Walker, start};
pub use weir_peers::{NoPeer, Peers, Shared as SharedPeers, Standing};
pub use witnesses::{ServerReport, Testimony, Verdict};
