//! Ingest: every rule a block must satisfy before anything is derived from it.
//!
//! [`Chain`] takes blocks parents first and checks hashes, links, seals and the protocol state;
//! [`certificates`] then checks the certificates of a whole batch at once.

pub mod certificates;
mod chain;
mod committees;
mod error;
mod headers;

pub use chain::{Accepted, Chain, FORK_BLOCKS_MAX, Restored, check_root};
pub use error::{IngestError, Rule};
