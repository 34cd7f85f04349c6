//! Readers of what was announced.

use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::bytes::u32_at;
use crate::files::{Files, is_unreadable, read_up_to};
use crate::record::{self, Entry, HEADER_BYTES};
use crate::scan::{From, Scanner, Step};
use crate::segment::{self, HEAD_BYTES, HEAD_END, Sealed};
use crate::view::{Place, View};
use crate::{Damage, LogError, checkpoint, open};

/// What the writer and the readers of a log have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) view: RwLock<View>,
}

impl Shared {
    pub(crate) fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a log while it is written; copies are cheap and read in parallel.
#[derive(Clone, Debug)]
pub struct LogReader {
    shared: Arc<Shared>,
}

impl LogReader {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Reads a log that somebody else may have open, as of now, and writes nothing. What is appended later is
    /// not seen, and what is pruned later gives errors.
    ///
    /// # Errors
    /// As [`crate::Log::open`]; [`LogError::Damaged`] too where there is no log.
    pub fn open(files: Arc<dyn Files>) -> Result<Self, LogError> {
        let view = RwLock::new(open::look(&*files)?);
        Ok(Self::new(Arc::new(Shared { files, view })))
    }

    /// What this sees.
    pub(crate) fn view(&self) -> RwLockReadGuard<'_, View> {
        self.shared.view()
    }

    /// The first ordinal held: 0, or where the log begins since it was pruned.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.shared.view().first
    }

    /// The ordinal after the last one announced.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.shared.view().end()
    }

    /// Reads the record of an ordinal, or `None` before [`LogReader::first`] and from [`LogReader::end`] on.
    ///
    /// # Errors
    /// [`LogError::Io`] when a file cannot be read, [`LogError::Damaged`] when it does not hold the record.
    pub fn read(&self, ordinal: u64) -> Result<Option<Entry>, LogError> {
        self.undisturbed(|| {
            let Some(place) = self.shared.view().place(ordinal) else { return Ok(None) };
            let files = &*self.shared.files;
            match place {
                Place::Open { first, begin, end } => {
                    read_between(files, &segment::name(first), ordinal, begin..end)
                }
                Place::Sealed(sealed) => read_sealed(files, &sealed, ordinal),
            }
            .map(Some)
            .map_err(|e| e.concerning(ordinal..ordinal + 1))
        })
    }

    /// Reads records in order from the beginning of a range, until it ends or the entries have so many bytes,
    /// but at least one: what is returned begins with the range's first ordinal.
    ///
    /// # Errors
    /// As [`LogReader::read`], when the first of the range cannot be read; otherwise what comes before the
    /// damage is returned. [`LogError::NotThere`] if the log does not hold the first ordinal.
    pub fn read_range(
        &self,
        range: Range<u64>,
        limit_bytes: usize,
    ) -> Result<Vec<Entry>, LogError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        self.undisturbed(|| {
            let mut entries = Vec::new();
            let mut left = limit_bytes;
            while (entries.len() as u64) < range.end - range.start {
                let ordinal = range.start + entries.len() as u64;
                let before = entries.len();
                match self.read_segment(ordinal..range.end, &mut left, &mut entries) {
                    Err(e) if entries.is_empty() => return Err(e.concerning(ordinal..ordinal + 1)),
                    Err(_) => break,
                    Ok(()) if left == 0 || entries.len() == before => break,
                    Ok(()) => {}
                }
            }
            Ok(entries)
        })
    }

    /// The ordinals before which there is a checkpoint, ascending: where segments begin.
    #[must_use]
    pub fn checkpoints(&self) -> Vec<u64> {
        self.shared.view().checkpoints.clone()
    }

    /// Reads the checkpoint before an ordinal, or `None` if there is none.
    ///
    /// # Errors
    /// As [`LogReader::read`].
    pub fn checkpoint(&self, ordinal: u64) -> Result<Option<Vec<u8>>, LogError> {
        self.undisturbed(|| {
            if self.shared.view().checkpoints.binary_search(&ordinal).is_err() {
                return Ok(None);
            }
            checkpoint::read(&*self.shared.files, ordinal).map(Some)
        })
    }

    /// Reads again if files were replaced or removed meanwhile.
    fn undisturbed<T>(&self, read: impl Fn() -> Result<T, LogError>) -> Result<T, LogError> {
        loop {
            let generation = self.shared.view().generation;
            let found = read();
            if found.is_ok() || self.shared.view().generation == generation {
                return found;
            }
        }
    }

    /// Reads on within one segment, to its end at most.
    fn read_segment(
        &self,
        range: Range<u64>,
        left: &mut usize,
        entries: &mut Vec<Entry>,
    ) -> Result<(), LogError> {
        let files = &*self.shared.files;
        let (place, held, open_end) = {
            let view = self.shared.view();
            (view.place(range.start), view.first..view.end(), view.open.records_end)
        };
        let (first, offset, limit) = match place {
            None if entries.is_empty() => {
                return Err(LogError::NotThere { ordinal: range.start, held });
            }
            None => return Ok(()),
            Some(Place::Open { first, begin, .. }) => (first, u64::from(begin), open_end),
            Some(Place::Sealed(sealed)) => {
                (sealed.first, find(files, &sealed, range.start)?.0, sealed.records_end)
            }
        };
        let name = segment::name(first);
        let from = From { ordinal: range.start, offset, limit: u64::from(limit) };
        let mut scanner = Scanner::new(files, &name, from);
        for ordinal in range.start..range.end.min(held.end) {
            let (offset, entry) = match scanner.next()? {
                Step::End => break,
                Step::Bad { offset, damage } => (offset, Err(damage)),
                Step::Record { offset, bytes, .. } => (offset, record::decode(bytes, ordinal)),
            };
            let entry = entry.map_err(|damage| damaged(&name, offset, ordinal, damage))?;
            *left = left.saturating_sub(entry_bytes(&entry));
            entries.push(entry);
            if *left == 0 {
                break;
            }
        }
        Ok(())
    }
}

