//! Decoded entries that never change, kept in memory within a bound.

use super::block::StoredBlock;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::sync::Arc;
use weir_protocol::model::Identifier;

/// One cache for each kind of entry that never changes.
#[derive(Debug)]
pub(super) struct Caches {
    /// Blocks by ordinal.
    pub(super) blocks: Cache<u64, Arc<StoredBlock>, Bytes>,
    /// Preimages whose hash was checked.
    pub(super) preimages: Cache<Identifier, Arc<[u8]>, Bytes>,
}

impl Caches {
    /// Caches of about `bytes` together: three quarters for blocks.
    pub(super) fn new(bytes: u64) -> Self {
        Self {
            blocks: Cache::with_weighter(BLOCKS, bytes / 4 * 3, Bytes),
            preimages: Cache::with_weighter(PREIMAGES, bytes / 4, Bytes),
        }
    }
}

/// Weighs an entry by the bytes it takes.
#[derive(Debug, Clone)]
pub(super) struct Bytes;

impl Weighter<u64, Arc<StoredBlock>> for Bytes {
    fn weight(&self, _: &u64, block: &Arc<StoredBlock>) -> u64 {
        block.bytes()
    }
}

impl Weighter<Identifier, Arc<[u8]>> for Bytes {
    fn weight(&self, _: &Identifier, preimage: &Arc<[u8]>) -> u64 {
        // An empty preimage must weigh something, or it would never be dropped.
        preimage.len() as u64 + 1
    }
}

/// Entries expected; only size the tables.
const BLOCKS: usize = 8192;
const PREIMAGES: usize = 256;
