//! What a client holds, so that answers leave it out.

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
    /// Preimages it has, at most [`super::HELD_IDS_MAX`].
    pub preimage_ids: BTreeSet<Identifier>,
}
