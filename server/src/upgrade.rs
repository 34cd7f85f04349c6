//! From format 3, one database with everything in it, to format 4, a log and an index.
//!
//! The blocks of the old store are indexed once more, into a folder below it. Only when all are there
//! do log and index take their places; the old database goes last. Killed at any instant, the next run
//! goes on.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use thiserror::Error;
use weir_migrations::{FormatError, MigrateError, Mode, Plan, Registry, folder_version, migrate};

use crate::indexer::{IndexError, IndexProgress, Indexer};
use crate::source::{ChainFolder, SourceError};
use crate::store::{FORMAT_VERSION, StoreOptions, index_folder, log_folder};

/// What an upgrade takes, or took.
#[derive(Debug)]
pub struct Upgrade {
    /// Format of the folder before.
    pub version: u32,
    /// Names of the steps, in order.
    pub steps: Vec<&'static str>,
}

/// Brings a data folder to this version's format, or says what that would take.
///
/// # Errors
/// When the folder holds no store, or a newer one, or one that is damaged or whose payloads were
/// pruned; or when there is no space for both at once.
pub fn upgrade(
    data: &Path,
    mode: Mode,
    mut progress: impl FnMut(&str, u64, u64),
) -> Result<Upgrade, UpgradeError> {
    let found = folder_version(data)?;
    if found == Some(FORMAT_VERSION) {
        if mode == Mode::Apply {
            remove_old(data)?;
        }
        return Ok(Upgrade { version: FORMAT_VERSION, steps: Vec::new() });
    }
    let target = if found.is_some_and(|found| found > FORMAT_VERSION) { FORMAT_VERSION } else { 3 };
    let plan = migrate(data, &Registry::production(), target, mode, |step| {
        progress(step.step, step.batches, step.entries);
    })?;
    let Plan { version, steps, .. } = plan;
    let mut steps: Vec<_> = steps.iter().map(|step| step.name).collect();
    steps.push(STEP);
    if mode == Mode::Apply {
        part(data, |indexed| progress(STEP, indexed.source.0, indexed.source.1))?;
    }
    Ok(Upgrade { version, steps })
}

/// Makes a log and an index of an old store.
fn part(data: &Path, progress: impl FnMut(IndexProgress)) -> Result<(), UpgradeError> {
    let failed = |path: PathBuf| move |source| failed(&path, source);
    let new = data.join(NEW);
    let (log, index) = (log_folder(data), index_folder(data));
    if !log.exists() {
        if index.exists() {
            // Moved by an earlier run, which did not come to the log.
            fs::rename(&index, index_folder(&new)).map_err(failed(index.clone()))?;
        }
        let old = ChainFolder::open_old_store(data)?;
        let never = Arc::new(AtomicBool::new(false));
        let mut indexer = Indexer::open(&new, StoreOptions::default(), &old, never)?.giving_up();
        indexer.run(progress)?;
        drop(indexer);
        drop(old);
        fs::rename(index_folder(&new), &index).map_err(failed(index))?;
        // Last, as it says that all is there.
        fs::rename(log_folder(&new), &log).map_err(failed(log))?;
        sync(data).map_err(failed(data.to_owned()))?;
    }
    weir_migrations::write_folder_version(data, FORMAT_VERSION)?;
    remove_old(data)
}

/// Removes what an old store had, which the new one has by now.
fn remove_old(data: &Path) -> Result<(), UpgradeError> {
    for entry in fs::read_dir(data).map_err(|source| failed(data, source))? {
        let path = entry.map_err(|source| failed(data, source))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let old = OLD_NAMES.contains(&&*name)
            || name.starts_with("snap.")
            || name.starts_with("aside.snap.");
        if old {
            let removed =
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(|source| failed(&path, source))?;
        }
    }
    sync(data).map_err(|source| failed(data, source))
}

fn failed(path: &Path, source: io::Error) -> UpgradeError {
    UpgradeError::File { path: path.to_owned(), source }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Why a store was not upgraded, or not to the end; it is as good as before.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The folder's format cannot be read or written.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A step between older formats failed.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The old store cannot be read to its end.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The new store cannot be made.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A file cannot be moved or removed.
    #[error("cannot move or remove {}; run migrate again to go on", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Name of the step.
const STEP: &str = "part log and index";
/// The folder in which the new store is made.
const NEW: &str = "format.4";
const OLD_NAMES: &[&str] = &["db", "conf", "blobs", NEW];
