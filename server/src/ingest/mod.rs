//! Ingest: every rule a block must satisfy before anything is derived from it.
//!
//! [`Chain`] takes blocks parents first and checks hashes, links, seals and the protocol state;
//! [`certificates`] then checks the certificates of a whole batch at once.

pub mod certificates;
mod chain;
mod committees;
mod error;
mod fields;
mod headers;
mod prepared;
mod root;
mod snapshot;
mod upgrade;

pub use chain::{Accepted, Chain, FORK_BLOCKS_MAX, Restored};
pub(crate) use chain::{failure, position_of};
pub use error::{IngestError, Rule};
pub use prepared::Prepared;
pub use root::{check_root, last_sealed};
pub use snapshot::{SnapshotFault, check_snapshot};
pub use upgrade::Upgrade;
