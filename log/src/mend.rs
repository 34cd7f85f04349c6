//! Mends a log that nobody has open: what can be derived is made again, what cannot is asked for.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::announced::{self, Announced};
use crate::files::{Files, Named as _, put};
use crate::inventory::{Inventory, Span};
use crate::log::FOLDER;
use crate::record::{self, Entry, Record};
use crate::rewrite::{Draft, quarantine};
use crate::segment::Head;
use crate::survey::Event;
use crate::{LogError, checkpoint};

/// What was done to a log, and what is left to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// Segments that were written anew, by name.
    pub segments: Vec<String>,
    /// Records that were asked for and given.
    pub records: Vec<u64>,
    /// Records that still cannot be read, because they, or others of their segment, were not given; their
    /// segments are as they were.
    pub missing: Vec<Range<u64>>,
    /// Where a checkpoint is missing or damaged, for [`put_checkpoint`].
    pub checkpoints: Vec<u64>,
    /// Whether the count of what was announced, or the newer of its slots perhaps, was lost, and is made of the
    /// records that are there: there may have been more.
    pub recounted: bool,
    /// Copies of the files that were replaced.
    pub quarantined: Vec<String>,
}

impl Mended {
    /// Whether nothing is left to do.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.missing.is_empty() && self.checkpoints.is_empty()
    }
}

/// Gives the record of an ordinal, checked by whoever knows what records hold, or `None`.
pub type Fetch<'a> = dyn FnMut(u64) -> Option<Record> + 'a;

/// Mends a log: segments with damage are written anew with the records that are asked for, and the old ones
/// kept in `quarantine/`.
///
/// # Errors
/// Those of the file system, and [`LogError::Newer`]; the log is then as it was, or mended in part.
pub fn mend(files: &dyn Files, fetch: &mut Fetch<'_>) -> Result<Mended, LogError> {
    let inventory = Inventory::take(files)?;
    let mut mended = Mended::default();
    // What was before a log that was pruned only its first header says.
    let mut previous = match inventory.spans.first() {
        Some(span) => Some(previous_of(files, &inventory, span)?),
        None => None,
    };
    for span in &inventory.spans {
        let needs = look(files, span, previous)?;
        previous = if needs.is_whole {
            needs.last.or(previous)
        } else {
            let before = match previous {
                Some(previous) => previous,
                None => previous_of(files, &inventory, span)?,
            };
            anew(files, span, before, &needs.unread, fetch, &mut mended)?
        };
    }
    mend_announced(files, &inventory, &mut mended)?;
    mended.checkpoints = bad_checkpoints(files, &inventory)?;
    Ok(mended)
}

/// Replaces records of a log that nobody has open, whatever stands at their ordinals, and keeps the segments
/// of before in `quarantine/`.
///
/// # Errors
/// [`LogError::NotThere`] for an ordinal outside the log; [`LogError::Damaged`] if another record of the same
/// segment cannot be read: replace both at once; those of the file system.
pub fn replace(files: &dyn Files, records: &BTreeMap<u64, Record>) -> Result<Mended, LogError> {
    let inventory = Inventory::take(files)?;
    let held = inventory.first()..inventory.spans.last().map_or(0, |span| span.ordinals.end);
    if let Some(&ordinal) = records.keys().find(|ordinal| !held.contains(ordinal)) {
        return Err(LogError::NotThere { ordinal, held });
    }
    let mut mended = Mended::default();
    let concerned = |span: &&Span| records.range(span.ordinals.clone()).next().is_some();
    for span in inventory.spans.iter().filter(concerned) {
        let previous = previous_of(files, &inventory, span)?;
        let draft = Draft::write(files, span, previous, &mut |ordinal| {
            Ok(records.get(&ordinal).cloned().map(Entry::Record))
        })?;
        draft.replace_old(&mut mended.quarantined)?;
        mended.segments.push(span.name());
        mended.records.extend(records.range(span.ordinals.clone()).map(|(ordinal, _)| *ordinal));
    }
    Ok(mended)
}

/// Writes a checkpoint again, of a log that nobody has open, where a segment begins.
///
/// # Errors
/// [`LogError::NotThere`] if no segment begins with the ordinal; those of the file system.
pub fn put_checkpoint(files: &dyn Files, ordinal: u64, content: &[u8]) -> Result<(), LogError> {
    let inventory = Inventory::take(files)?;
    if !inventory.spans.iter().any(|span| span.ordinals.start == ordinal) {
        let held = inventory.first()..inventory.spans.last().map_or(0, |span| span.ordinals.end);
        return Err(LogError::NotThere { ordinal, held });
    }
    put(files, &checkpoint::name(ordinal), &checkpoint::encode(ordinal, content)?)?;
    files.sync_folder().named("sync", FOLDER)
}

