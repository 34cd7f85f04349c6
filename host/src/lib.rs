//! The walk for hosts in other languages.
//!
//! A [`Client`] takes a task, says which bytes to send to whom ([`Step`]), hears what came back, and
//! ends with a verified answer as JSON. What is asked next, of whom, and whether it is true is the
//! walk's and the verifier's to decide; the host has the transport, the clock and the store.
//!
//! It reads no clock and does no I/O.
#![forbid(unsafe_code)]

mod calls;
mod client;
mod error;
mod fields;
mod options;
mod tasks;
#[cfg(feature = "watch")]
mod watch;

pub use calls::Step;
pub use client::{Client, Told};
pub use error::HostError;
pub use options::{Depth, Options, ServerAddress};
#[cfg(feature = "watch")]
pub use watch::WatchFields;
pub use weir_walk::{ClockOptions, Moment};
