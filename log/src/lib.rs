//! An append-only log of records, durable before it is announced: the truth from which an index follows.
//!
//! A record has an ID, a parent and a body, at an ordinal: 0, 1, 2 … It knows nothing of what it holds.
//! [`Log`] writes, one at a time; [`LogReader`]s read, in any number, what was announced. All files go
//! through [`Files`], so that tests can forget what was not synced, fail, or fill the disk.
//!
//! What a folder holds:
//! - `*.segment`, named by its first ordinal: records, and a table of their offsets once it is sealed;
//! - `*.checkpoint`: what the owner wants to know where a segment begins;
//! - `announced`: how many records were announced, in two slots that are written in turn;
//! - `quarantine/`: files that a repair replaced; `*.new`: files that were not finished.
//!
//! Promises: a record that was announced is on disk, whatever happens next, or an error says what is gone;
//! what is not whole at the end of the newest segment is cut, everything else is damage; no bytes whatever
//! make a panic. Never here: a cache of records, a thread, a lock on the folder (its owner holds one).
//!
//! [`verify`] checks a log that nobody has open and [`mend`] repairs it; [`LogReader::open`] reads one that
//! another process has, and [`copy`] backs it up. What a reader finds at an ordinal is an [`Entry`], for a body may be expunged.
//!
//! Memory: the offsets of the open segment, 4 bytes a record, and 24 bytes for each sealed segment. Tables of
//! sealed segments stay on disk: a read is two reads of a file at most.
//!
//! Libraries that were looked at: `raft-engine` panics when a sync fails and keeps an index of all entries in
//! memory; `okaywal` calls its format unstable, and reuses the files of what was checkpointed; `commitlog`
//! maps its index into memory; `walogs`, `wal-db` and `open-wal` hand out records for one replay. None counts
//! what was announced apart from the records, replaces a damaged record or takes one away, or lets tests
//! take the disk away below it; those are what this log is for.
#![forbid(unsafe_code)]

mod announced;
mod bytes;
mod checkpoint;
mod copy;
mod disk;
mod error;
mod files;
mod inventory;
mod log;
mod mend;
mod open;
mod reader;
mod record;
mod rewrite;
mod scan;
mod segment;
mod shrink;
mod survey;
#[cfg(feature = "testing")]
pub mod testing;
mod verify;
mod view;

pub use copy::{Copied, CopyError, copy};
pub use disk::{DESCRIPTORS_MAX, Disk};
pub use error::{Damage, LogError};
pub use files::Files;
pub use log::{Log, LogOptions};
pub use mend::{Fetch, Mended, mend, put_checkpoint, replace};
pub use reader::LogReader;
pub use record::{BODY_BYTES_MAX, Entry, Record};
pub use verify::{FINDINGS_MAX, Finding, Report, verify};
