//! The files of a log: everything that is read or written goes through [`Files`].

use std::fmt::Debug;
use std::io;

use crate::{Damage, LogError};

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

/// Whether a disk said that it cannot read these bytes: damage, rather than a fault of the process or of the
/// file system's state.
pub(crate) fn is_unreadable(error: &LogError) -> bool {
    matches!(error, LogError::Damaged { damage: Damage::Unreadable, .. })
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
///
/// # Errors
/// [`Damage::Unreadable`], of no ordinals, where the disk cannot read; else those of the file system.
pub(crate) fn read_up_to(
    files: &dyn Files,
    name: &str,
    offset: u64,
    length: usize,
) -> Result<Vec<u8>, LogError> {
    let mut bytes = vec![0; length];
    let read = match files.read_at(name, offset, &mut bytes) {
        Err(e) if e.raw_os_error().is_some_and(|code| UNREADABLE.contains(&code)) => {
            let (file, damage) = (name.to_owned(), Damage::Unreadable);
            return Err(LogError::Damaged { file, offset, ordinals: 0..0, damage });
        }
        read => read.named("read", name)?,
    };
    bytes.truncate(read);
    Ok(bytes)
}

/// Reads the bytes of a range, with zeros for those that the disk cannot read.
pub(crate) fn read_what_can_be(
    files: &dyn Files,
    name: &str,
    offset: u64,
    length: usize,
) -> Result<Vec<u8>, LogError> {
    match read_up_to(files, name, offset, length) {
        Err(e) if is_unreadable(&e) && length > PIECE_BYTES => {
            let mut bytes = Vec::with_capacity(length);
            while bytes.len() < length {
                let piece = PIECE_BYTES.min(length - bytes.len());
                let at = offset + bytes.len() as u64;
                bytes.extend(read_what_can_be(files, name, at, piece)?);
            }
            Ok(bytes)
        }
        Err(e) if is_unreadable(&e) => Ok(vec![0; length]),
        read => read,
    }
}

/// What the kernel says of bytes that a disk or a file system cannot read: EIO, EBADMSG, EUCLEAN.
const UNREADABLE: [i32; 3] = [
    rustix::io::Errno::IO.raw_os_error(),
    rustix::io::Errno::BADMSG.raw_os_error(),
    rustix::io::Errno::UCLEAN.raw_os_error(),
];
/// Bytes that are given up at once.
const PIECE_BYTES: usize = 512;

/// The end of the names of files that are still being written.
pub(crate) const DRAFT: &str = ".new";
