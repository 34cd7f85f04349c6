//! Opening: finds the segments, holds them against what was announced, and cuts the torn end.

use std::io;

use crate::announced::{self, Announced};
use crate::files::{DRAFT, Files, Named as _, put, read_up_to};
use crate::log::FOLDER;
use crate::scan::{From, Scanner, Step};
use crate::segment::{self, HEAD_BYTES, Head, Sealed};
use crate::view::{OpenSegment, View};
use crate::{Damage, LogError, checkpoint};

/// A log as it was found.
pub(crate) struct Opened {
    pub(crate) announced: Announced,
    pub(crate) view: View,
    /// Whether it can be read but not written.
    pub(crate) broken: bool,
}

/// Opens what the files hold, or begins a log.
pub(crate) fn open(files: &dyn Files) -> Result<Opened, LogError> {
    let names = files.list().named("list", FOLDER)?;
    let mut announced = if names.iter().any(|name| name == announced::FILE) {
        Announced::read(files)?
    } else if firsts(&names, 0).is_empty() {
        begin(files)?
    } else {
        return Err(announced::damaged(Damage::Missing));
    };
    let mut firsts = firsts(&names, announced.first);
    if firsts.is_empty() && announced.end == announced.first {
        begin_first_segment(files, announced.first)?;
        firsts.push(announced.first);
    }
    let (mut view, torn) = find(files, &firsts, &announced)?;
    view.checkpoints = checkpoints(&names, &firsts);
    let found_more = view.end() > announced.end;
    let settled = settle(files, &mut announced, &view, torn);
    match settled {
        // Nothing has to be written for what was announced to be read.
        Err(LogError::Io { .. }) if announced.is_certain && !found_more => {
            Ok(Opened { announced, view, broken: true })
        }
        Err(e) => Err(e),
        Ok(()) => Ok(Opened { announced, view, broken: false }),
    }
}

/// What was announced of a log that somebody else may be writing just now; writes nothing.
pub(crate) fn look(files: &dyn Files) -> Result<View, LogError> {
    // Before the names, so that all of what was announced is in files that are listed.
    let announced = match Announced::read(files) {
        Err(LogError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Err(announced::damaged(Damage::Missing));
        }
        announced => announced?,
    };
    let names = files.list().named("list", FOLDER)?;
    let firsts = firsts(&names, announced.first);
    let (mut view, _) = find(files, &firsts, &announced)?;
    view.checkpoints = checkpoints(&names, &firsts);
    if announced.is_certain {
        view.open.cut_back(announced.end);
    }
    Ok(view)
}

/// The first ordinals of the segments from one on, ascending.
fn firsts(names: &[String], begin: u64) -> Vec<u64> {
    let mut firsts: Vec<u64> = names.iter().filter_map(|name| segment::first_of(name)).collect();
    // What was before may be half removed.
    firsts.retain(|first| *first >= begin);
    firsts.sort_unstable();
    firsts
}

fn checkpoints(names: &[String], firsts: &[u64]) -> Vec<u64> {
    let mut checkpoints: Vec<u64> =
        names.iter().filter_map(|name| checkpoint::ordinal_of(name)).collect();
    checkpoints.retain(|ordinal| firsts.binary_search(ordinal).is_ok());
    checkpoints.sort_unstable();
    checkpoints
}

fn begin(files: &dyn Files) -> Result<Announced, LogError> {
    let announced = Announced::create(files, 0, 0)?;
    files.sync_folder().named("sync", FOLDER)?;
    Ok(announced)
}

/// Only of an empty log: otherwise a segment is begun when the one before is sealed.
fn begin_first_segment(files: &dyn Files, first: u64) -> Result<(), LogError> {
    let head = Head { first, previous: [0; 32] };
    put(files, &segment::name(first), &head.encode())?;
    files.sync_folder().named("sync", FOLDER)
}

/// Looks at all segments; says also where the newest one goes on behind its records, if it does.
fn find(
    files: &dyn Files,
    firsts: &[u64],
    announced: &Announced,
) -> Result<(View, Option<Torn>), LogError> {
    let missing = |first: u64, end: u64| LogError::Damaged {
        file: segment::name(first),
        offset: 0,
        ordinals: first..end,
        damage: Damage::Missing,
    };
    let Some((&newest, older)) = firsts.split_last() else {
        return Err(missing(announced.first, announced.end));
    };
    if firsts[0] != announced.first {
        return Err(missing(announced.first, firsts[0]));
    }
    let mut sealed = Vec::with_capacity(older.len());
    for (&first, &next) in older.iter().zip(&firsts[1..]) {
        let found = read_sealed(files, first).map_err(|e| e.concerning(first..next))?;
        match found.end() {
            end if end == next => sealed.push(found),
            end if end < next => return Err(missing(end, next)),
            end => {
                let damage = Damage::Mismatch { what: "end", expected: next, found: end };
                let (file, offset) = (segment::name(first), u64::from(found.records_end));
                return Err(LogError::Damaged { file, offset, ordinals: first..end, damage });
            }
        }
    }
    let (open, torn) = scan_newest(files, newest, announced.end)
        .map_err(|e| e.concerning(newest..announced.end.max(newest)))?;
    let first = announced.first;
    Ok((View { generation: 0, first, sealed, open, checkpoints: Vec::new() }, torn))
}