/// What a segment needs.
struct Needs {
    is_whole: bool,
    unread: Vec<Range<u64>>,
    last: Option<[u8; 32]>,
}

fn look(files: &dyn Files, span: &Span, previous: Option<[u8; 32]>) -> Result<Needs, LogError> {
    let mut needs = Needs { is_whole: !span.is_missing, unread: Vec::new(), last: None };
    if span.is_missing {
        needs.unread.push(span.ordinals.clone());
        return Ok(needs);
    }
    let follows = |head: &Head| previous.is_none_or(|previous| head.previous == previous);
    needs.is_whole &= span.head(files)?.is_ok_and(|head| follows(&head));
    needs.is_whole &= span.is_open || span.table(files)?.is_ok();
    span.survey(files, &mut |event| {
        match event {
            Event::Gap { ordinals, .. } => {
                needs.unread.push(ordinals);
                needs.last = None;
            }
            Event::Record { ordinal, header, bytes, .. } => {
                needs.last = Some(header.id);
                if record::decode(bytes, ordinal).is_err() {
                    needs.unread.push(ordinal..ordinal + 1);
                }
            }
        }
        Ok(())
    })?;
    needs.is_whole &= needs.unread.is_empty();
    Ok(needs)
}

/// Writes a segment anew, and returns the ID of its last record; `None` if records are missing.
fn anew(
    files: &dyn Files,
    span: &Span,
    previous: [u8; 32],
    unread: &[Range<u64>],
    fetch: &mut Fetch<'_>,
    mended: &mut Mended,
) -> Result<Option<[u8; 32]>, LogError> {
    let (mut given, mut refused) = (Vec::new(), false);
    let draft = Draft::write(files, span, previous, &mut |ordinal| {
        let at = unread.partition_point(|range| range.end <= ordinal);
        if !unread.get(at).is_some_and(|range| range.contains(&ordinal)) {
            return Ok(None);
        }
        let record = fetch(ordinal);
        refused |= record.is_none();
        given.extend(record.is_some().then_some(ordinal));
        Ok(record.map(Entry::Record))
    });
    match draft {
        Err(e) if e.is_damage() && refused => {
            mended.missing.extend_from_slice(unread);
            Ok(None)
        }
        Err(e) => Err(e),
        Ok(draft) => {
            let open = draft.replace_old(&mut mended.quarantined)?;
            mended.segments.push(span.name());
            mended.records.extend(given);
            Ok(Some(open.newest))
        }
    }
}

/// The ID of the record before a segment, by its header or by the record; zeros if neither can be read.
fn previous_of(
    files: &dyn Files,
    inventory: &Inventory,
    span: &Span,
) -> Result<[u8; 32], LogError> {
    if !span.is_missing
        && let Ok(head) = span.head(files)?
    {
        return Ok(head.previous);
    }
    let mut last = [0; 32];
    let before = inventory.spans.iter().find(|before| before.ordinals.end == span.ordinals.start);
    if let Some(before) = before.filter(|before| !before.is_missing) {
        before.survey(files, &mut |event| {
            last = match event {
                Event::Record { header, .. } => header.id,
                Event::Gap { .. } => [0; 32],
            };
            Ok(())
        })?;
    }
    Ok(last)
}

fn mend_announced(
    files: &dyn Files,
    inventory: &Inventory,
    mended: &mut Mended,
) -> Result<(), LogError> {
    if inventory.bad_copies.is_empty() {
        return Ok(());
    }
    let mut end = inventory.announced.as_ref().map_or(0, |held| held.end);
    // The whole slot may be the older one.
    if let Some(newest) = inventory.spans.last().filter(|span| span.is_open && !span.is_missing) {
        end = end.max(newest.ordinals.start);
        newest.survey(files, &mut |event| {
            if let Event::Record { ordinal, .. } = event {
                end = end.max(ordinal + 1);
            }
            Ok(())
        })?;
    }
    mended.recounted = inventory.announced.as_ref().is_none_or(|held| !held.is_certain);
    mended.quarantined.extend(quarantine(files, announced::FILE)?);
    Announced::create(files, inventory.first(), end)?;
    files.sync_folder().named("sync", FOLDER)
}

fn bad_checkpoints(files: &dyn Files, inventory: &Inventory) -> Result<Vec<u64>, LogError> {
    let mut bad: Vec<u64> = inventory.without_checkpoint().collect();
    for span in &inventory.spans {
        let first = span.ordinals.start;
        if inventory.checkpoints.binary_search(&first).is_err() {
            continue;
        }
        match checkpoint::read(files, first) {
            Ok(_) => {}
            Err(e) if e.is_damage() => bad.push(first),
            Err(e) => return Err(e),
        }
    }
    bad.sort_unstable();
    Ok(bad)
}
