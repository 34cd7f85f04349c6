//! What can go wrong with a store.

use super::keys::Key;
use std::io;
use std::path::PathBuf;
use weir_log::LogError;
use weir_migrations::{DatabaseError, FormatError};

/// What an engine said.
pub(super) type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder cannot be used.
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
    /// The disk is full, or too full to write anything safely; the store is good.
    #[error("the disk of {path} is full, the store is good; make space and start again")]
    Full {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Source,
    },
    /// The file system failed; nothing may be concluded about the store.
    #[error("the disk of {path} fails; look at it, nothing says that the store is damaged")]
    Disk {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Source,
    },
    /// The log is damaged.
    #[error(
        "the log in {path} is damaged; `weir-server fsck --data {}` says what, and with --repair \
         --source SOURCE fetches it again",
        path.display()
    )]
    Log {
        /// The folder.
        path: PathBuf,
        /// What is wrong, with file and offset.
        #[source]
        source: Box<LogError>,
    },
    /// The folder had blocks, and its log has none.
    #[error(
        "the log in {path} is missing, though the folder had blocks; put it back, or see \
         `weir-server fsck --data {}`",
        path.display()
    )]
    Lost {
        /// The folder.
        path: PathBuf,
    },
    /// The index knows more blocks than the log has.
    #[error(
        "the index in {path} knows {indexed} blocks, the log has only {logged}: the log was cut or \
         replaced; put it back, or fetch the rest again with `weir-server fsck --data {} --repair \
         --source SOURCE`",
        path.display()
    )]
    Ahead {
        /// The folder.
        path: PathBuf,
        /// Blocks that the index knows.
        indexed: u64,
        /// Blocks in the log.
        logged: u64,
    },
    /// What the index is made from cannot be read.
    #[error("cannot open the store in {path}")]
    Read {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: ReadError,
    },
}

impl OpenError {
    /// The kind of error that the file system's is.
    pub(super) fn from_log(path: PathBuf, source: LogError) -> Self {
        if source.is_full() {
            Self::Full { path, source: source.into() }
        } else if matches!(source, LogError::Io { .. }) {
            Self::Disk { path, source: source.into() }
        } else {
            Self::Log { path, source: Box::new(source) }
        }
    }

    pub(super) fn from_io(path: PathBuf, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { path, source: source.into() }
            }
            _ => Self::Disk { path, source: source.into() },
        }
    }
}

/// Why something could not be read, always a fault of the store's own state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// An entry of the index is not what was written.
    #[error(
        "index entry {entry} is damaged: {reason}; stop the server and run weir-server fsck \
         --repair, which makes the index again from the log"
    )]
    Damaged {
        /// The entry.
        entry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The index's database failed.
    #[error(
        "the index failed while {entry} was read; check the disk, then run weir-server fsck \
         --repair, which makes the index again from the log"
    )]
    Database {
        /// The entry.
        entry: String,
        /// What the database said.
        #[source]
        source: Source,
    },
    /// The log cannot be read.
    #[error(
        "block {ordinal} of the log cannot be read; run weir-server fsck, and with --repair \
         --source SOURCE where it names damage"
    )]
    Log {
        /// The block, or the one that a checkpoint stands before.
        ordinal: u64,
        /// What is wrong, with file and offset.
        #[source]
        source: Box<LogError>,
    },
    /// A record of the log is whole, but no block.
    #[error("block {ordinal} of the log is none: {reason}; run weir-server fsck")]
    Malformed {
        /// The block.
        ordinal: u64,
        /// What is wrong.
        reason: String,
    },
    /// The block was removed from the log on purpose.
    #[error("block {ordinal} was removed from the log")]
    Gone {
        /// The block.
        ordinal: u64,
    },
}

impl ReadError {
    pub(super) fn damaged(key: Key, reason: impl Into<String>) -> Self {
        Self::Damaged { entry: key.to_string(), reason: reason.into() }
    }

    pub(super) fn from_log(ordinal: u64, error: LogError) -> Self {
        Self::Log { ordinal, source: Box::new(error) }
    }

    pub(super) fn missing(key: Key) -> Self {
        Self::damaged(key, "it is missing")
    }

    pub(super) fn database(key: Key, source: Source) -> Self {
        Self::Database { entry: key.to_string(), source }
    }
}

/// Why a batch was not written.
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
    /// The log was not written. All blocks announced are there; the batch may be tried again after
    /// [`super::Store::recover`].
    #[error("the log cannot be written")]
    Log(#[source] Box<LogError>),
    /// The index was not written. The blocks are in the log, and the next start makes the index from
    /// it.
    #[error(
        "the index cannot be written; blocks up to here are served on, and the next start goes on \
         from the log"
    )]
    Index {
        /// What the engine said.
        #[source]
        source: Source,
    },
}

impl CommitError {
    pub(super) fn from_log(error: LogError) -> Self {
        Self::Log(Box::new(error))
    }

    /// Whether the disk refused the log, so that it is worth trying again; and whether it is full.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Log(error) if error.is_full() => Some(Refusal::Full),
            Self::Log(error) => match **error {
                LogError::Io { .. } | LogError::NeedsRecover => Some(Refusal::Failing),
                _ => None,
            },
            _ => None,
        }
    }
}

/// How a disk refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It has no space.
    Full,
    /// It fails, or may only be read.
    Failing,
}
