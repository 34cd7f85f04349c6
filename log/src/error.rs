//! What can go wrong with a log; every message names the file, the offset and the ordinals concerned.

use std::io;
use std::ops::Range;

/// Why an operation on a log failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The file system refused; the log itself may be good.
    #[error("cannot {action} {file}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file, below the log's folder.
        file: String,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// The file system has less space than the reserve wants; nothing was written.
    #[error("{free} bytes are free, {needed} are needed with the reserve; make space")]
    Full {
        /// Free bytes.
        free: u64,
        /// Bytes to be written, and the reserve.
        needed: u64,
    },
    /// An earlier write failed, and [`crate::Log::recover`] was not called since.
    #[error("an earlier write to the log failed; it has to be recovered first")]
    NeedsRecover,
    /// Fewer records are there than were announced.
    #[error(
        "the log announced the records before {announced}, but they end before {found} \
         at offset {offset} of {file}: {damage}"
    )]
    Lost {
        /// The end that was announced: the ordinal after the last record.
        announced: u64,
        /// The end of what can be read without a gap.
        found: u64,
        /// The file in which the records end.
        file: String,
        /// Where in the file, in bytes.
        offset: u64,
        /// What is there instead of the next record.
        damage: Damage,
    },
    /// A file does not hold what was written to it.
    #[error(
        "{file} is damaged at offset {offset}: {damage} (ordinals {} up to {})",
        ordinals.start, ordinals.end
    )]
    Damaged {
        /// The file, below the log's folder.
        file: String,
        /// Where in the file, in bytes.
        offset: u64,
        /// The records that may be concerned, the end excluded.
        ordinals: Range<u64>,
        /// What is wrong.
        damage: Damage,
    },
    /// The file was written by a later version.
    #[error("{file} has format {found}, newer than {expected}, the newest this version knows")]
    Newer {
        /// The file.
        file: String,
        /// The newest format known.
        expected: u32,
        /// The file's.
        found: u32,
    },
    /// A record's body or a checkpoint is longer than a reader would accept.
    #[error("{bytes} bytes at ordinal {ordinal} are too many for one body, at most {max}")]
    TooLarge {
        /// The record or checkpoint.
        ordinal: u64,
        /// Its bytes.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The open segment has no room for offsets of 32 bits; a new one has to be begun.
    #[error("the segment from ordinal {first} cannot grow beyond 4 GiB; begin a new one")]
    SegmentTooLong {
        /// The segment's first ordinal.
        first: u64,
    },
    /// The ordinal asked for is not in the log.
    #[error("ordinal {ordinal} is not in the log, which has {} up to {}", held.start, held.end)]
    NotThere {
        /// What was asked for.
        ordinal: u64,
        /// What is there, the end excluded.
        held: Range<u64>,
    },
}

impl LogError {
    /// Names the ordinals that damage of a frame, or bytes that cannot be read, concern.
    pub(crate) fn concerning(self, concerned: Range<u64>) -> Self {
        match self {
            Self::Damaged { file, offset, ordinals, damage } if ordinals.is_empty() => {
                Self::Damaged { file, offset, ordinals: concerned, damage }
            }
            other => other,
        }
    }

    /// Whether the disk is full: [`LogError::Full`], or a write that failed for it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Full { .. } => true,
            Self::Io { source, .. } => {
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            _ => false,
        }
    }

    /// Whether a file does not hold what was written to it, so that a repair is needed.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Lost { .. })
    }
}

/// What is wrong with bytes of a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The file ends within or before what should be there.
    #[error("the file ends here")]
    Short,
    /// The file system cannot read the bytes.
    #[error("the disk cannot read this")]
    Unreadable,
    /// The file is not there.
    #[error("the file is missing")]
    Missing,
    /// The checksum is another.
    #[error("checksum {found:08x} instead of {expected:08x}")]
    Checksum {
        /// The checksum written.
        expected: u32,
        /// That of the bytes.
        found: u32,
    },
    /// The file does not begin, or end, as such files do.
    #[error("not a file of this kind")]
    Magic,
    /// Another ordinal.
    #[error("ordinal {found} instead of {expected}")]
    Ordinal {
        /// The ordinal wanted.
        expected: u64,
        /// The ordinal there.
        found: u64,
    },
    /// Numbers that are never written: of a record's header, or of what was announced.
    #[error("numbers that are never written")]
    Header,
    /// The body is whole, but does not decompress to its length.
    #[error("a body that does not decompress")]
    Body,
    /// Lengths or counts that do not fit together.
    #[error("{what} is {found} instead of {expected}")]
    Mismatch {
        /// What does not fit.
        what: &'static str,
        /// What follows from the other files.
        expected: u64,
        /// What the file says.
        found: u64,
    },
    /// The record's parent is no earlier record.
    #[error("the parent {} is no earlier record", Hex(parent))]
    Link {
        /// The parent named.
        parent: [u8; 32],
    },
    /// The segment's header names another record before its first.
    #[error("the record before the segment is not {}", Hex(previous))]
    Previous {
        /// The ID that the header names.
        previous: [u8; 32],
    },
}

struct Hex<'a>(&'a [u8; 32]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
