//! Copies a log, also one that somebody writes to just now, into other files: only what they lack.
//!
//! Whenever it ends early, the copy is a log as before, or one whose first copying goes on later: segments
//! come in order and whole, and what was announced comes last.

use std::sync::Arc;

use crate::announced::{self, Announced};
use crate::files::{Files, Named as _, draft, put, read_up_to};
use crate::log::FOLDER;
use crate::reader::LogReader;
use crate::scan::{From, Scanner, Step};
use crate::segment::{self, HEAD_BYTES, Sealed, TRAILER_BYTES, encode_table};
use crate::view::View;
use crate::{Damage, Entry, LogError, checkpoint, open};

/// What was copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Segments written.
    pub segments: u64,
    /// Segments that the copy had already.
    pub kept: u64,
    /// Bytes written.
    pub bytes: u64,
    /// The first ordinal of the copy.
    pub first: u64,
    /// The ordinal after its last record.
    pub end: u64,
}

/// Why a log was not copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The log that is copied cannot be read.
    #[error("the log cannot be read")]
    From(#[source] LogError),
    /// The copy cannot be read or written.
    #[error("the copy cannot be read or written")]
    To(#[source] LogError),
    /// The copy is of another log.
    #[error(
        "the copy is of another log: the records before {ordinal} differ, or cannot be compared"
    )]
    Another {
        /// The ordinal after the records that were compared.
        ordinal: u64,
    },
    /// The copy has more than the log.
    #[error("the copy has the records before {found}, the log only those before {expected}")]
    Ahead {
        /// The end of the log.
        expected: u64,
        /// The end of the copy.
        found: u64,
    },
}

/// Copies what was announced of a log into files that are empty, or hold an earlier copy.
///
/// Every record is checked when it is copied. Segments that both have are not read: their lengths, headers
/// and tables' checksums are compared. What was pruned or expunged in the log goes from the copy too.
/// `progress` gets the segments that are done, and how many there are.
///
/// # Errors
/// [`CopyError::Another`] and [`CopyError::Ahead`] before anything is written. After the others the copy
/// is as it was, with some segments more, and copying again goes on.
pub fn copy(
    from: &Arc<dyn Files>,
    to: &Arc<dyn Files>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Copied, CopyError> {
    let source = LogReader::open(from.clone()).map_err(CopyError::From)?;
    let view = source.view();
    let known_end = check_same(&source, &view, (&**from, to))?;
    let mut work = Work { from: &**from, to: &**to, copied: Copied::default() };
    let total = view.sealed.len() as u64 + 1;
    for (sealed, done) in view.sealed.iter().zip(0..) {
        progress(done, total);
        work.checkpoint(&view, sealed.first)?;
        work.sealed(sealed.first)?;
    }
    progress(total - 1, total);
    work.checkpoint(&view, view.open.first)?;
    work.open(&view, known_end)?;
    announce(work.to, &view).map_err(CopyError::To)?;
    progress(total, total);
    Ok(Copied { first: view.first, end: view.end(), ..work.copied })
}

/// Checks that the copy is an earlier one of the same log, and returns its end, if it was announced.
fn check_same(
    source: &LogReader,
    view: &View,
    (from, to): (&dyn Files, &Arc<dyn Files>),
) -> Result<Option<u64>, CopyError> {
    let names = to.list().named("list", FOLDER).map_err(CopyError::To)?;
    if !names.iter().any(|name| name == announced::FILE) {
        // A first copying begins with the first segment, and did not come to its end.
        let name = segment::name(view.first);
        let begun = names.iter().any(|name| segment::first_of(name).is_some());
        let same = begun && names.contains(&name) && {
            let ours = first_id(from, &name).map_err(CopyError::From)?;
            ours == first_id(&**to, &name).map_err(CopyError::To)?
        };
        let fits = same || !begun;
        return if fits { Ok(None) } else { Err(CopyError::Another { ordinal: view.first }) };
    }
    let copy = LogReader::open(to.clone()).map_err(CopyError::To)?;
    let (end, expected) = (copy.end(), view.end());
    if end > expected {
        return Err(CopyError::Ahead { expected, found: end });
    }
    let newest = end.checked_sub(1).filter(|newest| *newest >= view.first.max(copy.first()));
    let Some(newest) = newest else {
        let empty = end == copy.first() && end <= view.first;
        return if empty { Ok(Some(end)) } else { Err(CopyError::Another { ordinal: end }) };
    };
    let id = |entry: Option<Entry>| entry.map(|entry| *entry.id());
    let expected = id(source.read(newest).map_err(CopyError::From)?);
    let found = id(copy.read(newest).map_err(CopyError::To)?);
    if expected == found { Ok(Some(end)) } else { Err(CopyError::Another { ordinal: end }) }
}

struct Work<'a> {
    from: &'a dyn Files,
    to: &'a dyn Files,
    copied: Copied,
}

