//! What is kept of verified answers, each within a bound in bytes.

use std::sync::Arc;

use metrics::counter;
use prost::Message;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use weir_protocol::model::Identifier;

use crate::own::Proven;

/// Answers that will not change, by method and request.
#[derive(Debug)]
pub(crate) struct Answers(Cache<Vec<u8>, prost::bytes::Bytes, Bytes>);

/// Preimages by their ID.
pub(crate) type Pool = Cache<Identifier, Arc<[u8]>, Bytes>;

/// No proofs of blocks yet.
pub(crate) fn proven() -> Cache<Identifier, Arc<Proven>, Bytes> {
    Cache::with_weighter(PROVEN, PROVEN_BYTES, Bytes)
}

/// An empty pool of preimages.
pub(crate) fn pool() -> Pool {
    Cache::with_weighter(ENTRIES, POOL_BYTES, Bytes)
}

/// Whether an answer stays what it is while the chain grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Yes,
    No,
}

impl Keep {
    pub(crate) fn when(is_final: bool) -> Self {
        if is_final { Self::Yes } else { Self::No }
    }
}

impl Answers {
    pub(crate) fn new(bytes: u64) -> Self {
        Self(Cache::with_weighter(ENTRIES, bytes, Bytes))
    }

    /// The answer to the same request before.
    pub(crate) fn get<T: Message + Default>(&self, key: &[u8]) -> Option<T> {
        let found = self.0.get(key).and_then(|bytes| T::decode(bytes).ok());
        let counted =
            if found.is_some() { "proxy_cache_hits_total" } else { "proxy_cache_misses_total" };
        counter!(counted).increment(1);
        found
    }

    pub(crate) fn insert(&self, key: Vec<u8>, answer: &impl Message) {
        self.0.insert(key, answer.encode_to_vec().into());
    }
}

/// The key of a request of a method.
pub(crate) fn key(method: &str, request: &impl Message) -> Vec<u8> {
    let mut key = method.as_bytes().to_vec();
    // No method's name has a zero byte.
    key.push(0);
    key.extend(request.encode_to_vec());
    key
}

/// Weighs an entry by the bytes it takes, about.
#[derive(Clone, Debug)]
pub(crate) struct Bytes;

impl Weighter<Vec<u8>, prost::bytes::Bytes> for Bytes {
    fn weight(&self, key: &Vec<u8>, answer: &prost::bytes::Bytes) -> u64 {
        (key.len() + answer.len()) as u64
    }
}

impl Weighter<Identifier, Arc<[u8]>> for Bytes {
    fn weight(&self, _: &Identifier, preimage: &Arc<[u8]>) -> u64 {
        // An empty preimage must weigh something, or it would never be dropped.
        preimage.len() as u64 + 1
    }
}

impl Weighter<Identifier, Arc<Proven>> for Bytes {
    fn weight(&self, _: &Identifier, proven: &Arc<Proven>) -> u64 {
        proven.evidence_bytes
    }
}

/// Proofs of blocks kept, about, and their bytes: 16 MiB.
const PROVEN: usize = 1024;
const PROVEN_BYTES: u64 = 16 << 20;
/// Entries expected in a cache.
const ENTRIES: usize = 4096;
/// Bytes of preimages kept: 32 MiB, those of some hundred epochs of a large network.
const POOL_BYTES: u64 = 32 << 20;
