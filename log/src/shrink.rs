//! Takes things away for good: single bodies, and the segments before an ordinal.

use crate::files::Named as _;
use crate::inventory::Span;
use crate::log::{FOLDER, Log};
use crate::open;
use crate::record::{Entry, Record};
use crate::rewrite::{Draft, Replace};
use crate::segment::{Head, Sealed};
use crate::{LogError, checkpoint};

impl Log {
    /// Takes the body of a record away and leaves a tombstone with its ID and parent. The record's segment is
    /// written anew; the old one is gone on return, but for copies made of it, also by repairs in
    /// `quarantine/`. Does nothing to a record that is expunged already.
    ///
    /// # Errors
    /// [`LogError::NotThere`]; [`LogError::Full`] without room for the segment; [`LogError::Damaged`] if a
    /// record of the segment cannot be read; [`LogError::Io`], after which the body may be there or not.
    pub fn expunge(&mut self, ordinal: u64) -> Result<(), LogError> {
        self.must_be_whole()?;
        let reader = self.reader();
        let (id, parent) = match reader.read(ordinal)? {
            Some(Entry::Record(record)) => (record.id, record.parent),
            Some(Entry::Expunged { .. }) => return Ok(()),
            None => {
                let held = reader.first()..reader.end();
                return Err(LogError::NotThere { ordinal, held });
            }
        };
        let (span, bytes) = self.span_of(ordinal);
        self.rewrite(&span, bytes, &mut |at| {
            Ok((at == ordinal).then_some(Entry::Expunged { id, parent }))
        })
    }

    /// Changes bodies in the sealed segments that end before an ordinal or with it, and returns how many: a
    /// record stays as it is where `change` gives `None`, which is asked for a record twice at most. Segments
    /// with a change are written anew.
    ///
    /// # Errors
    /// As [`Log::expunge`]; the segments before are changed then.
    pub fn change_before(
        &mut self,
        ordinal: u64,
        change: &mut dyn FnMut(&Record) -> Option<Vec<u8>>,
    ) -> Result<u64, LogError> {
        let reader = self.reader();
        let mut changed_at = |at: u64| match reader.read(at)? {
            Some(Entry::Record(record)) => {
                Ok(change(&record).map(|body| Entry::Record(Record { body, ..record })))
            }
            _ => Ok(None),
        };
        let sealed = self.shared.view().sealed.clone();
        let mut changed = 0;
        for segment in sealed.iter().filter(|segment| segment.end() <= ordinal) {
            self.must_be_whole()?;
            // One after another, so that no segment is held in memory.
            let mut ordinals = segment.first..segment.end();
            let first =
                ordinals.find_map(|at| changed_at(at).map(|found| found.map(|_| at)).transpose());
            let Some(first) = first.transpose()? else { continue };
            let (span, bytes) = self.span_of(segment.first);
            let mut count = 0;
            self.rewrite(&span, bytes, &mut |at| {
                let entry = if at < first { None } else { changed_at(at)? };
                count += u64::from(entry.is_some());
                Ok(entry)
            })?;
            changed += count;
        }
        Ok(changed)
    }

    /// Writes a segment anew and puts it in the place of the old one.
    fn rewrite(
        &mut self,
        span: &Span,
        bytes: usize,
        replace: &mut Replace<'_>,
    ) -> Result<(), LogError> {
        self.must_have_room(bytes)?;
        let files = self.files.clone();
        let head = Head::read(&*files, span.ordinals.start)?;
        let draft = Draft::write(&*files, span, head.previous, replace)?;
        // Readers wait for it: the offsets they have are those of the old file.
        let shared = self.shared.clone();
        let mut view = shared.view_mut();
        let written = draft.rename()?;
        self.broken = true;
        view.generation += 1;
        let count = written.offsets.len() as u64;
        let (first, records_end) = (written.first, written.records_end);
        match view.sealed.iter_mut().find(|sealed| sealed.first == first) {
            Some(sealed) => *sealed = Sealed { first, count, records_end },
            None => view.open = written,
        }
        drop(view);
        self.files.sync_folder().named("sync", FOLDER)?;
        self.broken = false;
        Ok(())
    }

    /// Removes all segments that end before an ordinal or with it; the log then begins where a segment does,
    /// at the ordinal or before it, with a checkpoint. Returns where.
    ///
    /// # Errors
    /// As [`crate::LogReader::checkpoint`] if the checkpoint cannot be read, when nothing is removed;
    /// [`LogError::Io`], after which [`Log::recover`] is due, and some of it may be removed.
    pub fn prune_before(&mut self, ordinal: u64) -> Result<u64, LogError> {
        self.must_be_whole()?;
        let (first, begin, end) = {
            let view = self.shared.view();
            let begin = view.firsts().take_while(|first| *first <= ordinal).last();
            (view.first, begin.unwrap_or(view.first), view.end())
        };
        if begin == first {
            return Ok(first);
        }
        checkpoint::read(&*self.files, begin)?;
        self.broken = true;
        // In both slots, so that neither alone misses what is removed next.
        self.announced.write(&*self.files, begin, end)?;
        self.announced.write(&*self.files, begin, end)?;
        let mut view = self.shared.view_mut();
        view.generation += 1;
        view.first = begin;
        view.sealed.retain(|sealed| sealed.first >= begin);
        view.checkpoints.retain(|ordinal| *ordinal >= begin);
        drop(view);
        open::clean(&*self.files, &self.shared.view())?;
        self.broken = false;
        Ok(begin)
    }

    /// The segment of an ordinal that the log holds, and about how many bytes it takes.
    fn span_of(&self, ordinal: u64) -> (Span, usize) {
        let view = self.shared.view();
        let sealed = view.sealed.iter().find(|sealed| sealed.end() > ordinal);
        let (ordinals, records_end) = match sealed {
            Some(sealed) => (sealed.first..sealed.end(), sealed.records_end),
            None => (view.open.first..view.end(), view.open.records_end),
        };
        let is_open = sealed.is_none();
        (Span { ordinals, is_open, is_missing: false }, records_end as usize)
    }
}
