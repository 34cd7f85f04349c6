//! Opening a store, or beginning one.

use super::error::{CommitError, OpenError, ReadError};
use super::fsck::fsck;
use super::keys::Key;
use super::records::Head;
use super::writer::Writer;
use super::{FORMAT_VERSION, Store, WriteBatch, value};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use weir_migrations::{
    Database, META_KEY, Recovery, folder_version, guarded, read_version, version_entry,
    write_folder_version,
};

/// How much memory a store may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// The database's own cache, in bytes.
    pub cache_bytes: u64,
    /// Caches of decoded pages and preimages, in bytes.
    pub decoded_cache_bytes: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { cache_bytes: 64 * MEBIBYTE, decoded_cache_bytes: 32 * MEBIBYTE }
    }
}

/// What a folder held.
#[derive(Debug)]
pub enum Opened {
    /// Nothing yet.
    New(NewStore),
    /// A store with blocks.
    Existing(Store),
}

/// A store without blocks, which has no head to read by.
#[derive(Debug)]
pub struct NewStore {
    database: Database,
    folder: PathBuf,
    options: StoreOptions,
}

impl NewStore {
    /// Writes the first batch, which has at least the root block.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn initialize(self, batch: WriteBatch) -> Result<Store, CommitError> {
        let mut writer = Writer::new();
        let head = writer.commit(&self.database, batch)?;
        write_folder_version(&self.folder, FORMAT_VERSION)
            .map_err(|error| CommitError::Database { source: error.into() })?;
        Ok(Store::new(self.database, writer, head, &self.options))
    }
}

impl Store {
    /// Opens the store in `folder`, or begins one there when it is empty or missing.
    ///
    /// # Errors
    /// When another process has the folder open, when it holds something else or another format
    /// (a newer one is left untouched), or when the store is damaged.
    pub fn open(folder: &Path, options: StoreOptions) -> Result<Opened, OpenError> {
        let fence = if folder.is_dir() { folder_version(folder)? } else { None };
        fence.map_or(Ok(()), |found| check_version(folder, found))?;
        let database = Database::open(folder, options.cache_bytes)?;
        settle_version(&database, folder, fence)?;
        let recovery = database.recovery();
        let damaged = |source| OpenError::Damaged { path: folder.to_path_buf(), source };
        let head = match (read_head(&database).map_err(damaged)?, fence, recovery) {
            (Some(head), _, _) => head,
            (None, None, Recovery::None) => {
                let folder = folder.to_path_buf();
                return Ok(Opened::New(NewStore { database, folder, options }));
            }
            // The fence is written after the first head is on disk: there was one.
            (None, _, _) => {
                return Err(OpenError::Lost { path: folder.to_path_buf() });
            }
        };
        if fence.is_none() {
            write_folder_version(folder, FORMAT_VERSION)?;
        }
        let writer = Writer::resume(&database, Arc::clone(&head)).map_err(damaged)?;
        let store = Self::new(database, writer, head, &options);
        if recovery == Recovery::FromLog {
            audit(&store, folder)?;
        }
        Ok(Opened::Existing(store))
    }
}

fn check_version(folder: &Path, found: u32) -> Result<(), OpenError> {
    let (path, expected) = (folder.to_path_buf(), FORMAT_VERSION);
    if found > expected {
        Err(OpenError::Newer { path, expected, found })
    } else if found < expected {
        Err(OpenError::Older { path, expected, found })
    } else {
        Ok(())
    }
}

/// Checks the version in the database; writes it first of all into a new one.
fn settle_version(database: &Database, folder: &Path, fence: Option<u32>) -> Result<(), OpenError> {
    let begin = |source| OpenError::Begin { path: folder.to_path_buf(), source };
    let found = guarded(|| read_version(database.tree(), folder));
    if let Some(found) = found.map_err(|panic| begin(panic.into()))?? {
        return check_version(folder, found);
    }
    if fence.is_some() {
        return Err(OpenError::Lost { path: folder.to_path_buf() });
    }
    let write = || {
        database.tree().insert(META_KEY, version_entry(FORMAT_VERSION))?;
        database.flush()
    };
    let written = guarded(write).map_err(|panic| begin(panic.into()))?;
    written.map_err(|error| begin(error.into()))
}

fn read_head(database: &Database) -> Result<Option<Arc<Head>>, ReadError> {
    let Some(rlp) = value::read(database, Key::Head)? else {
        return Ok(None);
    };
    let head = Head::from_rlp(&rlp);
    let head = head.map_err(|error| ReadError::damaged(Key::Head, error.to_string()))?;
    Ok(Some(Arc::new(head)))
}

fn audit(store: &Store, folder: &Path) -> Result<(), OpenError> {
    let report = fsck(store, |_, _| Ok(None), |_, _| ());
    match report.findings.first() {
        None => Ok(()),
        Some(first) => Err(OpenError::Audit {
            path: folder.to_path_buf(),
            count: report.finding_count,
            first: first.to_string(),
        }),
    }
}

const MEBIBYTE: u64 = 1024 * 1024;
