//! Decoded entries that never change, kept in memory within a bound.

use super::pages::{BlockPage, ItemPage};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::sync::Arc;
use weir_protocol::model::Identifier;

/// One cache for each kind of entry that never changes.
#[derive(Debug)]
pub(super) struct Caches {
    /// Full pages of block records.
    pub(super) blocks: Cache<u64, Arc<BlockPage>, Bytes>,
    /// Full pages of payloads.
    pub(super) payloads: Cache<u64, Arc<ItemPage>, Bytes>,
    /// Preimages whose hash was checked.
    pub(super) preimages: Cache<Identifier, Arc<[u8]>, Bytes>,
}

impl Caches {
    /// Caches of about `bytes` together: half for blocks, a quarter each for the others.
    pub(super) fn new(bytes: u64) -> Self {
        Self {
            blocks: Cache::with_weighter(ENTRIES, bytes / 2, Bytes),
            payloads: Cache::with_weighter(ENTRIES, bytes / 4, Bytes),
            preimages: Cache::with_weighter(ENTRIES, bytes / 4, Bytes),
        }
    }
}

/// Weighs an entry by the bytes it takes.
#[derive(Debug, Clone)]
pub(super) struct Bytes;

impl Weighter<u64, Arc<BlockPage>> for Bytes {
    fn weight(&self, _: &u64, page: &Arc<BlockPage>) -> u64 {
        page.bytes()
    }
}

impl Weighter<u64, Arc<ItemPage>> for Bytes {
    fn weight(&self, _: &u64, page: &Arc<ItemPage>) -> u64 {
        page.bytes()
    }
}

impl Weighter<Identifier, Arc<[u8]>> for Bytes {
    fn weight(&self, _: &Identifier, preimage: &Arc<[u8]>) -> u64 {
        // An empty preimage must weigh something, or it would never be dropped.
        preimage.len() as u64 + 1
    }
}

/// Entries expected; only sizes the tables.
const ENTRIES: usize = 256;
