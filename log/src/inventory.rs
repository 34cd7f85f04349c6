//! What files a log consists of, whether or not they are whole: the way in of those who check and mend.

use std::ops::Range;

use crate::announced::{self, Announced};
use crate::files::{Files, Named as _};
use crate::log::FOLDER;
use crate::segment::{self, Head, Sealed};
use crate::survey::{Known, Visit, survey};
use crate::{Damage, LogError, checkpoint};

/// The files of a log.
pub(crate) struct Inventory {
    /// The count of what was announced, if any copy can be read.
    pub(crate) announced: Option<Announced>,
    /// What is wrong with the copies of that, at which offset.
    pub(crate) bad_copies: BadCopies,
    /// In order and without gaps: files that are missing have their place.
    pub(crate) spans: Vec<Span>,
    /// The ordinals of checkpoints whose files are there, ascending.
    pub(crate) checkpoints: Vec<u64>,
}

/// Offsets in the file of what was announced.
type BadCopies = Vec<(u64, Damage)>;

/// The ordinals of one segment.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) ordinals: Range<u64>,
    /// Whether it is the newest, which is not sealed.
    pub(crate) is_open: bool,
    pub(crate) is_missing: bool,
}

impl Inventory {
    /// Finds the files.
    ///
    /// # Errors
    /// When this process may not read the folder, or a file is of a later version.
    pub(crate) fn take(files: &dyn Files) -> Result<Self, LogError> {
        let names = files.list().named("list", FOLDER)?;
        let mut firsts: Vec<u64> =
            names.iter().filter_map(|name| segment::first_of(name)).collect();
        let mut checkpoints: Vec<u64> =
            names.iter().filter_map(|name| checkpoint::ordinal_of(name)).collect();
        firsts.sort_unstable();
        checkpoints.sort_unstable();
        let is_there = names.iter().any(|name| name == announced::FILE);
        let (announced, bad_copies) = match (is_there, firsts.is_empty()) {
            (true, _) => read_announced(files)?,
            (false, true) => (None, Vec::new()),
            (false, false) => (None, vec![(0, Damage::Missing)]),
        };
        let spans = spans(files, &firsts, announced.as_ref())?;
        Ok(Self { announced, bad_copies, spans, checkpoints })
    }

    /// The first ordinal of the log.
    pub(crate) fn first(&self) -> u64 {
        self.spans.first().map_or(0, |span| span.ordinals.start)
    }

    /// The segments that begin with a checkpoint, and have none: all but that of ordinal 0.
    pub(crate) fn without_checkpoint(&self) -> impl Iterator<Item = u64> + '_ {
        let begins = self.spans.iter().map(|span| span.ordinals.start);
        begins.filter(|first| *first != 0 && self.checkpoints.binary_search(first).is_err())
    }
}

fn read_announced(files: &dyn Files) -> Result<(Option<Announced>, BadCopies), LogError> {
    match Announced::read(files) {
        Ok(mut announced) => {
            let bad = std::mem::take(&mut announced.bad);
            Ok((Some(announced), bad))
        }
        Err(LogError::Damaged { offset, damage, .. }) => Ok((None, vec![(offset, damage)])),
        Err(e) => Err(e),
    }
}

/// The segments' ordinals, by their names and what was announced.
fn spans(
    files: &dyn Files,
    firsts: &[u64],
    announced: Option<&Announced>,
) -> Result<Vec<Span>, LogError> {
    let begin = announced.map_or_else(|| firsts.first().copied(), |held| Some(held.first));
    let Some(mut next) = begin else { return Ok(Vec::new()) };
    let missing = |ordinals| Span { ordinals, is_open: false, is_missing: true };
    let mut spans = Vec::new();
    let firsts: Vec<u64> = firsts.iter().copied().filter(|first| *first >= next).collect();
    for (index, &first) in firsts.iter().enumerate() {
        if next < first {
            spans.push(missing(next..first));
        }
        let following = firsts.get(index + 1).copied();
        // A sealed segment knows where it ends, also when the one behind it is missing.
        let sealed = match (following, Sealed::read(files, first)) {
            (Some(_), Ok(sealed)) if sealed.end() > first => Some(sealed.end()),
            (_, Err(e)) if !e.is_damage() => return Err(e),
            _ => None,
        };
        let end = match following {
            Some(following) => sealed.unwrap_or(following).min(following),
            None => announced.map_or(first, |held| held.end.max(first)),
        };
        spans.push(Span { ordinals: first..end, is_open: following.is_none(), is_missing: false });
        next = end;
    }
    let end = announced.map_or(next, |held| held.end);
    if firsts.is_empty() && next < end {
        spans.push(Span { is_open: true, ..missing(next..end) });
    }
    Ok(spans)
}

impl Span {
    pub(crate) fn name(&self) -> String {
        segment::name(self.ordinals.start)
    }

    /// Reads the segment's records, by its table if that is whole.
    ///
    /// # Errors
    /// As [`survey`].
    pub(crate) fn survey(&self, files: &dyn Files, visit: &mut Visit<'_>) -> Result<(), LogError> {
        let Range { start: first, end } = self.ordinals;
        let frame = if self.is_open { None } else { self.table(files)?.ok() };
        let limit = frame.as_ref().map_or(u64::from(u32::MAX), |(at, _)| u64::from(at.records_end));
        let length = files.len(&self.name()).named("look at", &self.name())?;
        let table = frame.as_ref().map(|(_, table)| table.as_slice());
        let known = Known { first, end, is_open: self.is_open, limit: limit.min(length), table };
        survey(files, &known, visit)
    }

    /// The header, or what is wrong with it.
    pub(crate) fn head(&self, files: &dyn Files) -> Result<Result<Head, LogError>, LogError> {
        benign(Head::read(files, self.ordinals.start))
    }

    /// The trailer and the table of a sealed segment, or what is wrong with them.
    pub(crate) fn table(
        &self,
        files: &dyn Files,
    ) -> Result<Result<(Sealed, Vec<u32>), LogError>, LogError> {
        let read = Sealed::read(files, self.ordinals.start)
            .and_then(|sealed| Ok((sealed, sealed.table(files)?)));
        benign(read.and_then(|(sealed, table)| match sealed.end() {
            end if end == self.ordinals.end => Ok((sealed, table)),
            end => Err(LogError::Damaged {
                file: self.name(),
                offset: u64::from(sealed.records_end),
                ordinals: self.ordinals.clone(),
                damage: Damage::Mismatch { what: "end", expected: self.ordinals.end, found: end },
            }),
        }))
    }
}

/// Parts damage, which is to be reported, from what stops the work.
fn benign<T>(read: Result<T, LogError>) -> Result<Result<T, LogError>, LogError> {
    match read {
        Err(e) if !e.is_damage() => Err(e),
        read => Ok(read),
    }
}
