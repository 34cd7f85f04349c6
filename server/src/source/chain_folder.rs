//! A chain folder: a root snapshot and a file of blocks, each plain or gzipped.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use weir_proto::flow::entities;
use weir_proto::frames::Frames;
use weir_protocol::codec::snapshot::Snapshot;

use super::SourceError;
use super::stored::{Stored, StoredBlocks};
use crate::store::LogFolder;

/// A folder that holds `root-protocol-state-snapshot.json` and `blocks.pb`, either with `.gz`; or a
/// data folder, whose log has the same.
#[derive(Clone, Debug)]
pub struct ChainFolder(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Files(PathBuf),
    Stored(Stored),
}

/// Blocks of a folder, in file order.
#[derive(Debug)]
pub struct Blocks(Reading);

#[derive(Debug)]
enum Reading {
    Files(FileBlocks),
    Stored(StoredBlocks),
}

/// Blocks of a file.
struct FileBlocks {
    frames: Frames<Box<dyn Read + Send>>,
    path: PathBuf,
    bytes_read: Arc<AtomicU64>,
    bytes_total: u64,
}

impl ChainFolder {
    /// Names the folder.
    ///
    /// # Errors
    /// When it is no folder, or has neither the two files nor a log.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, SourceError> {
        let dir = dir.into();
        if !dir.is_dir() {
            return Err(SourceError::NotAFolder { path: dir });
        }
        if LogFolder::is_at(&dir) {
            return Ok(Self(Kind::Stored(Stored::of_data(&dir)?)));
        }
        find(&dir, SNAPSHOT_FILE)?;
        find(&dir, BLOCKS_FILE)?;
        Ok(Self(Kind::Files(dir)))
    }

    /// Names the log of a data folder, which a server may have open.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn open_data(data: &Path) -> Result<Self, SourceError> {
        Ok(Self(Kind::Stored(Stored::of_data(data)?)))
    }

    /// Names a data folder of format 3, which is locked for as long as this is.
    ///
    /// # Errors
    /// When it cannot be opened, or has another format.
    pub fn open_old_store(data: &Path) -> Result<Self, SourceError> {
        Ok(Self(Kind::Stored(Stored::of_old_store(data)?)))
    }

    /// The folder's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        match &self.0 {
            Kind::Files(dir) => dir,
            Kind::Stored(stored) => stored.path(),
        }
    }

    /// The root snapshot's JSON as it is.
    ///
    /// # Errors
    /// When it cannot be read or is larger than [`SNAPSHOT_BYTES_MAX`].
    pub fn snapshot_json(&self) -> Result<Vec<u8>, SourceError> {
        let dir = match &self.0 {
            Kind::Files(dir) => dir,
            Kind::Stored(stored) => return stored.snapshot_json(),
        };
        let path = find(dir, SNAPSHOT_FILE)?;
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
        let path = match &self.0 {
            Kind::Files(dir) => find(dir, SNAPSHOT_FILE)?,
            Kind::Stored(stored) => stored.path().to_owned(),
        };
        Snapshot::from_json(json).map_err(|source| SourceError::Snapshot { path, source })
    }

    /// The blocks of a data folder from an ordinal on; of a chain folder, all.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(crate) fn blocks_from(&self, ordinal: u64) -> Result<Blocks, SourceError> {
        match &self.0 {
            Kind::Stored(stored) => Ok(Blocks(Reading::Stored(stored.blocks_at(ordinal)))),
            Kind::Files(_) => self.blocks(),
        }
    }

    /// The blocks, from the first.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn blocks(&self) -> Result<Blocks, SourceError> {
        let dir = match &self.0 {
            Kind::Files(dir) => dir,
            Kind::Stored(stored) => return Ok(Blocks(Reading::Stored(stored.blocks()?))),
        };
        let path = find(dir, BLOCKS_FILE)?;
        let read = |source| SourceError::Read { path: path.clone(), source };
        let bytes_total = path.metadata().map_err(read)?.len();
        let (reader, bytes_read) = open(&path)?;
        let frames = Frames::new(reader);
        Ok(Blocks(Reading::Files(FileBlocks { frames, path, bytes_read, bytes_total })))
    }
}

fn find(dir: &Path, name: &'static str) -> Result<PathBuf, SourceError> {
    let plain = dir.join(name);
    let gzipped = dir.join(format!("{name}.gz"));
    let found = [plain, gzipped].into_iter().find(|path| path.is_file());
    found.ok_or_else(|| SourceError::MissingFile { dir: dir.to_owned(), name })
}

impl Blocks {
    /// Passes over so many blocks, or over all that there are.
    ///
    /// # Errors
    /// When one is cut short, or the file cannot be read.
    pub fn pass_over(&mut self, count: u64) -> Result<(), SourceError> {
        match &mut self.0 {
            Reading::Files(file) => {
                let passed = file.frames.pass_over(count);
                passed.map_err(|source| SourceError::Blocks { path: file.path.clone(), source })
            }
            Reading::Stored(stored) => {
                stored.pass_over(count);
                Ok(())
            }
        }
    }

    /// How much is read so far, and how much there is: bytes of the file, or blocks.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        match &self.0 {
            Reading::Files(file) => (file.bytes_read.load(Ordering::Relaxed), file.bytes_total),
            Reading::Stored(stored) => stored.progress(),
        }
    }
}

impl fmt::Debug for FileBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileBlocks").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Iterator for Blocks {
    type Item = Result<entities::Block, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Reading::Files(file) => {
                let block = file.frames.next()?;
                let path = || file.path.clone();
                Some(block.map_err(|source| SourceError::Blocks { path: path(), source }))
            }
            Reading::Stored(stored) => stored.next(),
        }
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

/// Most bytes of a root snapshot, uncompressed.
pub const SNAPSHOT_BYTES_MAX: u64 = 256 << 20;

pub(crate) const SNAPSHOT_FILE: &str = "root-protocol-state-snapshot.json";
pub(crate) const BLOCKS_FILE: &str = "blocks.pb";
const READ_BYTES: usize = 128 << 10;
