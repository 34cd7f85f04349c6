//! Writes a segment anew, next to the old one, which it then replaces at once.

use std::ops::Range;

use crate::disk::QUARANTINE;
use crate::files::{Files, Named as _, draft, read_what_can_be};
use crate::inventory::Span;
use crate::log::FOLDER;
use crate::record::{self, Entry};
use crate::segment::{self, Head, encode_table};
use crate::survey::Event;
use crate::view::OpenSegment;
use crate::{Damage, LogError};

/// Gives the entry to write at an ordinal instead of what is there, or `None` to keep that. For a record that
/// cannot be read, `None` ends the writing.
pub(crate) type Replace<'a> = dyn FnMut(u64) -> Result<Option<Entry>, LogError> + 'a;

/// A segment under way.
pub(crate) struct Draft<'a> {
    files: &'a dyn Files,
    name: String,
    draft: String,
    /// The segment as it will be.
    pub(crate) open: OpenSegment,
    buffer: Vec<u8>,
    /// Bytes that are in the file.
    written: u64,
}

impl<'a> Draft<'a> {
    /// Writes a segment with the records of another, but for those that are replaced.
    ///
    /// # Errors
    /// [`LogError::Damaged`] for a record that can neither be read nor replaced; those of the file system.
    pub(crate) fn write(
        files: &'a dyn Files,
        span: &Span,
        previous: [u8; 32],
        replace: &mut Replace<'_>,
    ) -> Result<Self, LogError> {
        let first = span.ordinals.start;
        let mut draft = Self::begin(files, Head { first, previous })?;
        let written = draft.copy(span, replace).and_then(|()| draft.end(span.is_open));
        if let Err(e) = written {
            // Gives its space back at once; if that fails, the next opening removes it.
            let _ = files.remove(&draft.draft);
            return Err(e);
        }
        Ok(draft)
    }

    /// Puts the segment in the place of the old one, for good after the next `sync_folder`.
    pub(crate) fn rename(self) -> Result<OpenSegment, LogError> {
        let Self { files, name, draft, open, .. } = self;
        files.rename(&draft, &name).named("rename", &draft)?;
        Ok(open)
    }

    /// Keeps the old segment in quarantine and takes its place, durably.
    ///
    /// # Errors
    /// Those of the file system; either segment stands at its place then.
    pub(crate) fn replace_old(
        self,
        quarantined: &mut Vec<String>,
    ) -> Result<OpenSegment, LogError> {
        let files = self.files;
        quarantined.extend(quarantine(files, &self.name)?);
        let open = self.rename()?;
        files.sync_folder().named("sync", FOLDER)?;
        Ok(open)
    }

    fn begin(files: &'a dyn Files, head: Head) -> Result<Self, LogError> {
        let name = segment::name(head.first);
        let draft = draft(&name);
        files.create(&draft).named("create", &draft)?;
        let open = OpenSegment::empty(head.first, head.previous);
        Ok(Self { files, name, draft, open, buffer: head.encode(), written: 0 })
    }

    fn copy(&mut self, span: &Span, replace: &mut Replace<'_>) -> Result<(), LogError> {
        let file = span.name();
        if span.is_missing {
            return self.fill(&file, span.ordinals.clone(), 0, &Damage::Missing, replace);
        }
        let files = self.files;
        span.survey(files, &mut |event| match event {
            Event::Gap { ordinals, offset, damage } => {
                self.fill(&file, ordinals, offset, &damage, replace)
            }
            Event::Record { ordinal, offset, header, bytes } => {
                if let Some(entry) = replace(ordinal)? {
                    return self.put_entry(&entry);
                }
                // Whole by its checksum, but what it holds has to be so too.
                match record::decode(bytes, ordinal) {
                    Ok(_) => self.put(bytes, header.id),
                    Err(damage) => Err(damaged(&file, offset, ordinal, damage)),
                }
            }
        })
    }

    /// Records in place of those that cannot be read.
    fn fill(
        &mut self,
        file: &str,
        ordinals: Range<u64>,
        offset: u64,
        damage: &Damage,
        replace: &mut Replace<'_>,
    ) -> Result<(), LogError> {
        for ordinal in ordinals {
            match replace(ordinal)? {
                Some(entry) => self.put_entry(&entry)?,
                None => return Err(damaged(file, offset, ordinal, damage.clone())),
            }
        }
        Ok(())
    }

    fn put_entry(&mut self, entry: &Entry) -> Result<(), LogError> {
        let mut bytes = Vec::new();
        record::encode_entry(entry, self.open.end(), &mut bytes)?;
        self.put(&bytes, *entry.id())
    }

    fn put(&mut self, bytes: &[u8], id: [u8; 32]) -> Result<(), LogError> {
        let too_long = LogError::SegmentTooLong { first: self.open.first };
        let length = u32::try_from(bytes.len()).ok();
        let end = length.and_then(|length| self.open.records_end.checked_add(length));
        self.open.offsets.push(self.open.records_end);
        self.open.records_end = end.ok_or(too_long)?;
        self.open.newest = id;
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    fn end(&mut self, is_open: bool) -> Result<(), LogError> {
        let OpenSegment { first, offsets, records_end, .. } = &self.open;
        if !is_open {
            self.buffer.extend_from_slice(&encode_table(*first, offsets, *records_end));
        }
        self.flush()?;
        self.files.sync_file(&self.draft).named("sync", &self.draft)
    }

    fn flush(&mut self) -> Result<(), LogError> {
        let written = self.files.write_at(&self.draft, self.written, &self.buffer);
        written.named("write", &self.draft)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// Copies a file into quarantine, durably; what cannot be read of it becomes zeros. Does nothing if there is
/// no such file.
pub(crate) fn quarantine(files: &dyn Files, name: &str) -> Result<Option<String>, LogError> {
    let Ok(length) = files.len(name) else { return Ok(None) };
    let mut number = 1;
    let kept = loop {
        let kept = format!("{QUARANTINE}/{name}.{number}");
        if files.len(&kept).is_err() {
            break kept;
        }
        number += 1;
    };
    files.create(&kept).named("create", &kept)?;
    let mut offset = 0;
    while offset < length {
        let piece = usize::try_from(length - offset).unwrap_or(usize::MAX).min(BUFFER_BYTES);
        let bytes = read_what_can_be(files, name, offset, piece)?;
        files.write_at(&kept, offset, &bytes).named("write", &kept)?;
        offset += piece as u64;
    }
    files.sync_file(&kept).named("sync", &kept)?;
    files.sync_folder().named("sync", FOLDER)?;
    Ok(Some(kept))
}

fn damaged(file: &str, offset: u64, ordinal: u64, damage: Damage) -> LogError {
    let ordinals = ordinal..ordinal.saturating_add(1);
    LogError::Damaged { file: file.to_owned(), offset, ordinals, damage }
}

/// Bytes that are written or copied at once.
const BUFFER_BYTES: usize = 1 << 20;