impl Work<'_> {
    fn checkpoint(&mut self, view: &View, ordinal: u64) -> Result<(), CopyError> {
        if view.checkpoints.binary_search(&ordinal).is_err() {
            return Ok(());
        }
        let name = checkpoint::name(ordinal);
        if self.has(&name) && same_file(self.from, self.to, &name)? {
            return Ok(());
        }
        checkpoint::read(self.from, ordinal).map_err(CopyError::From)?;
        let bytes = whole(self.from, &name).map_err(CopyError::From)?;
        put(self.to, &name, &bytes).map_err(CopyError::To)?;
        self.copied.bytes += bytes.len() as u64;
        Ok(())
    }

    fn sealed(&mut self, first: u64) -> Result<(), CopyError> {
        let name = segment::name(first);
        let sealed = Sealed::read(self.from, first).map_err(CopyError::From)?;
        let length = sealed.table_at(sealed.count + 1) + TRAILER_BYTES as u64;
        if self.has(&name) && self.same_frame(&name, length)? {
            self.copied.kept += 1;
            return Ok(());
        }
        let records = Records { first, count: sealed.count, end: u64::from(sealed.records_end) };
        self.segment(&records, length)
    }

    /// Copies the newest segment up to what was announced, unless the copy ends with the same records.
    fn open(&mut self, view: &View, known_end: Option<u64>) -> Result<(), CopyError> {
        let open = &view.open;
        let (name, length) = (open.name(), u64::from(open.records_end));
        let is_known = known_end == Some(open.end()) && self.has(&name);
        if is_known && self.same_frame(&name, length)? {
            self.copied.kept += 1;
            return Ok(());
        }
        let count = open.offsets.len() as u64;
        self.segment(&Records { first: open.first, count, end: length }, length)
    }

    /// Whether both have a file of this length that begins and ends alike, as rewritten segments do not.
    fn same_frame(&self, name: &str, length: u64) -> Result<bool, CopyError> {
        let found = self.to.len(name).named("look at", name).map_err(CopyError::To)?;
        if found != length {
            return Ok(false);
        }
        let tail = length.saturating_sub(TRAILER_BYTES as u64);
        for (offset, bytes) in [(0, HEAD_BYTES), (tail, TRAILER_BYTES)] {
            let ours = read_up_to(self.from, name, offset, bytes).map_err(CopyError::From)?;
            if ours != read_up_to(self.to, name, offset, bytes).map_err(CopyError::To)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn segment(&mut self, records: &Records, length: u64) -> Result<(), CopyError> {
        let name = segment::name(records.first);
        let draft = draft(&name);
        let copied = self.fill(&name, &draft, length).and_then(|()| {
            records.check(self.to, &draft, length)?;
            self.to.sync_file(&draft).named("sync", &draft).map_err(CopyError::To)
        });
        if let Err(error) = copied {
            // Gives its space back at once; if that fails, opening the copy removes it.
            let _ = self.to.remove(&draft);
            return Err(error);
        }
        self.to.rename(&draft, &name).named("rename", &draft).map_err(CopyError::To)?;
        // A segment must not outlast those before it.
        self.to.sync_folder().named("sync", FOLDER).map_err(CopyError::To)?;
        self.copied.segments += 1;
        self.copied.bytes += length;
        Ok(())
    }

    fn fill(&self, name: &str, draft: &str, length: u64) -> Result<(), CopyError> {
        self.to.create(draft).named("create", draft).map_err(CopyError::To)?;
        let mut offset = 0;
        while offset < length {
            let piece = usize::try_from(length - offset).unwrap_or(usize::MAX).min(PIECE_BYTES);
            let bytes = read_up_to(self.from, name, offset, piece).map_err(CopyError::From)?;
            self.to.write_at(draft, offset, &bytes).named("write", draft).map_err(CopyError::To)?;
            if bytes.len() < piece {
                // Shorter than its frame said: the check names what is missing.
                break;
            }
            offset += piece as u64;
        }
        Ok(())
    }

    fn has(&self, name: &str) -> bool {
        self.to.len(name).is_ok()
    }
}

/// The records of a segment, of which the last ends at an offset.
struct Records {
    first: u64,
    count: u64,
    end: u64,
}

impl Records {
    /// Checks what was copied: each record, and the table behind them if there is one.
    fn check(&self, to: &dyn Files, draft: &str, length: u64) -> Result<(), CopyError> {
        let damaged = |ordinal: u64, offset: u64, damage: Damage| {
            let ordinals = ordinal..self.first + self.count;
            let file = segment::name(self.first);
            CopyError::From(LogError::Damaged { file, offset, ordinals, damage })
        };
        let from = From { ordinal: self.first, offset: HEAD_BYTES as u64, limit: self.end };
        let mut scanner = Scanner::new(to, draft, from);
        let mut offsets = Vec::new();
        for ordinal in self.first..self.first + self.count {
            match scanner.next().map_err(CopyError::To)? {
                Step::Record { offset, .. } => {
                    // Below the limit, which came from 32 bits.
                    offsets.push(u32::try_from(offset).unwrap_or(u32::MAX));
                }
                Step::End => return Err(damaged(ordinal, self.end, Damage::Short)),
                Step::Bad { offset, damage } => return Err(damaged(ordinal, offset, damage)),
            }
        }
        if length == self.end {
            return Ok(());
        }
        let end = u32::try_from(self.end).unwrap_or(u32::MAX);
        let expected = encode_table(self.first, &offsets, end);
        let table = usize::try_from(length - self.end).unwrap_or(usize::MAX);
        let found = read_up_to(to, draft, self.end, table).map_err(CopyError::To)?;
        if found == expected { Ok(()) } else { Err(damaged(self.first, self.end, Damage::Header)) }
    }
}

/// The ID of a segment's first record, whatever became of its body.
fn first_id(files: &dyn Files, name: &str) -> Result<Vec<u8>, LogError> {
    read_up_to(files, name, HEAD_BYTES as u64 + ID_AT, 32)
}

fn whole(files: &dyn Files, name: &str) -> Result<Vec<u8>, LogError> {
    let length = files.len(name).named("look at", name)?;
    read_up_to(files, name, 0, usize::try_from(length).unwrap_or(usize::MAX))
}

fn same_file(from: &dyn Files, to: &dyn Files, name: &str) -> Result<bool, CopyError> {
    let ours = whole(from, name).map_err(CopyError::From)?;
    Ok(ours == whole(to, name).map_err(CopyError::To)?)
}

/// Says that the copy has what the view has, and removes what that has no more.
fn announce(to: &dyn Files, view: &View) -> Result<(), LogError> {
    to.sync_folder().named("sync", FOLDER)?;
    let (first, end) = (view.first, view.end());
    if to.len(announced::FILE).is_ok() {
        let mut announced = Announced::read(to)?;
        // In both slots, so that neither alone misses what is removed next.
        announced.write(to, first, end)?;
        announced.write(to, first, end)?;
    } else {
        Announced::create(to, first, end)?;
        to.sync_folder().named("sync", FOLDER)?;
    }
    open::clean(to, view)
}

/// Where the ID stands in a record.
const ID_AT: u64 = 24;
/// Bytes that are copied at once.
const PIECE_BYTES: usize = 1 << 20;
