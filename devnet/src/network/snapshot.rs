//! Snapshots of later blocks, as an access node hands them out.

use std::convert::Infallible;
use std::sync::Arc;

use thiserror::Error;
use weir_protocol::codec::snapshot::{
    self, History, HistoryBlock, SegmentError, Snapshot, sealing_segment,
};
use weir_protocol::model::Identifier;
use weir_protocol::protocol_state::ProtocolState;

use super::Network;

impl Network {
    /// The snapshot of the final block at a height.
    ///
    /// # Errors
    /// When no block is final there, its certificate is not known yet, or blocks it needs were
    /// forgotten, see [`Self::prune`].
    pub fn snapshot_at(&self, height: u64) -> Result<Snapshot, SnapshotError> {
        if height == self.config.root.height {
            return Ok(self.root.clone());
        }
        let missing = SnapshotError::NotFinal { height };
        let position = self.finalized_at(height).ok_or(missing)?;
        let record = self.record(&position.block_id);
        let record = record.ok_or(SnapshotError::NotFinal { height })?;
        let qc = record.qc.clone().ok_or(SnapshotError::NotFinal { height })?;
        let beacon = record.version_beacon.clone();
        let segment = sealing_segment(self, &self.root, height)?;
        let params = self.root.params().clone();
        Ok(Snapshot::new(segment, qc, params, beacon)?)
    }
}

impl History for Network {
    type Error = Infallible;

    fn block(&self, height: u64) -> Result<Option<HistoryBlock>, Infallible> {
        let position = self.finalized_at(height);
        let record = position.and_then(|position| self.record(&position.block_id));
        Ok(record.map(|record| HistoryBlock {
            block: record.proposal(),
            last_sealed_id: record.last_sealed.block_id,
        }))
    }

    fn state(&self, id: &Identifier) -> Result<Option<Arc<ProtocolState>>, Infallible> {
        Ok(self.states.get(id).cloned())
    }
}

/// Why there is no snapshot.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// No final block at the height.
    #[error("no block is final at height {height}")]
    NotFinal {
        /// The height.
        height: u64,
    },
    /// The history does not reach back far enough.
    #[error(transparent)]
    Segment(#[from] SegmentError<Infallible>),
    /// The parts do not fit together.
    #[error(transparent)]
    Parts(#[from] snapshot::SnapshotError),
}
