//! Preimages for one client: what it holds is left out, what resembles something it holds becomes a
//! delta.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use quick_cache::sync::Cache;
use weir_protocol::evidence::{Bundle, Delta};
use weir_protocol::model::Identifier;

use super::ProverError;
use crate::store::Reader;

/// Deltas found before, by base and target; none where it saves too little.
pub(super) type Deltas = Arc<Cache<(Identifier, Identifier), Option<Arc<Delta>>>>;

/// An empty cache of deltas.
pub(super) fn deltas() -> Deltas {
    Arc::new(Cache::new(DELTAS_CACHED_MAX))
}

/// Collects the preimages of one answer or of one page of hops.
#[derive(Debug)]
pub(super) struct Bundler<'a> {
    reader: &'a Reader,
    deltas: &'a Deltas,
    /// What the client has by now.
    held: HashSet<Identifier>,
    /// Of that, what deltas may build on and is read already.
    bases: Vec<(Identifier, Arc<[u8]>)>,
    /// And what is not: most requests need none of it.
    unread_bases: Vec<Identifier>,
    /// What came with the present bundle.
    added: HashSet<Identifier>,
    bundle: Bundle,
    /// Bytes of preimages and deltas collected so far, in all bundles.
    bytes: usize,
}

impl<'a> Bundler<'a> {
    /// For a client that holds `held`.
    pub(super) fn new(reader: &'a Reader, deltas: &'a Deltas, held: &BTreeSet<Identifier>) -> Self {
        Self {
            reader,
            deltas,
            held: held.iter().copied().collect(),
            bases: Vec::new(),
            unread_bases: held.iter().copied().take(HELD_BASES_MAX).collect(),
            added: HashSet::new(),
            bundle: Bundle::default(),
            bytes: 0,
        }
    }

    /// Adds a preimage that the client lacks.
    pub(super) fn add(&mut self, id: &Identifier) -> Result<(), ProverError> {
        if self.held.contains(id) {
            return Ok(());
        }
        let missing = ProverError::MissingPreimage { id: *id };
        let bytes = self.reader.preimage(id)?.ok_or(missing)?;
        for base in std::mem::take(&mut self.unread_bases) {
            self.bases.extend(self.reader.preimage(&base)?.map(|bytes| (base, bytes)));
        }
        match self.best_delta(id, &bytes) {
            Some(delta) => {
                self.bytes += delta.encoded_len();
                self.bundle.deltas.push(delta.as_ref().clone());
            }
            None => self.add_whole(bytes.to_vec()),
        }
        self.held.insert(*id);
        self.added.insert(*id);
        self.bases.push((*id, bytes));
        Ok(())
    }

    /// Adds a preimage as it is.
    pub(super) fn add_whole(&mut self, bytes: Vec<u8>) {
        self.bytes += bytes.len();
        self.bundle.preimages.insert(bytes);
    }

    /// What was collected.
    pub(super) fn take(&mut self) -> Bundle {
        std::mem::take(&mut self.bundle)
    }

    /// Goes on to the next hop of a page: by then a client has dropped all but what came with the
    /// last hop, and `kept`.
    pub(super) fn next_hop(&mut self, kept: &[Identifier]) {
        let added = std::mem::take(&mut self.added);
        let stays = |id: &Identifier| added.contains(id) || kept.contains(id);
        self.held.retain(stays);
        self.bases.retain(|(id, _)| stays(id));
        self.unread_bases.retain(stays);
    }

    /// Bytes collected so far.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The smallest delta against the bases nearest in length, if it saves enough.
    fn best_delta(&self, id: &Identifier, bytes: &[u8]) -> Option<Arc<Delta>> {
        let mut near: Vec<_> = self.bases.iter().collect();
        near.sort_by_key(|(id, base)| (base.len().abs_diff(bytes.len()), *id));
        let deltas = near.into_iter().take(BASES_TRIED_MAX).filter_map(|(base_id, base)| {
            let key = (*base_id, *id);
            self.deltas.get(&key).unwrap_or_else(|| {
                let delta = Delta::between(*base_id, base, bytes);
                let saves = delta.encoded_len() < bytes.len() / 4 * 3;
                let delta = saves.then(|| Arc::new(delta));
                self.deltas.insert(key, delta.clone());
                delta
            })
        });
        deltas.min_by_key(|delta| delta.encoded_len())
    }
}

/// Held preimages that deltas may build on; a light client holds about ten.
const HELD_BASES_MAX: usize = 64;
/// Bases tried for one preimage.
const BASES_TRIED_MAX: usize = 3;
/// Pairs whose deltas are kept: those of the hops of some three hundred epochs, which are 5 MB at
/// 460 nodes.
const DELTAS_CACHED_MAX: usize = 4096;
