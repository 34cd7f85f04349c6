//! Looking at a data folder that may be damaged, without a byte written to it.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;
use weir_log::{Disk, LogReader, Report};
use weir_migrations::{DatabaseError, FolderLock};

use super::block::SealedRef;
use super::cache::Caches;
use super::checkpoint::{self, Begin, Checkpoint};
use super::engine::{Index as _, LogError, LogRead, Record};
use super::entries::Entries;
use super::error::OpenError;
use super::open::{INDEX, LOG, StoreOptions, read_head};
use super::report::FsckReport;
use super::sled_index::SledIndex;
use super::{FORMAT_VERSION, Reader, Shared};

/// A data folder held still, so that it can be looked at.
#[derive(Debug)]
pub struct Inspection {
    data: PathBuf,
    files: Arc<Disk>,
    _lock: Option<FolderLock>,
}

/// What became of the index.
#[derive(Debug)]
pub enum InspectedIndex {
    /// It opens; the view is of a copy, which goes with the folder.
    View(Reader, tempfile::TempDir),
    /// Its folder is empty, as in a backup: the next start makes it.
    NotMade,
    /// It cannot be used, and the next start makes it again.
    Unusable(String),
}

impl Inspection {
    /// Locks a data folder against servers, without a byte written.
    ///
    /// # Errors
    /// When it has no log of this format, when a server has it open, or when the system refuses.
    pub fn begin(data: &Path) -> Result<Self, OpenError> {
        let path = || data.to_path_buf();
        let found = weir_migrations::folder_version(data)?;
        let found = found.ok_or_else(|| {
            let name = |entry: io::Result<fs::DirEntry>| {
                Some(entry.ok()?.file_name().to_string_lossy().into_owned())
            };
            let names = fs::read_dir(data).into_iter().flatten().filter_map(name);
            let found = names.min().unwrap_or_else(|| "nothing".to_owned());
            DatabaseError::Foreign { path: path(), found }
        })?;
        super::open::check_version(data, found)?;
        let lock = FolderLock::look(data)?;
        if !data.join(LOG).is_dir() {
            return Err(OpenError::Lost { path: path() });
        }
        let files = Disk::new(data.join(LOG));
        let files = Arc::new(files.map_err(|error| OpenError::from_io(path(), error))?);
        Ok(Self { data: path(), files, _lock: lock })
    }

    /// Checks the log: every record, link and checkpoint.
    ///
    /// # Errors
    /// When it cannot be checked.
    pub fn log(&self) -> Result<Report, OpenError> {
        let verified = weir_log::verify(&*self.files, &mut |_| ());
        verified.map_err(|source| OpenError::from_log(self.data.clone(), source))
    }

    /// Opens a copy of the index, as opening one writes to it, to be held against the log.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn index(&self) -> Result<InspectedIndex, OpenError> {
        match LogReader::open(self.files.clone()) {
            Ok(log) => self.view(Box::new(log)),
            Err(error) => {
                let reason = format!("it cannot be compared with the log: {error}");
                Ok(InspectedIndex::Unusable(reason))
            }
        }
    }

    /// As [`Self::index`], without the log: no block can be read.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn index_alone(&self) -> Result<InspectedIndex, OpenError> {
        self.view(Box::new(NoLog))
    }

    fn view(&self, log: Box<dyn LogRead>) -> Result<InspectedIndex, OpenError> {
        let failed = |error| OpenError::from_io(self.data.clone(), error);
        let from = self.data.join(INDEX);
        if !from.is_dir() {
            return Ok(InspectedIndex::Unusable("it is missing".to_owned()));
        }
        if fs::read_dir(&from).map_err(failed)?.next().is_none() {
            return Ok(InspectedIndex::NotMade);
        }
        // It is the copy that may not fit on its disk.
        let not_copied = |error| OpenError::from_io(std::env::temp_dir(), error);
        let copy = tempfile::tempdir().map_err(not_copied)?;
        copy_folder(&from, copy.path()).map_err(not_copied)?;
        let options = StoreOptions::default();
        let index = match SledIndex::open(copy.path(), FORMAT_VERSION, options.cache_bytes) {
            Ok(index) => index,
            Err(error) => return Ok(InspectedIndex::Unusable(error.to_string())),
        };
        let head = read_head(&index).and_then(|head| head.ok_or("it has no head yet".to_owned()));
        Ok(match head {
            Ok(head) if head.blocks > log.ordinals().end => InspectedIndex::Unusable(format!(
                "it knows {} blocks, the log has {}",
                head.blocks,
                log.ordinals().end
            )),
            Ok(head) => {
                let (head, _) = watch::channel(Arc::new(head));
                let entries = Entries::new(Box::new(index));
                let caches = Caches::new(options.decoded_cache_bytes);
                let shared = Shared { entries, log, caches, head, lock: None };
                InspectedIndex::View(Reader::new(Arc::new(shared)), copy)
            }
            Err(reason) => {
                index.abandon();
                InspectedIndex::Unusable(reason)
            }
        })
    }
}

