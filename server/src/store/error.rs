//! What can go wrong with a store.

use super::keys::Key;
use std::path::PathBuf;
use weir_migrations::{DatabaseError, FormatError};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder or the database in it cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The folder holds something else than a store.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The store is of a later release.
    #[error(
        "the store in {path} has format {found}, newer than {expected}, the newest this version \
         knows; use a newer weir-server"
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// The newest version known.
        expected: u32,
        /// The store's version.
        found: u32,
    },
    /// The store is of an earlier release.
    #[error(
        "the store in {path} has format {found} instead of {expected}; run weir-server migrate"
    )]
    Older {
        /// The folder.
        path: PathBuf,
        /// The version wanted.
        expected: u32,
        /// The store's version.
        found: u32,
    },
    /// An entry needed to open the store is damaged.
    #[error("cannot open the store in {path}")]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: ReadError,
    },
    /// The database had to be restored, and the audit that followed found damage.
    #[error(
        "the store in {path} is damaged, {count} findings, first: {first}; \
         move the folder away and rebuild it from a source"
    )]
    Audit {
        /// The folder.
        path: PathBuf,
        /// Number of findings.
        count: u64,
        /// The first of them.
        first: String,
    },
    /// The database opens without anything that was written to it.
    #[error(
        "the store in {path} has lost its content; \
         move the folder away and rebuild it from a source"
    )]
    Lost {
        /// The folder.
        path: PathBuf,
    },
    /// The first entry could not be written.
    #[error("cannot begin a store in {path}; check permissions and free space")]
    Begin {
        /// The folder.
        path: PathBuf,
        /// What the database said.
        #[source]
        source: Source,
    },
}

/// Why something could not be read, always a fault of the store's own state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// An entry is not what was written.
    #[error(
        "store entry {entry} is damaged: {reason}; \
         stop the server, move the data folder away and rebuild it from a source"
    )]
    Damaged {
        /// The entry.
        entry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The database failed.
    #[error(
        "the database failed while reading {entry}; check the disk and run weir-server fsck, \
         or rebuild the data folder from a source"
    )]
    Database {
        /// The entry.
        entry: String,
        /// What the database said.
        #[source]
        source: Source,
    },
}

impl ReadError {
    pub(super) fn damaged(key: Key, reason: impl Into<String>) -> Self {
        Self::Damaged { entry: key.to_string(), reason: reason.into() }
    }

    pub(super) fn missing(key: Key) -> Self {
        Self::damaged(key, "it is missing")
    }

    pub(super) fn database(key: Key, source: Source) -> Self {
        Self::Database { entry: key.to_string(), source }
    }
}

/// Why a batch was not written; final for the store that it was given to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// An earlier batch failed.
    #[error("the store stopped at an earlier failed write; restart the server")]
    Stopped,
    /// The batch contradicts itself or the store.
    #[error("batch not written: {reason}; this is a bug, report it")]
    Inconsistent {
        /// What does not fit.
        reason: String,
    },
    /// A payload or preimage is longer than its limit.
    #[error("batch not written: {what} has {found} bytes, more than {limit}")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// The limit in bytes.
        limit: usize,
        /// Its length in bytes.
        found: usize,
    },
    /// What the batch builds on could not be read.
    #[error("batch not written")]
    Read(#[from] ReadError),
    /// The database failed; whether the batch is on disk is known after the next opening.
    #[error("writing to the database failed; check free space and the disk, then restart")]
    Database {
        /// What the database said.
        #[source]
        source: Source,
    },
}
