//! Why a folder gives no blocks.

use std::io;
use std::path::PathBuf;

use thiserror::Error;
use weir_migrations::OldStoreError;
use weir_proto::frames::FrameError;
use weir_protocol::codec::snapshot::SnapshotError;

use super::chain_folder::{BLOCKS_FILE, SNAPSHOT_BYTES_MAX, SNAPSHOT_FILE};
use crate::store::ReadError;

/// Why a folder gives no blocks.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// No such folder.
    #[error("{} is not a folder; a chain folder holds {SNAPSHOT_FILE} and {BLOCKS_FILE}", path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// A file is missing.
    #[error("{} holds neither {name} nor {name}.gz", dir.display())]
    MissingFile {
        /// The folder.
        dir: PathBuf,
        /// The file.
        name: &'static str,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The root snapshot is too large.
    #[error("{} is larger than {SNAPSHOT_BYTES_MAX} bytes", path.display())]
    SnapshotTooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The root snapshot is malformed.
    #[error("{}: {source}", path.display())]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SnapshotError,
    },
    /// The file of blocks is malformed.
    #[error("{}: {source}", path.display())]
    Blocks {
        /// The file.
        path: PathBuf,
        /// Why.
        source: FrameError,
    },
    /// A log or an index cannot be read.
    #[error("{}: {source}", path.display())]
    Store {
        /// The data folder.
        path: PathBuf,
        /// Why.
        source: ReadError,
    },
    /// A store of format 3 cannot be read.
    #[error("{}: {source}", path.display())]
    OldStore {
        /// The data folder.
        path: PathBuf,
        /// Why.
        source: OldStoreError,
    },
    /// A stored block lacks its payload, or has none that can be read.
    #[error("{}: block {ordinal}: {reason}", path.display())]
    StoredBlock {
        /// The data folder.
        path: PathBuf,
        /// The block.
        ordinal: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A log does not begin with its root.
    #[error("{}: the log does not begin with its root snapshot", path.display())]
    NoRoot {
        /// The data folder.
        path: PathBuf,
    },
}
