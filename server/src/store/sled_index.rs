//! The index in sled, the embedded engine.
//!
//! sled's own flush never reaches the disk for certain, so that a power cut may destroy what it
//! holds; fsync of all its files from outside does. And a database whose write failed may hang for
//! ever when it is dropped, so it never is.

use std::fs::{self, File};
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use weir_migrations::{Database, META_KEY, META_PREFIX, guarded, read_version, version_entry};

use super::engine::{Entry, Index};
use super::error::Source;

/// An index in a folder of its own.
#[derive(Debug)]
pub(super) struct SledIndex {
    /// None only while it is dropped.
    database: Option<Database>,
    folder: PathBuf,
    failed: AtomicBool,
}

/// Why an index cannot be used; it can be made again from the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnusableIndex {
    /// It does not open.
    #[error(transparent)]
    Database(#[from] weir_migrations::DatabaseError),
    /// What describes it does not read.
    #[error(transparent)]
    Format(#[from] weir_migrations::FormatError),
    /// It is of another version.
    #[error("it has version {found} instead of {expected}")]
    Version {
        /// The version wanted.
        expected: u32,
        /// Its version.
        found: u32,
    },
    /// The database failed.
    #[error("{0}")]
    Failed(Source),
}

impl SledIndex {
    /// Opens the index in `folder`, or begins one there when it is empty or missing.
    pub(super) fn open(
        folder: &Path,
        version: u32,
        cache_bytes: u64,
    ) -> Result<Self, UnusableIndex> {
        let database = Some(Database::open(folder, cache_bytes)?);
        let index = Self { database, folder: folder.to_path_buf(), failed: AtomicBool::new(false) };
        let found = guarded(|| read_version(index.tree(), folder));
        match found.map_err(|panic| index.fail(panic))?? {
            Some(found) if found == version => Ok(index),
            Some(found) => Err(UnusableIndex::Version { expected: version, found }),
            None => {
                let first = (META_KEY.to_vec(), version_entry(version));
                index.put(&[first]).map_err(UnusableIndex::Failed)?;
                Ok(index)
            }
        }
    }

    fn database(&self) -> &Database {
        self.database.as_ref().expect("it is there until the index is dropped")
    }

    fn tree(&self) -> &sled::Tree {
        self.database().tree()
    }

    fn fail(&self, panic: String) -> UnusableIndex {
        self.failed.store(true, Ordering::Relaxed);
        UnusableIndex::Failed(panic.into())
    }

    /// Runs a write; after one that fails there is no other.
    fn write<T>(&self, write: impl FnOnce() -> Result<T, Source>) -> Result<T, Source> {
        if self.failed.load(Ordering::Relaxed) {
            return Err("an earlier write failed".into());
        }
        let written = guarded(write).unwrap_or_else(|panic| Err(panic.into()));
        if written.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        written
    }
}

impl Index for SledIndex {
    fn get(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, Source> {
        let tree = self.tree();
        let get = |key: &Vec<u8>| Ok(tree.get(key)?.map(|value| value.to_vec()));
        let values = guarded(|| keys.iter().map(get).collect::<Result<_, sled::Error>>());
        Ok(values??)
    }

    fn range(&self, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<Entry>, Source> {
        let start = start.max(&[META_PREFIX + 1]);
        let read = || {
            let range = self.tree().range(start..end).take(limit);
            let entry = |entry: Result<(sled::IVec, sled::IVec), sled::Error>| {
                entry.map(|(key, value)| (key.to_vec(), value.to_vec()))
            };
            range.map(entry).collect::<Result<_, _>>()
        };
        Ok(guarded(read)??)
    }

    fn last(&self, start: &[u8], end: &[u8]) -> Result<Option<Entry>, Source> {
        let read = || self.tree().range(start..=end).next_back().transpose();
        let entry = guarded(read)??;
        Ok(entry.map(|(key, value)| (key.to_vec(), value.to_vec())))
    }

    fn put(&self, entries: &[Entry]) -> Result<(), Source> {
        let mut batch = sled::Batch::default();
        for (key, value) in entries {
            batch.insert(key.as_slice(), value.as_slice());
        }
        self.write(|| Ok(self.tree().apply_batch(batch)?))
    }

    fn abandon(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    fn sync(&self) -> Result<(), Source> {
        self.write(|| {
            self.database().flush()?;
            Ok(sync_folder(&self.folder)?)
        })
    }
}

impl Drop for SledIndex {
    fn drop(&mut self) {
        let database = self.database.take();
        if self.failed.load(Ordering::Relaxed) {
            // Dropping flushes, which may wait for ever for what was not written. The process ends
            // soon, and the log has everything.
            mem::forget(database);
        } else if let Err(panic) = guarded(|| drop(database)) {
            tracing::warn!(%panic, "the index did not close; it is made again from the log");
        }
    }
}

/// Syncs every file and folder below a folder, and the folder itself.
fn sync_folder(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => sync_folder(&path)?,
            Ok(_) => File::open(&path)?.sync_all()?,
            // sled removes files of its own as it goes.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    File::open(folder)?.sync_all()
}
