//! Real files in one folder; never anything outside it.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quick_cache::sync::Cache;

use crate::Files;

/// Files of a folder of the operating system.
///
/// Keeps at most [`DESCRIPTORS_MAX`] of them open. Nothing here keeps a second process out: whoever opens
/// a log holds a lock of its own.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
    open: Cache<String, Arc<File>>,
}

impl Disk {
    /// Uses a folder, which is created if it is not there.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn new(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        if !folder.is_dir() {
            fs::create_dir_all(&folder)?;
            if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                File::open(parent)?.sync_all()?;
            }
        }
        Ok(Self { folder, open: Cache::new(DESCRIPTORS_MAX) })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn file(&self, name: &str) -> io::Result<Arc<File>> {
        if let Some(file) = self.open.get(name) {
            return Ok(file);
        }
        let path = self.path(name);
        let file = File::options().read(true).write(true).open(&path);
        // A folder that may only be read can still be read.
        let refused = |e: &io::Error| {
            matches!(e.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
        };
        let file = match file {
            Err(e) if refused(&e) => File::open(&path)?,
            other => other?,
        };
        let file = Arc::new(file);
        self.open.insert(name.to_owned(), file.clone());
        Ok(file)
    }
}

impl Files for Disk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.extend(entry.file_name().into_string());
            }
        }
        Ok(names)
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        Ok(fs::metadata(self.path(name))?.len())
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let file = self.file(name)?;
        let mut read = 0;
        while read < buffer.len() {
            match file.read_at(&mut buffer[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(read)
    }

    fn create(&self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let file =
            File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
        self.open.insert(name.to_owned(), Arc::new(file));
        Ok(())
    }

    fn write_at(&self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file(name)?.write_all_at(bytes, offset)
    }

    fn sync_file(&self, name: &str) -> io::Result<()> {
        // The length is among what `sync_data` makes durable; times are not needed.
        self.file(name)?.sync_data()
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()?;
        match File::open(self.path(QUARANTINE)) {
            Ok(folder) => folder.sync_all(),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            Err(e) => Err(e),
        }
    }

    fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        self.file(name)?.set_len(length)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let renamed = fs::rename(self.path(from), self.path(to));
        self.open.remove(from);
        self.open.remove(to);
        renamed
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.open.remove(name);
        fs::remove_file(self.path(name))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let space = rustix::fs::statvfs(&self.folder)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }
}

/// The folder for files that a repair replaced.
pub(crate) const QUARANTINE: &str = "quarantine";

/// Files that are kept open at most.
pub const DESCRIPTORS_MAX: usize = 128;
