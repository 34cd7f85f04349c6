//! Opening a store, or beginning one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;
use weir_migrations::{DatabaseError, FolderLock, folder_version, write_folder_version};
use weir_protocol::model::Block;

use super::batch::WriteBatch;
use super::beginning::{Beginning, begins_after, newest_beginning};
use super::block::Body;
use super::cache::Caches;
use super::checkpoint::Checkpoint;
use super::engine::{BlockLog, Index, Record};
use super::entries::Entries;
use super::error::{CommitError, OpenError, ReadError};
use super::keys::Key;
use super::log::SegmentLog;
use super::records::Head;
use super::sled_index::{SledIndex, UnusableIndex};
use super::{FORMAT_VERSION, Shared, State, Store, append, writer};
use crate::payload;

/// How much memory and disk a store may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// The index's own cache, in bytes.
    pub cache_bytes: u64,
    /// Caches of decoded blocks and preimages, in bytes.
    pub decoded_cache_bytes: u64,
    /// Length of a segment of the log, in bytes, about.
    pub segment_bytes: u64,
    /// Free space on the disk below which nothing more is written, in bytes.
    pub reserve_bytes: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 64 * MEBIBYTE,
            decoded_cache_bytes: 32 * MEBIBYTE,
            segment_bytes: 64 * MEBIBYTE,
            reserve_bytes: 64 * MEBIBYTE,
        }
    }
}

/// What a folder held.
#[derive(Debug)]
pub enum Opened {
    /// No block, or none that is indexed.
    New(NewStore),
    /// A store with blocks, whose index may be behind its log.
    Existing(Store),
}

/// A store without a head to read by: nothing is indexed.
#[derive(Debug)]
pub struct NewStore {
    parts: Parts,
    folder: PathBuf,
    options: StoreOptions,
}

/// An open log and index, in a locked folder.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) log: Box<dyn BlockLog>,
    pub(super) entries: Entries,
    pub(super) aside: Vec<PathBuf>,
    pub(super) lock: Option<FolderLock>,
}

impl NewStore {
    /// How many blocks the log has; they are to be indexed first.
    #[must_use]
    pub fn logged(&self) -> u64 {
        self.parts.log.reader().ordinals().end
    }

    /// Where the index of the log is to begin.
    ///
    /// # Errors
    /// None benign.
    pub fn beginning(&self) -> Result<Option<Beginning>, ReadError> {
        newest_beginning(&*self.parts.log.reader())
    }

    /// Writes the first batch, which has the root snapshot and at least the root block.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn initialize(mut self, batch: &WriteBatch) -> Result<Store, CommitError> {
        let log = &mut *self.parts.log;
        let (writes, head) = writer::changes(&self.parts.entries, None, batch)?;
        if log.reader().ordinals().end == 0 {
            let json = batch.root_snapshot.clone().unwrap_or_default();
            log.begin_segment(&Checkpoint::Root(json).to_bytes()).map_err(CommitError::from_log)?;
        }
        append(log, batch.first_ordinal, batch)?;
        self.parts.entries.put(writes.into_entries());
        let fence = write_folder_version(&self.folder, FORMAT_VERSION);
        fence.map_err(|error| CommitError::Index { source: error.into() })?;
        Ok(Store::new(self.parts, Arc::new(head), &self.options))
    }
}

impl Store {
    /// Opens the store in `folder`, or begins one there when it is empty or missing.
    ///
    /// An index that is unusable is set aside, and a new one begun: see [`Store::logged`].
    ///
    /// # Errors
    /// When another process has the folder open, when it holds something else or another format
    /// (a newer one is left untouched), when the disk refuses, or when the log is damaged.
    pub fn open(folder: &Path, options: StoreOptions) -> Result<Opened, OpenError> {
        let fence = if folder.is_dir() { folder_version(folder)? } else { None };
        fence.map_or(Ok(()), |found| check_version(folder, found))?;
        let path = || folder.to_path_buf();
        if fence.is_some() && !folder.join(LOG).is_dir() {
            return Err(OpenError::Lost { path: path() });
        }
        let lock = FolderLock::take(folder, DATA_NAMES)?;
        let log = SegmentLog::open(&folder.join(LOG), &options);
        let log = log.map_err(|source| OpenError::from_log(path(), source))?;
        let logged = log.reader().ordinals().end;
        if logged == 0 && fence.is_some() {
            return Err(OpenError::Lost { path: path() });
        }
        if logged > 0 && fence.is_none() {
            write_folder_version(folder, FORMAT_VERSION)?;
        }
        let (index, head) = open_index(folder, &options, &log)?;
        let aside = set_aside(folder).map_err(|error| OpenError::from_io(path(), error))?;
        let entries = Entries::new(Box::new(index));
        let parts = Parts { log: Box::new(log), entries, aside, lock: Some(lock) };
        Ok(Self::over(parts, head, path(), options))
    }

    /// A store over its engines, of which the index has this head.
    pub(super) fn over(
        parts: Parts,
        head: Option<Head>,
        folder: PathBuf,
        options: StoreOptions,
    ) -> Opened {
        match head {
            Some(head) => Opened::Existing(Self::new(parts, Arc::new(head), &options)),
            None => Opened::New(NewStore { parts, folder, options }),
        }
    }

    fn new(parts: Parts, head: Arc<Head>, options: &StoreOptions) -> Self {
        let Parts { log, entries, aside, lock } = parts;
        let caches = Caches::new(options.decoded_cache_bytes);
        let (head, _) = watch::channel(head);
        let shared = Shared { entries, log: log.reader(), caches, head, lock };
        Self { shared: Arc::new(shared), log, state: State::Open, refused: false, aside }
    }
}

