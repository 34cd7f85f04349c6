//! Which format a data folder has, readable by every version of Weir.
//!
//! The version is written twice. The entry under [`META_KEY`] is the truth: it changes in the
//! same atomic write as the data. The file [`FORMAT_FILE`] is a fence: it names the newest format
//! the folder may hold, and is read before the database is opened, because opening a database
//! already writes to it. This layout can never change.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Name of the file that says which format a folder has.
pub const FORMAT_FILE: &str = "weir.format";

/// Prefix of the entries that describe the store itself.
pub const META_PREFIX: u8 = 0x00;

/// Key of the entry that holds the format version.
pub const META_KEY: &[u8] = &[META_PREFIX];

/// The version in a folder's [`FORMAT_FILE`], or `None` when there is no such file.
///
/// # Errors
/// When the file cannot be read, or is not one that Weir wrote.
pub fn folder_version(folder: &Path) -> Result<Option<u32>, FormatError> {
    let path = folder.join(FORMAT_FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(FormatError::NotAStore { path });
        }
        Err(source) => return Err(FormatError::File { path, source }),
    };
    let version = text.strip_prefix("weir ").and_then(|rest| rest.strip_suffix('\n'));
    match version.and_then(|digits| digits.parse().ok()) {
        Some(version) => Ok(Some(version)),
        None => Err(FormatError::NotAStore { path }),
    }
}

/// Writes a folder's [`FORMAT_FILE`], wholly or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write_folder_version(folder: &Path, version: u32) -> Result<(), FormatError> {
    let path = folder.join(FORMAT_FILE);
    let fresh = folder.join(FORMAT_FILE_FRESH);
    let write = || {
        let mut file = File::create(&fresh)?;
        file.write_all(format!("weir {version}\n").as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|source| FormatError::File { path: path.clone(), source })
}

/// The entry under [`META_KEY`] for a version.
#[must_use]
pub fn version_entry(version: u32) -> Vec<u8> {
    checked_value(META_KEY, [MAGIC, &version.to_be_bytes()[..]].concat())
}

/// The version in a database tree, or `None` when the tree is empty.
///
/// # Errors
/// When the tree holds something else than a store, or the database fails.
pub fn read_version(tree: &sled::Tree, folder: &Path) -> Result<Option<u32>, FormatError> {
    let failed = |source| FormatError::Database { path: folder.to_path_buf(), source };
    let not_a_store = || FormatError::NotAStore { path: folder.to_path_buf() };
    let Some(value) = tree.get(META_KEY).map_err(|error| failed(Box::new(error)))? else {
        return if tree.is_empty() { Ok(None) } else { Err(not_a_store()) };
    };
    let body = open_value(META_KEY, &value).ok_or_else(not_a_store)?;
    let digits = body.strip_prefix(MAGIC).and_then(|digits| digits.try_into().ok());
    digits.map(|digits| Some(u32::from_be_bytes(digits))).ok_or_else(not_a_store)
}

/// Appends the CRC-32 of key and value, so that a value that was damaged, or strayed to another
/// key, is recognised.
#[must_use]
pub fn checked_value(key: &[u8], mut body: Vec<u8>) -> Vec<u8> {
    let checksum = checksum(key, &body);
    body.extend_from_slice(&checksum.to_be_bytes());
    body
}

/// The body of a value that [`checked_value`] made for this key; `None` when it is damaged.
#[must_use]
pub fn open_value<'a>(key: &[u8], value: &'a [u8]) -> Option<&'a [u8]> {
    let (body, found) = value.split_last_chunk::<CHECKSUM_LEN>()?;
    (checksum(key, body) == u32::from_be_bytes(*found)).then_some(body)
}

fn checksum(key: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(body);
    hasher.finalize()
}

/// Why a folder's format version could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The file with the version could not be read or written.
    #[error("cannot read or write {path}; check the folder's permissions and free space")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Something else than a store.
    #[error("{path} is not a weir store, or its format entry is damaged; choose another folder")]
    NotAStore {
        /// The file or folder.
        path: PathBuf,
    },
    /// The database failed.
    #[error("the database in {path} failed while its format was read")]
    Database {
        /// The folder.
        path: PathBuf,
        /// What the database said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

const MAGIC: &[u8] = b"weir";
const CHECKSUM_LEN: usize = 4;
pub(crate) const FORMAT_FILE_FRESH: &str = "weir.format.fresh";

#[cfg(test)]
mod tests {
    use super::*;

    #[bounded::test]
    fn recognises_a_value_under_another_key() {
        let value = checked_value(b"key", b"body".to_vec());
        assert_eq!(open_value(b"key", &value), Some(&b"body"[..]));
        assert_eq!(open_value(b"kez", &value), None);
        assert_eq!(open_value(b"key", &value[1..]), None);
        assert_eq!(open_value(b"key", b"abc"), None);
    }

    #[bounded::test]
    fn folder_version_survives_rewriting_and_rejects_other_text() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(folder_version(folder.path()).unwrap(), None);
        write_folder_version(folder.path(), 1).unwrap();
        write_folder_version(folder.path(), 7).unwrap();
        assert_eq!(folder_version(folder.path()).unwrap(), Some(7));
        fs::write(folder.path().join(FORMAT_FILE), "weir seven\n").unwrap();
        assert!(matches!(folder_version(folder.path()), Err(FormatError::NotAStore { .. })));
    }
}
