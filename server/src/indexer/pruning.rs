//! Where an index can begin when blocks or payloads before it are gone.

use crate::access::{AccessError, AccessView};
use crate::prover::Prover;
use crate::store::{Beginning, CommitError, ReadError, Store};

/// A checkpoint of the log, and the final block behind it that an index can begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) checkpoint: u64,
    pub(crate) ordinal: u64,
    pub(crate) height: u64,
}

impl Place {
    /// The first checkpoint behind which there is a block, up to a height, that all later ones descend
    /// from.
    pub(crate) fn find(
        store: &Store,
        checkpoints: impl Iterator<Item = u64>,
        height_max: u64,
    ) -> Result<Option<Self>, ReadError> {
        let reader = store.reader();
        for checkpoint in checkpoints {
            if let Some((height, ordinal)) = reader.stem(checkpoint, height_max)? {
                return Ok(Some(Self { checkpoint, ordinal, height }));
            }
        }
        Ok(None)
    }

    /// The newest one up to an ordinal whose block is sealed.
    pub(crate) fn newest(store: &Store, upto: u64) -> Result<Option<Self>, ReadError> {
        let sealed = store.reader().head().sealed.height;
        let checkpoints = store.checkpoints().into_iter().rev();
        Self::find(store, checkpoints.filter(|at| (1..=upto).contains(at)), sealed)
    }

    /// The snapshot to begin with; none where an index would begin there or later already.
    pub(crate) fn beginning(&self, store: &Store) -> Result<Option<Beginning>, AccessError> {
        let known = store.beginning().map_err(AccessError::read)?;
        if known.is_some_and(|known| known.ordinal > 0 && known.ordinal >= self.ordinal) {
            return Ok(None);
        }
        self.snapshot(store).map(Some)
    }

    /// The snapshot at the block.
    pub(crate) fn snapshot(&self, store: &Store) -> Result<Beginning, AccessError> {
        let view = AccessView::new(Prover::new(store.reader()))?;
        let json = view.snapshot_at(self.height)?.to_json();
        Ok(Beginning { ordinal: self.ordinal, json })
    }

    /// Writes the snapshot to the log.
    pub(crate) fn put(
        &self,
        store: &mut Store,
        beginning: Option<&Beginning>,
    ) -> Result<(), CommitError> {
        let Some(beginning) = beginning else { return Ok(()) };
        store.put_beginning(self.checkpoint, beginning.clone(), self.height)
    }
}
