//! What a client holds, so that answers leave it out.

use crate::codec::rlp::{Decoder, Encoder, RlpError};
use crate::model::Identifier;
use alloc::collections::BTreeSet;

/// What a client holds already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Its checkpoint.
    pub checkpoint_id: Option<Identifier>,
    /// The newest block it knows to be final.
    pub head_id: Option<Identifier>,
    /// Newest epoch whose committee it knows.
    pub newest_epoch_counter: u64,
    /// Preimages it has, at most [`HELD_IDS_MAX`].
    pub preimage_ids: BTreeSet<Identifier>,
}

impl Held {
    /// What a request names of preimages that are held, with IDs in ascending order: as many as it may.
    #[must_use]
    pub fn named<'a>(ids: impl IntoIterator<Item = &'a Identifier>) -> BTreeSet<Identifier> {
        ids.into_iter().take(HELD_IDS_MAX).copied().collect()
    }

    pub(super) fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| {
            for id in [self.checkpoint_id, self.head_id] {
                e.bytes(id.as_ref().map_or(&[], |id| &id.0[..]));
            }
            e.uint(self.newest_epoch_counter);
            e.list(|e| self.preimage_ids.iter().for_each(|id| e.bytes(&id.0)));
        });
    }

    pub(super) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| {
            let (checkpoint_id, head_id) = (optional(d)?, optional(d)?);
            let newest_epoch_counter = d.uint()?;
            let ids = d.list_of_at_most(HELD_IDS_MAX, "number of held preimages", |d| {
                d.array().map(Identifier)
            })?;
            if !ids.is_sorted_by(|a, b| a < b) {
                return Err(RlpError::Invalid { field: "order of held preimages" });
            }
            let preimage_ids = ids.into_iter().collect();
            Ok(Self { checkpoint_id, head_id, newest_epoch_counter, preimage_ids })
        })
    }
}

fn optional(decoder: &mut Decoder<'_>) -> Result<Option<Identifier>, RlpError> {
    match decoder.bytes()? {
        [] => Ok(None),
        bytes => {
            let id = Identifier::try_from(bytes);
            id.map(Some).map_err(|_| RlpError::Invalid { field: "ID of a held block" })
        }
    }
}

/// Most IDs of held preimages in a request.
pub const HELD_IDS_MAX: usize = 1024;