/// Checks that a folder's format is this version's.
///
/// # Errors
/// [`OpenError::Newer`] and [`OpenError::Older`].
pub fn check_version(folder: &Path, found: u32) -> Result<(), OpenError> {
    let (path, expected) = (folder.to_path_buf(), FORMAT_VERSION);
    if found > expected {
        Err(OpenError::Newer { path, expected, found })
    } else if found < expected {
        Err(OpenError::Older { path, expected, found })
    } else {
        Ok(())
    }
}

/// Opens the index, or sets it aside and begins another. Returns it with its head, if it has one.
fn open_index(
    folder: &Path,
    options: &StoreOptions,
    log: &SegmentLog,
) -> Result<(SledIndex, Option<Head>), OpenError> {
    let open = || SledIndex::open(&folder.join(INDEX), FORMAT_VERSION, options.cache_bytes);
    let reason = match open() {
        Ok(index) => match head_of(&index, log) {
            Ok(head) => {
                check_ahead(folder, head.as_ref(), log)?;
                return Ok((index, head));
            }
            Err(reason) => {
                index.abandon();
                reason
            }
        },
        Err(UnusableIndex::Database(error)) if !is_damage(&error) => return Err(error.into()),
        Err(unusable) => unusable.to_string(),
    };
    let path = || folder.to_path_buf();
    log.check_space().map_err(|source| OpenError::from_log(path(), source))?;
    set_index_aside(folder, &reason)?;
    match open() {
        Ok(index) => Ok((index, None)),
        Err(UnusableIndex::Database(error)) => Err(error.into()),
        Err(UnusableIndex::Format(error)) => Err(error.into()),
        Err(error) => Err(OpenError::Disk { path: path(), source: error.into() }),
    }
}

/// Renames the index of a folder that nobody has open, for another to be made from the log.
///
/// # Errors
/// When it cannot be renamed.
pub fn set_index_aside(folder: &Path, reason: &str) -> Result<(), OpenError> {
    let index = folder.join(INDEX);
    if !index.exists() {
        return Ok(());
    }
    let to = free_name(folder);
    tracing::warn!(reason, to = %to.display(), "the index is set aside and made again from the log");
    fs::rename(index, &to).map_err(|error| OpenError::from_io(folder.to_path_buf(), error))
}

/// The folder of a data folder's log.
#[must_use]
pub fn log_folder(data: &Path) -> PathBuf {
    data.join(LOG)
}

/// The folder of a data folder's index.
#[must_use]
pub fn index_folder(data: &Path) -> PathBuf {
    data.join(INDEX)
}

/// What the log says before its first segment: the root snapshot, as the source gave it.
#[must_use]
pub fn root_checkpoint(json: Vec<u8>) -> Vec<u8> {
    Checkpoint::Root(json).to_bytes()
}

/// The record of a block.
#[must_use]
pub fn record_of(block: &Block) -> Record {
    let (state, signature) = (&block.payload.protocol_state_id, &block.proposer_sig_data);
    Body::record(&block.header, state, signature, &payload::encode(block))
}

/// The index's head, or why it cannot be read.
pub(super) fn read_head(index: &dyn Index) -> Result<Option<Head>, String> {
    let key = Key::Head;
    let value = index.get(&[key.to_bytes()]).map_err(|error| error.to_string())?.pop().flatten();
    let Some(value) = value else { return Ok(None) };
    let content = super::value::decode(key, &value).map_err(|error| error.to_string())?;
    let head = Head::from_rlp(&content);
    head.map(Some).map_err(|error| format!("its head is malformed: {error}"))
}

/// The index's head, if the log has the blocks it names; or why the index is unusable.
pub(super) fn head_of(index: &dyn Index, log: &dyn BlockLog) -> Result<Option<Head>, String> {
    let Some(head) = read_head(index)? else { return Ok(None) };
    if begins_after(&*log.reader(), head.first_height) {
        return Err("it has blocks that were pruned from the log".to_owned());
    }
    let finalized = &head.finalized;
    match log.reader().read(finalized.ordinal) {
        Ok(Some(record)) if record.id != finalized.id.0 => {
            Err("it is of another log: the finalized block differs".to_owned())
        }
        // A block that is missing or damaged in the log is not the index's fault.
        _ => Ok(Some(head)),
    }
}

/// Fewer blocks than were indexed are never shown as if they were all.
pub(super) fn check_ahead(
    folder: &Path,
    head: Option<&Head>,
    log: &dyn BlockLog,
) -> Result<(), OpenError> {
    let logged = log.reader().ordinals().end;
    match head {
        Some(Head { blocks, .. }) if *blocks > logged => {
            Err(OpenError::Ahead { path: folder.to_path_buf(), indexed: *blocks, logged })
        }
        _ => Ok(()),
    }
}

/// Whether the content is at fault, so that another index would do better.
fn is_damage(error: &DatabaseError) -> bool {
    matches!(error, DatabaseError::Open { .. } | DatabaseError::Foreign { .. })
}

/// Indexes set aside earlier, which are there until a new one is complete.
fn set_aside(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut aside = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(ASIDE) {
            aside.push(entry.path());
        }
    }
    Ok(aside)
}

fn free_name(folder: &Path) -> PathBuf {
    let names = (1..).map(|number: u32| folder.join(format!("{ASIDE}{number}")));
    names.into_iter().find(|path| !path.exists()).expect("there is a number that is free")
}

/// The log's folder.
pub(super) const LOG: &str = "log";
/// The index's folder.
pub(super) const INDEX: &str = "index";
const ASIDE: &str = "index.aside.";
/// What a folder may hold before it has a log.
pub const DATA_NAMES: &[&str] = &[LOG, INDEX];
const MEBIBYTE: u64 = 1024 * 1024;