/// Compares the log's checkpoints with the index, as far as that goes.
pub(super) fn check_checkpoints(reader: &Reader, report: &mut FsckReport) {
    let shared = reader.shared();
    let first = report.take("first block", reader.first_ordinal()).unwrap_or_default();
    for ordinal in shared.log.checkpoints() {
        let entry = format!("checkpoint {ordinal}");
        let bytes = shared.log.checkpoint(ordinal);
        let Some(Some(bytes)) = report.take(&entry, bytes) else { continue };
        let checkpoint = match Checkpoint::from_bytes(&bytes) {
            Ok(checkpoint) => checkpoint,
            Err(error) => {
                report.add(&entry, format!("it is none: {error}"));
                continue;
            }
        };
        match checkpoint {
            Checkpoint::Root(_) => {}
            Checkpoint::Begin(begin) => check_begin(reader, &entry, &begin, first, report),
            Checkpoint::Later(found) => check_later(reader, ordinal, &found, first, report),
        }
    }
}

fn check_begin(reader: &Reader, entry: &str, begin: &Begin, first: u64, report: &mut FsckReport) {
    if begin.ordinal < first {
        return;
    }
    let block = report.take(entry, reader.block(begin.ordinal)).flatten();
    if block.is_none_or(|block| block.header.height != begin.height) {
        report.add(entry, "it begins with another block than its ordinal's");
    }
}

fn check_later(
    reader: &Reader,
    ordinal: u64,
    found: &checkpoint::Index,
    first: u64,
    report: &mut FsckReport,
) {
    let entry = format!("checkpoint {ordinal}");
    if found.head.blocks != ordinal || ordinal > reader.head().blocks {
        return report.add(&entry, format!("it is of {} blocks", found.head.blocks));
    }
    // It needs blocks that an index which begins later does not have.
    if found.head.resume_ordinal < first {
        return;
    }
    for (ordinal, known) in (found.head.resume_ordinal..ordinal).zip(&found.blocks) {
        // What an index that begins later knows by its height only.
        if matches!(known.0, SealedRef::Stored(sealed) if sealed < first) {
            continue;
        }
        let block = report.take(&entry, reader.block(ordinal)).flatten();
        if block.is_some_and(|b| (b.last_sealed, b.epoch_counter) != *known) {
            report.add(&entry, format!("it knows block {ordinal} otherwise than the index"));
        }
    }
    for preimage in &found.preimages {
        let id = weir_protocol::codec::entity_id(preimage);
        if report.take(&entry, reader.preimage(&id)).is_some_and(|known| known.is_none()) {
            report.add(&entry, format!("the index does not know its preimage {id}"));
        }
    }
}

/// A log without a record, which ends after any.
#[derive(Debug)]
struct NoLog;

impl LogRead for NoLog {
    fn ordinals(&self) -> Range<u64> {
        u64::MAX..u64::MAX
    }

    fn read(&self, _: u64) -> Result<Option<Record>, LogError> {
        Ok(None)
    }

    fn read_range(&self, _: Range<u64>, _: usize) -> Result<Vec<Record>, LogError> {
        Ok(Vec::new())
    }

    fn checkpoints(&self) -> Vec<u64> {
        Vec::new()
    }

    fn checkpoint(&self, _: u64) -> Result<Option<Vec<u8>>, LogError> {
        Ok(None)
    }
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            fs::create_dir_all(&target)?;
            copy_folder(&path, &target)?;
        } else {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
