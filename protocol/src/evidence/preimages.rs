//! Preimages, addressed by their hash.

use super::PREIMAGES_MAX;
use crate::codec::entity_id;
use crate::codec::rlp::{Decoder, Encoder, RlpError};
use crate::model::Identifier;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// Byte strings, each under the SHA3-256 of itself.
///
/// There is no way to put one under another ID, so a preimage found is a preimage proved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preimages(BTreeMap<Identifier, Vec<u8>>);

impl Preimages {
    /// Adds a preimage and returns its ID.
    pub fn insert(&mut self, bytes: Vec<u8>) -> Identifier {
        let id = entity_id(&bytes);
        self.0.insert(id, bytes);
        id
    }

    /// The preimage of an ID.
    #[must_use]
    pub fn get(&self, id: &Identifier) -> Option<&[u8]> {
        self.0.get(id).map(Vec::as_slice)
    }

    /// Whether the preimage of an ID is here.
    #[must_use]
    pub fn contains(&self, id: &Identifier) -> bool {
        self.0.contains_key(id)
    }

    /// All IDs, ascending.
    pub fn ids(&self) -> impl Iterator<Item = &Identifier> {
        self.0.keys()
    }

    /// Adds all preimages of `other`.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Those of these IDs that are here.
    #[must_use]
    pub fn only(&self, ids: &BTreeSet<Identifier>) -> Self {
        let of = |id: &Identifier| Some((*id, self.0.get(id)?.clone()));
        let mut found = BTreeMap::new();
        found.extend(ids.iter().filter_map(of));
        Self(found)
    }

    /// Number of preimages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Bytes of all preimages together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// Keeps the preimages whose ID passes.
    pub fn retain(&mut self, mut keep: impl FnMut(&Identifier) -> bool) {
        self.0.retain(|id, _| keep(id));
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends the list of preimages, by ascending ID.
    pub fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| self.0.values().for_each(|preimage| e.bytes(preimage)));
    }

    /// Reads preimages, which must come by ascending ID, each once.
    ///
    /// # Errors
    /// When they do not, or are more than [`PREIMAGES_MAX`].
    pub fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        let mut preimages = Self::default();
        let mut previous = None;
        decoder.list(|d| {
            let count = d.count();
            if count > PREIMAGES_MAX {
                return Err(RlpError::Invalid { field: "number of preimages" });
            }
            d.take_room(count * PREIMAGE_BYTES)?;
            while !d.is_empty() {
                let id = preimages.insert(d.bytes()?.to_vec());
                if previous.is_some_and(|previous| previous >= id) {
                    return Err(RlpError::Invalid { field: "order of preimages" });
                }
                previous = Some(id);
            }
            Ok(())
        })?;
        Ok(preimages)
    }
}

/// Most bytes of memory that a preimage takes besides its own, in a map filled by ascending ID.
const PREIMAGE_BYTES: usize = 128;