/// What an entry takes in memory.
fn entry_bytes(entry: &Entry) -> usize {
    let body = match entry {
        Entry::Record(record) => record.body.len(),
        Entry::Expunged { .. } => 0,
    };
    HEADER_BYTES + body
}

fn damaged(file: &str, offset: u64, ordinal: u64, damage: Damage) -> LogError {
    let ordinals = ordinal..ordinal.saturating_add(1);
    LogError::Damaged { file: file.to_owned(), offset, ordinals, damage }
}

fn read_between(
    files: &dyn Files,
    name: &str,
    ordinal: u64,
    at: Range<u32>,
) -> Result<Entry, LogError> {
    let offset = u64::from(at.start);
    let bytes = read_up_to(files, name, offset, at.len())?;
    record::decode(&bytes, ordinal).map_err(|damage| damaged(name, offset, ordinal, damage))
}

/// Reads a record where the table says; where it stands if the table is damaged.
fn read_sealed(files: &dyn Files, sealed: &Sealed, ordinal: u64) -> Result<Entry, LogError> {
    let (offset, bytes) = find(files, sealed, ordinal)?;
    let file = || segment::name(sealed.first);
    record::decode(&bytes, ordinal).map_err(|e| damaged(&file(), offset, ordinal, e))
}

/// Finds where a record begins, and its bytes: by the table, or by reading what comes before it.
fn find(files: &dyn Files, sealed: &Sealed, ordinal: u64) -> Result<(u64, Vec<u8>), LogError> {
    let name = segment::name(sealed.first);
    let table_at = sealed.table_at(ordinal - sealed.first);
    let pair = match read_up_to(files, &name, table_at, 8) {
        Err(e) if is_unreadable(&e) => return scan_for(files, sealed, ordinal),
        read => read?,
    };
    let at = (pair.len() == 8).then(|| u32_at(&pair, 0)..u32_at(&pair, 4));
    let in_order = |at: &Range<u32>| HEAD_END <= at.start && at.start < at.end;
    let failed = match at.filter(|at| in_order(at) && at.end <= sealed.records_end) {
        None => damaged(&name, table_at, ordinal, Damage::Header),
        Some(at) => {
            let offset = u64::from(at.start);
            match read_up_to(files, &name, offset, at.len()) {
                Err(e) if is_unreadable(&e) => e,
                Err(e) => return Err(e),
                Ok(bytes) => match record::check(&bytes, ordinal) {
                    Ok(_) => return Ok((offset, bytes)),
                    Err(damage) => damaged(&name, offset, ordinal, damage),
                },
            }
        }
    };
    // The table is checked only now: whole, it tells where the damage is.
    match sealed.table(files) {
        Ok(_) => Err(failed),
        Err(e) if e.is_damage() => scan_for(files, sealed, ordinal),
        Err(e) => Err(e),
    }
}

fn scan_for(files: &dyn Files, sealed: &Sealed, wanted: u64) -> Result<(u64, Vec<u8>), LogError> {
    let name = segment::name(sealed.first);
    let limit = u64::from(sealed.records_end);
    let from = From { ordinal: sealed.first, offset: HEAD_BYTES as u64, limit };
    let mut scanner = Scanner::new(files, &name, from);
    for ordinal in sealed.first.. {
        let (offset, damage) = match scanner.next()? {
            Step::Record { offset, bytes, .. } if ordinal == wanted => {
                return Ok((offset, bytes.to_vec()));
            }
            Step::Record { .. } => continue,
            Step::End => (limit, Damage::Short),
            Step::Bad { offset, damage } => (offset, damage),
        };
        let ordinals = ordinal..wanted.saturating_add(1);
        return Err(LogError::Damaged { file: name, offset, ordinals, damage });
    }
    Err(damaged(&name, limit, wanted, Damage::Short))
}
