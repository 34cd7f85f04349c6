//! Where an index begins: with the root, or where a log was pruned.
//!
//! A log that lost blocks or payloads has a block behind them to begin with, and a protocol state snapshot at
//! it, made while everything was there. All blocks after it in the log descend from it, so that an index
//! that begins there has them all.

use super::checkpoint::{Begin, Checkpoint};
use super::engine::LogRead;
use super::error::{CommitError, ReadError};
use super::{Reader, Store};
use weir_protocol::model::Identifier;

/// The block that an index begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning {
    /// Its ordinal.
    pub ordinal: u64,
    /// The protocol state snapshot at it, as JSON.
    pub json: Vec<u8>,
}

impl Store {
    /// The ordinals before which the log has checkpoints, lowest first; whole segments go up to one.
    #[must_use]
    pub fn checkpoints(&self) -> Vec<u64> {
        self.log.reader().checkpoints()
    }

    /// Where an index of the log would begin.
    ///
    /// # Errors
    /// None benign.
    pub fn beginning(&self) -> Result<Option<Beginning>, ReadError> {
        newest_beginning(&*self.shared.log)
    }

    /// Writes in place of a checkpoint that an index can begin behind it, with a block from which all that
    /// come after it descend.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn put_beginning(
        &mut self,
        checkpoint: u64,
        beginning: Beginning,
        height: u64,
    ) -> Result<(), CommitError> {
        let Beginning { ordinal, json } = beginning;
        let bytes = Checkpoint::Begin(Begin { ordinal, height, json }).to_bytes();
        self.log.put_checkpoint(checkpoint, &bytes).map_err(CommitError::from_log)
    }

    /// Removes the log's segments before a checkpoint that an index can begin behind. The index that is
    /// there is of no use then.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn prune_before(&mut self, checkpoint: u64) -> Result<(), CommitError> {
        self.log.prune_before(checkpoint).map_err(CommitError::from_log)
    }

    /// Removes the payload of one block, and says whether it had one.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn prune_payload(&mut self, ordinal: u64) -> Result<bool, CommitError> {
        let pruned = self.log.prune_payload(ordinal).map_err(CommitError::from_log)?;
        self.shared.caches.blocks.clear();
        Ok(pruned)
    }
}

impl Reader {
    /// The first final block from an ordinal on, up to a height, from which all later blocks descend, final
    /// or not: its height and ordinal.
    ///
    /// # Errors
    /// None benign.
    pub fn stem(&self, from: u64, height_max: u64) -> Result<Option<(u64, u64)>, ReadError> {
        let mut height = self.first_final_from(from)?;
        let Some(mut ordinal) = self.finalized_at(height)? else { return Ok(None) };
        for later in ordinal.saturating_add(1)..self.head().blocks {
            if height > height_max {
                return Ok(None);
            }
            if later <= ordinal {
                continue;
            }
            let block = self.block(later)?.ok_or(ReadError::Gone { ordinal: later })?;
            let parent: Identifier = block.header.parent_id;
            if self.ordinal_of(&parent)?.is_none_or(|parent| parent < ordinal) {
                // No block up to this one is an ancestor of it.
                while ordinal < later {
                    height += 1;
                    let Some(next) = self.finalized_at(height)? else { return Ok(None) };
                    ordinal = next;
                }
            }
        }
        Ok(Some((height, ordinal)).filter(|_| height <= height_max))
    }

    /// The lowest height whose final block has an ordinal, or a later one.
    fn first_final_from(&self, ordinal: u64) -> Result<u64, ReadError> {
        let (mut low, mut high) = (self.head().first_height, self.head().finalized.height + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.finalized_at(middle)?.is_some_and(|found| found < ordinal) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}

/// The newest place where an index of the log can begin: what is before it may not be whole.
pub(super) fn newest_beginning(log: &dyn LogRead) -> Result<Option<Beginning>, ReadError> {
    let mut damaged = None;
    for ordinal in log.checkpoints().into_iter().rev() {
        match read(log, ordinal) {
            Ok(Some(Checkpoint::Root(json))) => return Ok(Some(Beginning { ordinal, json })),
            Ok(Some(Checkpoint::Begin(Begin { ordinal, json, .. }))) => {
                return Ok(Some(Beginning { ordinal, json }));
            }
            Ok(Some(Checkpoint::Later(_)) | None) => {}
            // Most only say how far an index was, and are made again with it.
            Err(error) => damaged = Some(error),
        }
    }
    damaged.map_or(Ok(None), Err)
}

/// The snapshot that an index with this first block begins with.
pub(super) fn root_snapshot(
    log: &dyn LogRead,
    first_height: u64,
    first_ordinal: u64,
) -> Result<Option<Vec<u8>>, ReadError> {
    let mut damaged = None;
    for ordinal in log.checkpoints() {
        match read(log, ordinal) {
            Ok(Some(Checkpoint::Root(json))) if ordinal == first_ordinal => return Ok(Some(json)),
            Ok(Some(Checkpoint::Begin(begin))) if begin.height == first_height => {
                return Ok(Some(begin.json));
            }
            Ok(_) => {}
            Err(error) => damaged = Some(error),
        }
    }
    damaged.map_or(Ok(None), Err)
}

/// Whether the log begins above a height. What cannot be read is not the index's fault.
pub(super) fn begins_after(log: &dyn LogRead, height: u64) -> bool {
    let Some(ordinal) = log.checkpoints().first().copied() else { return false };
    match read(log, ordinal) {
        Ok(Some(Checkpoint::Begin(begin))) => height < begin.height,
        _ => false,
    }
}

fn read(log: &dyn LogRead, ordinal: u64) -> Result<Option<Checkpoint>, ReadError> {
    let bytes = log.checkpoint(ordinal).map_err(|error| ReadError::from_log(ordinal, error))?;
    let malformed = |error| ReadError::Malformed { ordinal, reason: format!("{error}") };
    bytes.map(|bytes| Checkpoint::from_bytes(&bytes).map_err(malformed)).transpose()
}
