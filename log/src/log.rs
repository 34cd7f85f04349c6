//! The one writer of a log.

use std::sync::{Arc, RwLock};

use crate::LogError;
use crate::announced::Announced;
use crate::checkpoint;
use crate::files::{Files, Named as _, put};
use crate::open::{self, Opened};
use crate::reader::{LogReader, Shared};
use crate::record::{self, Record};
use crate::segment::{self, Head, Sealed, encode_table};
use crate::view::OpenSegment;

/// How a log uses its disk.
#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    /// The length from which a segment is full.
    pub segment_bytes: u64,
    /// Free space below which nothing is appended, so that there is room to seal and to recover.
    pub reserve_bytes: u64,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, reserve_bytes: 64 << 20 }
    }
}

/// A log open for writing.
#[derive(Debug)]
pub struct Log {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) announced: Announced,
    options: LogOptions,
    /// Set while something is written, so that it stays set when that fails.
    pub(crate) broken: bool,
}

impl Log {
    /// Opens a log, or begins one in an empty folder; cuts what is not whole at its end.
    ///
    /// Records that are whole but were not announced are kept and announced. If nothing can be written, as on
    /// a full disk, and nothing has to be, the log opens for reading and [`Log::needs_recover`].
    ///
    /// # Errors
    /// [`LogError::Lost`] and [`LogError::Damaged`] when files are not as they were written,
    /// [`LogError::Newer`] for those of a later version, [`LogError::Io`] when the file system refuses.
    pub fn open(files: Arc<dyn Files>, options: LogOptions) -> Result<Self, LogError> {
        let Opened { announced, view, broken } = open::open(&*files)?;
        let shared = Arc::new(Shared { files: files.clone(), view: RwLock::new(view) });
        Ok(Self { files, shared, announced, options, broken })
    }

    /// A reader of what is announced, now and later.
    #[must_use]
    pub fn reader(&self) -> LogReader {
        LogReader::new(self.shared.clone())
    }

    /// Writes records after the last one, makes them durable, announces them, and shows them to readers.
    ///
    /// # Errors
    /// [`LogError::Full`], [`LogError::TooLarge`] and [`LogError::SegmentTooLong`] before anything is
    /// written; [`LogError::Io`] when a write fails: readers see nothing of the records then, and
    /// [`Log::recover`] has to be called before the next write. [`LogError::NeedsRecover`] if it was not.
    pub fn append(&mut self, records: &[Record]) -> Result<(), LogError> {
        self.must_be_whole()?;
        let Some(newest) = records.last().map(|record| record.id) else { return Ok(()) };
        let (name, begin, end) = {
            let view = self.shared.view();
            (view.open.name(), view.open.records_end, view.end())
        };
        let mut bytes = Vec::new();
        let mut offsets = Vec::with_capacity(records.len());
        let offset = |bytes: &Vec<u8>| {
            let offset = u32::try_from(bytes.len()).ok()?.checked_add(begin);
            offset.filter(|_| bytes.len() < SEGMENT_BYTES_MAX)
        };
        let too_long = || LogError::SegmentTooLong { first: self.shared.view().open.first };
        for (record, ordinal) in records.iter().zip(end..) {
            offsets.push(offset(&bytes).ok_or_else(too_long)?);
            record::encode(record, ordinal, &mut bytes)?;
        }
        let records_end = offset(&bytes).ok_or_else(too_long)?;
        self.must_have_room(bytes.len())?;
        self.broken = true;
        self.files.write_at(&name, u64::from(begin), &bytes).named("write", &name)?;
        self.files.sync_file(&name).named("sync", &name)?;
        let (first, end) = (self.announced.first, end + records.len() as u64);
        self.announced.write(&*self.files, first, end)?;
        self.broken = false;
        let mut view = self.shared.view_mut();
        view.open.offsets.append(&mut offsets);
        view.open.records_end = records_end;
        view.open.newest = newest;
        Ok(())
    }

    /// Whether the open segment has reached its length, so that its owner should begin another.
    #[must_use]
    pub fn segment_is_full(&self) -> bool {
        u64::from(self.shared.view().open.records_end) >= self.options.segment_bytes
    }

    /// Seals the open segment, writes a checkpoint for the ordinal that comes next, and begins a segment
    /// with it; all is durable on return. In an empty segment only its checkpoint is written.
    ///
    /// # Errors
    /// As [`Log::append`]. After a failure and [`Log::recover`] the open segment is the one of before.
    pub fn begin_segment(&mut self, checkpoint: &[u8]) -> Result<(), LogError> {
        self.must_be_whole()?;
        let files = &*self.files;
        let (sealed, head, name, table, end) = {
            let open = &self.shared.view().open;
            let count = open.offsets.len() as u64;
            let sealed = Sealed { first: open.first, count, records_end: open.records_end };
            let table = encode_table(open.first, &open.offsets, open.records_end);
            let head = Head { first: open.end(), previous: open.newest };
            (sealed, head, open.name(), table, open.end())
        };
        let checkpoint = checkpoint::encode(end, checkpoint)?;
        self.broken = true;
        if sealed.count > 0 {
            let at = u64::from(sealed.records_end);
            files.write_at(&name, at, &table).named("write", &name)?;
            files.sync_file(&name).named("sync", &name)?;
        }
        put(files, &checkpoint::name(end), &checkpoint)?;
        // A segment must not outlast what comes before it.
        files.sync_folder().named("sync", FOLDER)?;
        if sealed.count > 0 {
            put(files, &segment::name(head.first), &head.encode())?;
            files.sync_folder().named("sync", FOLDER)?;
        }
        let mut view = self.shared.view_mut();
        if sealed.count > 0 {
            view.sealed.push(sealed);
            view.open = OpenSegment::empty(head.first, head.previous);
        }
        if view.checkpoints.last() != Some(&end) {
            view.checkpoints.push(end);
        }
        drop(view);
        self.broken = false;
        Ok(())
    }

    /// Whether a write failed, so that nothing can be written before [`Log::recover`].
    #[must_use]
    pub const fn needs_recover(&self) -> bool {
        self.broken
    }

    /// Brings the files back to what was announced after a write failed, in the same process.
    ///
    /// # Errors
    /// When the file system still refuses; this may be called again.
    pub fn recover(&mut self) -> Result<(), LogError> {
        self.broken = true;
        let (first, end) = {
            let view = self.shared.view();
            (view.first, view.end())
        };
        // First, because more may have been announced than readers saw, and that must not be missed.
        self.announced.write(&*self.files, first, end)?;
        let view = self.shared.view();
        open::clean(&*self.files, &view)?;
        self.files.sync_folder().named("sync", FOLDER)?;
        open::cut(&*self.files, &view.open)?;
        drop(view);
        self.broken = false;
        Ok(())
    }

    pub(crate) const fn must_be_whole(&self) -> Result<(), LogError> {
        if self.broken { Err(LogError::NeedsRecover) } else { Ok(()) }
    }

    pub(crate) fn must_have_room(&self, bytes: usize) -> Result<(), LogError> {
        let free = self.files.free_bytes().named("look at", FOLDER)?;
        let needed = self.options.reserve_bytes.saturating_add(bytes as u64);
        if free < needed { Err(LogError::Full { free, needed }) } else { Ok(()) }
    }
}

/// How errors name the folder of the log.
pub(crate) const FOLDER: &str = "the log's folder";

/// Keeps offsets, and their sum with what is appended at once, within 32 bits.
const SEGMENT_BYTES_MAX: usize = u32::MAX as usize;
