//! Copying a data folder, also one that a server has open.
//!
//! Only the log is copied, up to what was announced: the index follows from it, and the first start on the
//! copy makes one. Whatever happens, the copy is a data folder as before, or one whose first copying goes on
//! when it is run again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use weir_log::{Copied, CopyError, Disk, Files, LogError, copy};
use weir_migrations::{
    DatabaseError, FolderLock, FormatError, folder_version, write_folder_version,
};

use crate::store::{
    DATA_NAMES, FORMAT_VERSION, LogFolder, OpenError, check_version, index_folder, log_folder,
};

/// Copies the log of `data` into the data folder `to`, of which only what is new is written.
///
/// `progress` gets the segments done, and how many there are.
///
/// # Errors
/// When `data` has no log of this format, or `to` is in use or is not a copy of it; and when a disk refuses
/// or the log is damaged: then it may be run again.
pub fn back_up(
    data: &Path,
    to: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Copied, BackupError> {
    let found = folder_version(data)?;
    let found = found.filter(|_| LogFolder::is_at(data));
    let found = found.ok_or_else(|| BackupError::NoStore { path: data.to_owned() })?;
    check_version(data, found)?;
    if to.canonicalize().is_ok_and(|to| data.canonicalize().is_ok_and(|data| to == data)) {
        return Err(BackupError::Itself { path: to.to_owned() });
    }
    folder_version(to)?.map_or(Ok(()), |found| check_version(to, found))?;
    let _lock = FolderLock::take(to, DATA_NAMES)?;
    let disk = |folder: &Path| {
        let failed = |source| BackupError::Disk { path: folder.to_owned(), source };
        Disk::new(log_folder(folder)).map(|disk| Arc::new(disk) as Arc<dyn Files>).map_err(failed)
    };
    let mut attempts = 0;
    let copied = loop {
        attempts += 1;
        // New descriptors each time: a server may write a segment anew meanwhile, to prune it.
        match copy(&disk(data)?, &disk(to)?, progress) {
            Err(CopyError::From(error)) if error.is_damage() && attempts < ATTEMPTS => {}
            copied => break copied.map_err(|error| BackupError::from_copy(data, to, error))?,
        }
    };
    // Empty, as one that is missing would be a finding of fsck.
    let index = index_folder(to);
    let made = fs::create_dir_all(&index);
    made.map_err(|source| BackupError::Disk { path: to.to_owned(), source })?;
    // Last, as it says that there are blocks; it syncs the folder.
    write_folder_version(to, FORMAT_VERSION)?;
    Ok(copied)
}

/// Why a data folder was not copied.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// There is nothing to copy.
    #[error(
        "{} is no data folder with blocks in this version's format; an older one is brought to it with \
         weir-server migrate", path.display()
    )]
    NoStore {
        /// The folder.
        path: PathBuf,
    },
    /// The copy would be the original.
    #[error("{} is the data folder itself; name another folder with --to", path.display())]
    Itself {
        /// The folder.
        path: PathBuf,
    },
    /// A folder's format cannot be told.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A folder has another format.
    #[error(transparent)]
    Version(#[from] OpenError),
    /// The copy's folder cannot be used.
    #[error("cannot use the folder of the backup")]
    Folder(#[from] DatabaseError),
    /// A folder cannot be used.
    #[error("cannot use the folders in {}", path.display())]
    Disk {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The copy is of another chain, or of another history of it.
    #[error(
        "{} is no backup of {}: they do not share the blocks up to number {ordinal}; nothing was \
         written, name another folder with --to", to.display(), data.display()
    )]
    Another {
        /// The data folder.
        data: PathBuf,
        /// The copy.
        to: PathBuf,
        /// The ordinal after the blocks that were compared.
        ordinal: u64,
    },
    /// The copy has blocks that the original lacks.
    #[error(
        "the backup {} has {found} blocks, {} only {expected}: did it lose some, or was the backup \
         served? nothing was written", to.display(), data.display()
    )]
    Ahead {
        /// The data folder.
        data: PathBuf,
        /// The copy.
        to: PathBuf,
        /// Blocks of the original, from the very first.
        expected: u64,
        /// Blocks of the copy.
        found: u64,
    },
    /// The original cannot be read.
    #[error(
        "the log of {0} cannot be read; see `weir-server fsck --data {0}`; the backup has what it had",
        data.display()
    )]
    From {
        /// The data folder.
        data: PathBuf,
        /// What is wrong.
        #[source]
        source: Box<LogError>,
    },
    /// The copy's disk is full.
    #[error(
        "the disk of the backup {} is full; make space there and run this again, it goes on", to.display()
    )]
    Full {
        /// The copy.
        to: PathBuf,
        /// What the system said.
        #[source]
        source: Box<LogError>,
    },
    /// Anything else.
    #[error(transparent)]
    Other(CopyError),
    /// The copy cannot be read or written.
    #[error(
        "the backup {0} cannot be read or written; run this again, or into an empty folder where \
         `weir-server fsck --data {0}` says that it is damaged", to.display()
    )]
    To {
        /// The copy.
        to: PathBuf,
        /// What is wrong.
        #[source]
        source: Box<LogError>,
    },
}

impl BackupError {
    fn from_copy(data: &Path, to: &Path, error: CopyError) -> Self {
        let (data, to) = (data.to_owned(), to.to_owned());
        match error {
            CopyError::From(source) => Self::From { data, source: source.into() },
            CopyError::Another { ordinal } => Self::Another { data, to, ordinal },
            CopyError::Ahead { expected, found } => Self::Ahead { data, to, expected, found },
            CopyError::To(source) if source.is_full() => Self::Full { to, source: source.into() },
            CopyError::To(source) => Self::To { to, source: source.into() },
            // Any other says itself what is wrong.
            other => Self::Other(other),
        }
    }
}

/// A server prunes once a segment, so a second look is enough.
const ATTEMPTS: u32 = 3;
