//! The changes that a batch makes to the index.

use super::engine::Entry;
use super::keys::Key;
use super::value::{self, Compression};

/// Entries to be written together.
#[derive(Debug, Default)]
pub(super) struct Writes {
    entries: Vec<Entry>,
}

impl Writes {
    /// Adds an entry.
    pub(super) fn put(&mut self, key: Key, content: &[u8]) {
        self.entries.push((key.to_bytes(), value::encode(key, content, Compression::None)));
    }

    /// Adds an entry, compressed where that helps.
    pub(super) fn put_compressed(&mut self, key: Key, content: &[u8]) {
        self.entries.push((key.to_bytes(), value::encode(key, content, Compression::Zstd)));
    }

    /// Adds an entry that leads to a block.
    pub(super) fn put_ordinal(&mut self, key: Key, ordinal: u64) {
        self.entries.push((key.to_bytes(), value::encode_ordinal(ordinal)));
    }

    pub(super) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }
}
