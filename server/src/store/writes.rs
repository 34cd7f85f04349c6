//! The changes of one atomic write, and the pages of numbers it rewrites.

use super::error::{CommitError, ReadError};
use super::keys::Key;
use super::pages::{decode_numbers, encode_numbers, place};
use super::value::{self, Compression};
use std::collections::BTreeMap;
use weir_migrations::{Database, guarded};

/// Pages of numbers being changed.
pub(super) struct NumberPages {
    key: fn(u64) -> Key,
    per_page: u64,
    pages: BTreeMap<u64, Vec<u64>>,
}

impl NumberPages {
    pub(super) fn new(key: fn(u64) -> Key, per_page: u64) -> Self {
        Self { key, per_page, pages: BTreeMap::new() }
    }

    /// The place of a number, read from the database when its page is not at hand.
    pub(super) fn place(&mut self, database: &Database, index: u64) -> Result<&mut u64, ReadError> {
        let (page, position) = place(index, self.per_page);
        let numbers = match self.pages.remove(&page) {
            Some(numbers) => numbers,
            None => {
                let key = (self.key)(page);
                let content = value::read(database, key)?;
                content.map_or(Ok(Vec::new()), |content| decode_numbers(key, &content))?
            }
        };
        let numbers = self.pages.entry(page).or_insert(numbers);
        if numbers.len() <= position {
            numbers.resize(position + 1, 0);
        }
        Ok(&mut numbers[position])
    }

    pub(super) fn put(&self, writes: &mut Writes<'_>) {
        for (page, numbers) in &self.pages {
            writes.put((self.key)(*page), &encode_numbers(numbers), Compression::None);
        }
    }
}

/// The changes of one atomic write.
pub(super) struct Writes<'a> {
    pub(super) database: &'a Database,
    pub(super) batch: sled::Batch,
}

impl Writes<'_> {
    pub(super) fn put(&mut self, key: Key, content: &[u8], compression: Compression) {
        self.batch.insert(key.to_bytes(), value::encode(key, content, compression));
    }

    pub(super) fn remove(&mut self, key: Key) {
        self.batch.remove(key.to_bytes());
    }

    /// Writes, and waits until the disk has it.
    pub(super) fn apply(self) -> Result<(), CommitError> {
        let Self { database, batch } = self;
        let write = || database.tree().apply_batch(batch).and_then(|()| database.flush());
        match guarded(write) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(CommitError::Database { source: error.into() }),
            Err(panic) => Err(CommitError::Database { source: panic.into() }),
        }
    }
}

/// The first keys from `start` up to `end`, at most a batch.
pub(super) fn first_keys(
    database: &Database,
    start: &[u8],
    end: &[u8],
) -> Result<Vec<sled::IVec>, CommitError> {
    let range = || {
        let range = database.tree().range(start..end).keys();
        range.take(KEYS_MAX).collect::<Result<_, _>>()
    };
    match guarded(range) {
        Ok(Ok(keys)) => Ok(keys),
        Ok(Err(error)) => Err(CommitError::Database { source: error.into() }),
        Err(panic) => Err(CommitError::Database { source: panic.into() }),
    }
}

/// Most keys that [`first_keys`] returns.
const KEYS_MAX: usize = 256;
