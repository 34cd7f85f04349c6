//! Who may connect to a server, and how much is worked on at once.
//!
//! Memory and threads follow from what is admitted, not from what is asked: [`Workers`] bound the work,
//! [`connections`] the connections. Whoever is turned away is told so, and whoever has been quiet for
//! longest makes room for others.
#![forbid(unsafe_code)]

mod connection;
mod connections;
mod places;
mod streams;
mod tls;
mod workers;

pub use connection::Connection;
pub use connections::{Limits, Port, Secured, connections, server};
pub use streams::feed;
pub use tls::{Files, Tls, TlsError};
pub use workers::{Busy, RETRY_METADATA, Workers};
