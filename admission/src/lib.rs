//! Who may connect to a server, and how much is worked on at once.
//!
//! Memory and threads follow from what is admitted, not from what is asked: [`Workers`] bound the work,
//! [`connections`] the connections. Whoever is turned away is told so, and whoever has been quiet for
//! longest makes room for others.
#![forbid(unsafe_code)]

use std::time::Duration;

mod connection;
mod connections;
mod places;
mod workers;

pub use connection::Connection;
pub use connections::{Limits, connections};
pub use workers::{Busy, RETRY_METADATA, Workers};

/// How often HTTP/2 asks for a sign of life, which is well within the time that a connection may be quiet.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// How long it waits for one.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
