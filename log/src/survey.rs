//! Reads all of a segment that can be read, and says which records cannot.

use std::ops::Range;

use crate::bytes::u64_at;
use crate::files::{Files, Named as _, read_what_can_be};
use crate::record::{HEADER_BYTES, Header};
use crate::scan::{From, Scanner, Step};
use crate::segment::{self, HEAD_BYTES};
use crate::{Damage, LogError};

/// What stands in a segment, in the order of ordinals.
pub(crate) enum Event<'a> {
    /// A whole record.
    Record { ordinal: u64, offset: u64, header: Header, bytes: &'a [u8] },
    /// Records that should be here and cannot be read.
    Gap { ordinals: Range<u64>, offset: u64, damage: Damage },
}

/// What is known of a segment before it is read.
pub(crate) struct Known<'a> {
    pub(crate) first: u64,
    /// The ordinal after its last record; an open one may have more.
    pub(crate) end: u64,
    pub(crate) is_open: bool,
    /// Where the records end at the latest.
    pub(crate) limit: u64,
    /// Where each begins, and where the last one ends, if the table is whole.
    pub(crate) table: Option<&'a [u32]>,
}

/// Who takes what is found; its errors end the survey.
pub(crate) type Visit<'a> = dyn FnMut(Event<'_>) -> Result<(), LogError> + 'a;

/// Reads a segment from its first record to its last.
///
/// # Errors
/// Those of the visitor, and when this process may not read the file; damage is an event.
pub(crate) fn survey(
    files: &dyn Files,
    known: &Known<'_>,
    visit: &mut Visit<'_>,
) -> Result<(), LogError> {
    let name = segment::name(known.first);
    let mut at = From { ordinal: known.first, offset: HEAD_BYTES as u64, limit: known.limit };
    loop {
        let Some((offset, damage)) = read_on(files, &name, known, &mut at, visit)? else {
            return Ok(());
        };
        let next = resume(files, &name, known, From { offset, ..at })?;
        let end = next.map_or(known.end, |next| next.ordinal);
        visit(Event::Gap { ordinals: at.ordinal..end, offset, damage })?;
        let Some(next) = next else { return Ok(()) };
        at = next;
    }
}

/// Visits records as long as they are whole; returns what is bad, if any of those due are left.
fn read_on(
    files: &dyn Files,
    name: &str,
    known: &Known<'_>,
    at: &mut From,
    visit: &mut Visit<'_>,
) -> Result<Option<(u64, Damage)>, LogError> {
    let mut scanner = Scanner::new(files, name, *at);
    loop {
        if at.ordinal >= known.end && !known.is_open {
            return Ok(None);
        }
        let bad = match scanner.next()? {
            Step::Record { offset, header, bytes } => {
                let ordinal = at.ordinal;
                at.ordinal += 1;
                at.offset = offset + bytes.len() as u64;
                visit(Event::Record { ordinal, offset, header, bytes })?;
                continue;
            }
            Step::End => (at.limit, Damage::Short),
            Step::Bad { offset, damage } => (offset, damage),
        };
        return Ok((at.ordinal < known.end).then_some(bad));
    }
}

/// Where records go on behind a bad one: where the table says, or where the next whole one is found.
fn resume(
    files: &dyn Files,
    name: &str,
    known: &Known<'_>,
    bad: From,
) -> Result<Option<From>, LogError> {
    let next = bad.ordinal + 1;
    if let Some(table) = known.table {
        let index = usize::try_from(next - known.first).unwrap_or(usize::MAX);
        let offset = table.get(index).map(|offset| u64::from(*offset));
        let further = offset.filter(|offset| next < known.end && *offset > bad.offset);
        return Ok(further.map(|offset| From { ordinal: next, offset, limit: bad.limit }));
    }
    let length = files.len(name).named("look at", name)?.min(bad.limit);
    let mut offset = bad.offset + 1;
    while offset < length {
        let rest = usize::try_from(length - offset).unwrap_or(usize::MAX);
        // So far that the next window begins where this one's last header would.
        let bytes = read_what_can_be(files, name, offset, rest.min(WINDOW_BYTES + HEADER_BYTES))?;
        for at in 0..bytes.len().saturating_sub(HEADER_BYTES - 1) {
            let Some(ordinal) = ordinal_of(&bytes[at..], next..known.end) else { continue };
            let from = From { ordinal, offset: offset + at as u64, limit: bad.limit };
            if matches!(Scanner::new(files, name, from).next()?, Step::Record { .. }) {
                return Ok(Some(from));
            }
        }
        offset += WINDOW_BYTES as u64;
    }
    Ok(None)
}

/// The ordinal of what may be the header of one of these records.
fn ordinal_of(bytes: &[u8], ordinals: Range<u64>) -> Option<u64> {
    let head = bytes.first_chunk::<HEADER_BYTES>()?;
    // Most places end here: the upper bytes of an ordinal are zeros.
    let is_due = ordinals.contains(&u64_at(head, 0));
    let header = is_due.then(|| Header::parse(head).ok()).flatten()?;
    Some(header.ordinal)
}

/// Bytes that are searched at once.
const WINDOW_BYTES: usize = 1 << 20;
