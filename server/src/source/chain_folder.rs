//! A chain folder: a root snapshot and a file of blocks, each plain or gzipped.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use thiserror::Error;
use weir_proto::flow::entities;
use weir_proto::frames::{FrameError, Frames};
use weir_protocol::codec::snapshot::{Snapshot, SnapshotError};

/// A folder that holds `root-protocol-state-snapshot.json` and `blocks.pb`, either with `.gz`.
#[derive(Clone, Debug)]
pub struct ChainFolder {
    dir: PathBuf,
}

/// Blocks of a folder, in file order.
pub struct Blocks {
    frames: Frames<Box<dyn Read + Send>>,
    path: PathBuf,
    bytes_read: Arc<AtomicU64>,
    bytes_total: u64,
}

impl ChainFolder {
    /// Names the folder.
    ///
    /// # Errors
    /// When it is no folder, or lacks one of the two files.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, SourceError> {
        let dir = dir.into();
        if !dir.is_dir() {
            return Err(SourceError::NotAFolder { path: dir });
        }
        let folder = Self { dir };
        folder.find(SNAPSHOT_FILE)?;
        folder.find(BLOCKS_FILE)?;
        Ok(folder)
    }

    /// The folder's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// The root snapshot's JSON as it is.
    ///
    /// # Errors
    /// When the file cannot be read or is larger than [`SNAPSHOT_BYTES_MAX`].
    pub fn snapshot_json(&self) -> Result<Vec<u8>, SourceError> {
        let path = self.find(SNAPSHOT_FILE)?;
        let (reader, _) = open(&path)?;
        let mut json = Vec::new();
        let read = |source| SourceError::Read { path: path.clone(), source };
        reader.take(SNAPSHOT_BYTES_MAX + 1).read_to_end(&mut json).map_err(read)?;
        if json.len() as u64 > SNAPSHOT_BYTES_MAX {
            return Err(SourceError::SnapshotTooLarge { path });
        }
        Ok(json)
    }

    /// Parses a root snapshot's JSON.
    ///
    /// # Errors
    /// When it is malformed or contradicts itself.
    pub fn parse_snapshot(&self, json: &[u8]) -> Result<Snapshot, SourceError> {
        let path = self.find(SNAPSHOT_FILE)?;
        Snapshot::from_json(json).map_err(|source| SourceError::Snapshot { path, source })
    }

    /// The blocks, from the first.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn blocks(&self) -> Result<Blocks, SourceError> {
        let path = self.find(BLOCKS_FILE)?;
        let read = |source| SourceError::Read { path: path.clone(), source };
        let bytes_total = path.metadata().map_err(read)?.len();
        let (reader, bytes_read) = open(&path)?;
        Ok(Blocks { frames: Frames::new(reader), path, bytes_read, bytes_total })
    }

    fn find(&self, name: &'static str) -> Result<PathBuf, SourceError> {
        let plain = self.dir.join(name);
        let gzipped = self.dir.join(format!("{name}.gz"));
        [plain, gzipped]
            .into_iter()
            .find(|path| path.is_file())
            .ok_or_else(|| SourceError::MissingFile { dir: self.dir.clone(), name })
    }
}

impl Blocks {
    /// Bytes of the file read so far, and in all.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.bytes_read.load(Ordering::Relaxed), self.bytes_total)
    }
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocks").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Iterator for Blocks {
    type Item = Result<entities::Block, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let block = self.frames.next()?;
        Some(block.map_err(|source| SourceError::Blocks { path: self.path.clone(), source }))
    }
}

/// A file's bytes, decompressed if gzipped, with a count of those read from disk.
fn open(path: &Path) -> Result<(Box<dyn Read + Send>, Arc<AtomicU64>), SourceError> {
    let file =
        File::open(path).map_err(|source| SourceError::Read { path: path.to_owned(), source })?;
    let count = Arc::new(AtomicU64::new(0));
    let counted = BufReader::with_capacity(READ_BYTES, Counted { file, count: count.clone() });
    let gzipped = path.extension().is_some_and(|extension| extension == "gz");
    let reader: Box<dyn Read + Send> = if gzipped {
        Box::new(BufReader::with_capacity(READ_BYTES, MultiGzDecoder::new(counted)))
    } else {
        Box::new(counted)
    };
    Ok((reader, count))
}

struct Counted {
    file: File,
    count: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Why a folder gives no blocks.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// No such folder.
    #[error("{} is not a folder; a chain folder holds {SNAPSHOT_FILE} and {BLOCKS_FILE}", path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// A file is missing.
    #[error("{} holds neither {name} nor {name}.gz", dir.display())]
    MissingFile {
        /// The folder.
        dir: PathBuf,
        /// The file.
        name: &'static str,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The root snapshot is too large.
    #[error("{} is larger than {SNAPSHOT_BYTES_MAX} bytes", path.display())]
    SnapshotTooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The root snapshot is malformed.
    #[error("{}: {source}", path.display())]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SnapshotError,
    },
    /// The file of blocks is malformed.
    #[error("{}: {source}", path.display())]
    Blocks {
        /// The file.
        path: PathBuf,
        /// Why.
        source: FrameError,
    },
}

/// Most bytes of a root snapshot, uncompressed.
pub const SNAPSHOT_BYTES_MAX: u64 = 256 << 20;

const SNAPSHOT_FILE: &str = "root-protocol-state-snapshot.json";
const BLOCKS_FILE: &str = "blocks.pb";
const READ_BYTES: usize = 128 << 10;