fn read_sealed(files: &dyn Files, first: u64) -> Result<Sealed, LogError> {
    Head::read(files, first)?;
    Sealed::read(files, first)
}

/// What stands behind the records of the newest segment.
struct Torn;

fn scan_newest(
    files: &dyn Files,
    first: u64,
    announced: u64,
) -> Result<(OpenSegment, Option<Torn>), LogError> {
    let file = segment::name(first);
    let head = Head::read(files, first)?;
    let length = files.len(&file).named("look at", &file)?;
    let limit = length.min(u64::from(u32::MAX));
    let from = From { ordinal: first, offset: HEAD_BYTES as u64, limit };
    let mut scanner = Scanner::new(files, &file, from);
    let mut open = OpenSegment::empty(first, head.previous);
    let bad = loop {
        match scanner.next()? {
            Step::Record { offset, header, bytes } => {
                // Both are below `limit`.
                let Ok(begin) = u32::try_from(offset) else { break Some(Damage::Short) };
                let Ok(length) = u32::try_from(bytes.len()) else { break Some(Damage::Short) };
                open.offsets.push(begin);
                open.records_end = begin.saturating_add(length);
                open.newest = header.id;
            }
            Step::End => break (limit < length).then_some(Damage::Short),
            Step::Bad { damage, .. } => break Some(damage),
        }
    };
    if open.end() < announced {
        let (found, offset) = (open.end(), u64::from(open.records_end));
        let damage = bad.unwrap_or(Damage::Short);
        return Err(LogError::Lost { announced, found, file, offset, damage });
    }
    Ok((open, bad.map(|_| Torn)))
}

/// Makes the files hold exactly the view, durably, and announces it.
fn settle(
    files: &dyn Files,
    announced: &mut Announced,
    view: &View,
    torn: Option<Torn>,
) -> Result<(), LogError> {
    if view.end() > announced.end {
        write_again(files, view, announced.end)?;
    }
    if torn.is_some() {
        cut(files, &view.open)?;
    }
    clean(files, view)?;
    // A name that is seen may not be durable, after a process that was killed before it synced the folder.
    files.sync_folder().named("sync", FOLDER)?;
    // A number that was read may be in memory only, after a sync of it failed in another process.
    announced.write_again(files, view.end())
}

/// Writes the records from an ordinal on once more, in their place.
///
/// A sync that failed may have left them in memory for all to read, marked as if they were on disk; then no
/// later sync would bring them there.
fn write_again(files: &dyn Files, view: &View, from: u64) -> Result<(), LogError> {
    let OpenSegment { first, offsets, records_end, .. } = &view.open;
    let name = view.open.name();
    let index = usize::try_from(from.saturating_sub(*first)).unwrap_or(usize::MAX);
    let begin = offsets.get(index).copied().unwrap_or(*records_end);
    let length = (records_end - begin) as usize;
    let bytes = read_up_to(files, &name, u64::from(begin), length)?;
    files.write_at(&name, u64::from(begin), &bytes).named("write", &name)?;
    files.sync_file(&name).named("sync", &name)
}

/// Cuts what stands behind the records of the open segment.
pub(crate) fn cut(files: &dyn Files, open: &OpenSegment) -> Result<(), LogError> {
    let name = open.name();
    files.truncate(&name, u64::from(open.records_end)).named("cut", &name)?;
    files.sync_file(&name).named("sync", &name)
}

/// Removes what no segment of the view needs: unfinished files, pruned segments, checkpoints and segments
/// of an attempt to begin one.
pub(crate) fn clean(files: &dyn Files, view: &View) -> Result<(), LogError> {
    let firsts: Vec<u64> = view.firsts().collect();
    let names = files.list().named("list", FOLDER)?;
    let is_left = |name: &&String| {
        let ordinal = segment::first_of(name).or_else(|| checkpoint::ordinal_of(name));
        let ours = name.strip_suffix(DRAFT).is_some_and(is_ours);
        ours || ordinal.is_some_and(|ordinal| firsts.binary_search(&ordinal).is_err())
    };
    let mut removed = false;
    for name in names.iter().filter(is_left) {
        files.remove(name).named("remove", name)?;
        removed = true;
    }
    if removed { files.sync_folder().named("sync", FOLDER) } else { Ok(()) }
}

fn is_ours(name: &str) -> bool {
    name == announced::FILE
        || segment::first_of(name).is_some()
        || checkpoint::ordinal_of(name).is_some()
}
