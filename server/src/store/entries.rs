//! The index's entries: those in the engine, and those that wait in memory to be written with many
//! others.
//!
//! Following live would else write each page of numbers once a block. What waits is lost with the
//! process and made again from the log.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::engine::{Entry, Index};
use super::error::{CommitError, ReadError};
use super::keys::Key;
use super::value;

/// All entries.
#[derive(Debug)]
pub(super) struct Entries {
    engine: Box<dyn Index>,
    waiting: RwLock<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    bytes: usize,
    batches: u32,
}

impl Entries {
    pub(super) fn new(engine: Box<dyn Index>) -> Self {
        Self { engine, waiting: RwLock::default() }
    }

    /// The content under a key, checked.
    pub(super) fn content(&self, key: Key) -> Result<Option<Vec<u8>>, ReadError> {
        self.raw(key)?.map(|value| value::decode(key, &value)).transpose()
    }

    /// The ordinal under a key.
    pub(super) fn ordinal(&self, key: Key) -> Result<Option<u64>, ReadError> {
        self.raw(key)?.map(|value| value::decode_ordinal(key, &value)).transpose()
    }

    /// The last key there is from `first` to `last`.
    pub(super) fn last_key(&self, first: Key, last: Key) -> Result<Option<Key>, ReadError> {
        let (start, end) = (first.to_bytes(), last.to_bytes());
        let waiting = {
            let waiting = self.waiting();
            let range = waiting.entries.range(start.clone()..=end.clone());
            range.map(|(key, _)| key.clone()).next_back()
        };
        let stored = self.engine.last(&start, &end);
        let stored = stored.map_err(|source| ReadError::database(last, source))?;
        let newest = waiting.into_iter().chain(stored.map(|(key, _)| key)).max();
        Ok(newest.and_then(|key| Key::from_bytes(&key)))
    }

    /// The next entries from `start` on, of those in the engine alone.
    pub(super) fn stored(&self, start: &[u8], limit: usize) -> Result<Vec<Entry>, ReadError> {
        let stored = self.engine.range(start, &[0xff], limit);
        stored.map_err(|source| ReadError::database(Key::Head, source))
    }

    /// Takes entries in; they are read from now on, and written later.
    pub(super) fn put(&self, entries: Vec<Entry>) {
        let mut waiting = self.waiting_mut();
        waiting.batches += 1;
        for (key, value) in entries {
            waiting.bytes += key.len() + value.len();
            if let Some(before) = waiting.entries.insert(key.clone(), value) {
                waiting.bytes -= key.len() + before.len();
            }
        }
    }

    /// Whether enough waits to be worth a write.
    pub(super) fn is_due(&self) -> bool {
        let waiting = self.waiting();
        waiting.bytes >= WAITING_BYTES_MAX || waiting.batches >= WAITING_BATCHES_MAX
    }

    /// Writes what waits: the head last, for it says that the others are there.
    pub(super) fn write(&self) -> Result<(), CommitError> {
        let head_key = Key::Head.to_bytes();
        let (mut entries, mut head) = (Vec::new(), Vec::new());
        for (key, value) in &self.waiting().entries {
            let part = if *key == head_key { &mut head } else { &mut entries };
            part.push((key.clone(), value.clone()));
        }
        for part in [entries, head].iter().filter(|part| !part.is_empty()) {
            self.engine.put(part).map_err(|source| CommitError::Index { source })?;
        }
        *self.waiting_mut() = Waiting::default();
        Ok(())
    }

    /// Writes what waits, and returns when it survives a power cut.
    pub(super) fn sync(&self) -> Result<(), CommitError> {
        self.write()?;
        self.engine.sync().map_err(|source| CommitError::Index { source })
    }

    /// Gives up on writing.
    pub(super) fn abandon(&self) {
        self.engine.abandon();
    }

    fn raw(&self, key: Key) -> Result<Option<Vec<u8>>, ReadError> {
        let name = key.to_bytes();
        if let Some(value) = self.waiting().entries.get(&name) {
            return Ok(Some(value.clone()));
        }
        // Written in between, it is in the engine: it leaves the memory after that.
        let mut values =
            self.engine.get(&[name]).map_err(|source| ReadError::database(key, source))?;
        Ok(values.pop().flatten())
    }

    fn waiting(&self) -> RwLockReadGuard<'_, Waiting> {
        self.waiting.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting_mut(&self) -> RwLockWriteGuard<'_, Waiting> {
        self.waiting.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that wait at most, but for the last batch.
const WAITING_BYTES_MAX: usize = 1 << 20;
/// Batches that wait at most: blocks, when every block comes alone. Runs of tests have few.
const WAITING_BATCHES_MAX: u32 = if cfg!(test) { 3 } else { 256 };
