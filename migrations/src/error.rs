//! What can go wrong while the database is opened.

use std::io;
use std::path::PathBuf;

/// What the database said.
pub(crate) type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// Another process has the folder open.
    #[error(
        "data folder in use by another weir-server: {path}; stop that one or choose another folder"
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The path names a file.
    #[error("{path} is not a folder; choose another path for the data")]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// The folder is missing and cannot be created.
    #[error("cannot create data folder {path}; create it, or the folder above it, by hand")]
    Create {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The folder cannot be read or written.
    #[error("cannot use data folder {path}; check its owner, permissions and free space")]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The folder holds other files and no database.
    #[error("{path} is not a weir store: it holds {found}; choose an empty folder")]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// A file in it.
        found: String,
    },
    /// The file system refused; nothing may be concluded about the content.
    #[error(
        "the disk refused to open the database in {path}; look at free space, permissions and the \
         disk, nothing says that the database is damaged"
    )]
    Disk {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The database is damaged.
    #[error("the database in {path} is damaged or unreadable")]
    Open {
        /// The folder.
        path: PathBuf,
        /// What the database said.
        #[source]
        source: Source,
    },
}
