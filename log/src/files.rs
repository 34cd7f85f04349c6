//! The files of a log: everything that is read or written goes through [`Files`].

use std::fmt::Debug;
use std::io;

use crate::LogError;

/// A folder of files. Names have no folder in them, but for `quarantine/…`.
///
/// What is written lasts only after `sync_file`; a file that was created, renamed or removed is so for good
/// only after `sync_folder`. Tests hold the log to this with files that forget the rest.
pub trait Files: Debug + Send + Sync + 'static {
    /// The names of all files of the folder itself, in no order; folders in it are left out.
    ///
    /// # Errors
    /// What the file system says; so everywhere below.
    fn list(&self) -> io::Result<Vec<String>>;
    /// The length of a file in bytes.
    ///
    /// # Errors
    /// `NotFound` if there is no such file.
    fn len(&self, name: &str) -> io::Result<u64>;
    /// Reads from an offset until the buffer is full or the file ends; returns the bytes read.
    ///
    /// # Errors
    /// `NotFound` if there is no such file.
    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Creates an empty file, in place of one of that name.
    ///
    /// # Errors
    /// What the file system says.
    fn create(&self, name: &str) -> io::Result<()>;
    /// Writes all bytes from an offset on. After an error any part of them may be written.
    ///
    /// # Errors
    /// `NotFound` if there is no such file.
    fn write_at(&self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes the content and length of a file durable.
    ///
    /// # Errors
    /// What the file system says; what was written before may then be lost, however often this is repeated.
    fn sync_file(&self, name: &str) -> io::Result<()>;
    /// Makes names durable: files that were created, renamed or removed.
    ///
    /// # Errors
    /// What the file system says.
    fn sync_folder(&self) -> io::Result<()>;
    /// Cuts a file to a length.
    ///
    /// # Errors
    /// `NotFound` if there is no such file.
    fn truncate(&self, name: &str, length: u64) -> io::Result<()>;
    /// Renames a file, in place of one of the new name.
    ///
    /// # Errors
    /// `NotFound` if there is no such file.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// `NotFound` if there is no such file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// The bytes that may still be written.
    ///
    /// # Errors
    /// What the file system says.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// Gives an error of the file system the name of the file and what was tried.
pub(crate) trait Named<T> {
    fn named(self, action: &'static str, file: &str) -> Result<T, LogError>;
}

impl<T> Named<T> for io::Result<T> {
    fn named(self, action: &'static str, file: &str) -> Result<T, LogError> {
        self.map_err(|source| LogError::Io { action, file: file.to_owned(), source })
    }
}

/// Whether an error says that a disk cannot read, rather than that this process may not.
pub(crate) fn is_unreadable(error: &LogError) -> bool {
    let refused =
        |kind| matches!(kind, io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported);
    matches!(error, LogError::Io { source, .. } if !refused(source.kind()))
}

/// Writes a whole file under a name for drafts and renames it when it is durable, so that a file of the
/// final name is always whole. The name itself lasts after the next `sync_folder`.
pub(crate) fn put(files: &dyn Files, name: &str, bytes: &[u8]) -> Result<(), LogError> {
    let draft = draft(name);
    files.create(&draft).named("create", &draft)?;
    files.write_at(&draft, 0, bytes).named("write", &draft)?;
    files.sync_file(&draft).named("sync", &draft)?;
    files.rename(&draft, name).named("rename", &draft)
}

/// The name under which a file is written before it has its own.
pub(crate) fn draft(name: &str) -> String {
    format!("{name}{DRAFT}")
}

/// Reads exactly the bytes of a range, or fewer where the file ends.
pub(crate) fn read_up_to(
    files: &dyn Files,
    name: &str,
    offset: u64,
    length: usize,
) -> Result<Vec<u8>, LogError> {
    let mut bytes = vec![0; length];
    let read = files.read_at(name, offset, &mut bytes).named("read", name)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// The end of the names of files that are still being written.
pub(crate) const DRAFT: &str = ".new";
