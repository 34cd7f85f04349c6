//! Ingest: every rule a block must satisfy before anything is derived from it.
//!
//! [`Chain`] takes blocks parents first and checks hashes, links, seals and the protocol state;
//! [`certificates`] then checks the certificates of a whole batch at once.

mod accepted;
pub mod certificates;
mod certified;
mod chain;
mod committees;
mod conflicts;
mod error;
mod fields;
mod headers;
mod prepared;
mod root;
mod snapshot;
mod step;

pub use accepted::{Accepted, Restored};
pub use certified::Certifiers;
pub use chain::{Chain, FORK_BLOCKS_MAX};
pub(crate) use chain::{failure, position_of};
pub use conflicts::evidence_json;
pub use error::{Breach, Halt, IngestError, Rule};
pub use prepared::Prepared;
pub use root::{check_root, last_sealed};
pub use snapshot::{SnapshotFault, check_snapshot};
