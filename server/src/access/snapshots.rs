//! Protocol state snapshots, as flow-go makes them of its own history.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_access_api::Refusal;
use weir_protocol::codec::snapshot::{
    History, HistoryBlock, SealedVersionBeacon, SegmentError, Snapshot, sealing_segment,
};
use weir_protocol::model::{Identifier, QuorumCertificate};
use weir_protocol::protocol_state::ProtocolState;

use super::{AccessError, AccessView};
use crate::prover::IndexedBlock;

impl AccessView {
    /// The snapshot at the latest finalized block whose certificate is known.
    ///
    /// # Errors
    /// When the history does not reach back far enough.
    pub fn latest_snapshot(&self) -> Result<Snapshot, AccessError> {
        self.snapshot_at(self.head().finalized.height)
    }

    /// The snapshot at a finalized block.
    ///
    /// # Errors
    /// When the block is not known, not final, or the history does not reach back far enough.
    pub fn snapshot_by_id(&self, id: Identifier) -> Result<Snapshot, AccessError> {
        let ordinal = self.prover.reader().ordinal_of(&id).map_err(AccessError::read)?;
        let ordinal = ordinal.ok_or(Refusal::Snapshot)?;
        let height = self.prover.block_at(ordinal)?.record.header.height;
        match self.prover.reader().finalized_at(height).map_err(AccessError::read)? {
            Some(finalized) if finalized == ordinal => self.snapshot_at(height),
            Some(_) => Err(Refusal::Orphaned.into()),
            None => Err(Refusal::Pending(height).into()),
        }
    }

    /// The snapshot at the finalized block of a height.
    ///
    /// # Errors
    /// When there is no such block, or the history does not reach back far enough.
    pub fn snapshot_at(&self, height: u64) -> Result<Snapshot, AccessError> {
        let ordinal = self.prover.reader().finalized_at(height).map_err(AccessError::read)?;
        self.snapshot_of(ordinal.ok_or(Refusal::SnapshotHeight(height))?)
    }

    /// The snapshot at any certified block, by its position in the order of ingestion.
    ///
    /// # Errors
    /// When the block has no child, or the history does not reach back far enough.
    pub fn snapshot_of(&self, ordinal: u64) -> Result<Snapshot, AccessError> {
        let head = self.prover.block_at(ordinal)?;
        if head.record.header.height == self.head().first_height {
            return Ok((*self.root).clone());
        }
        let ancestry = Ancestry::of(self, &head)?;
        let height = head.record.header.height;
        let segment = sealing_segment(&ancestry, &self.root, height).map_err(no_segment)?;
        let quorum_certificate = self.certificate_of(ordinal)?;
        let params = self.root.params().clone();
        let beacon = self.version_beacon(&ancestry, ordinal)?;
        let snapshot = Snapshot::new(segment, quorum_certificate, params, beacon);
        snapshot.map_err(|error| AccessError::NoSnapshot { reason: error.to_string() })
    }

    /// The newest version beacon that a block or an ancestor of it seals, or else the root's.
    fn version_beacon(
        &self,
        ancestry: &Ancestry<'_>,
        ordinal: u64,
    ) -> Result<Option<SealedVersionBeacon>, AccessError> {
        let reader = self.prover.reader();
        // Ancestors come first, so that the newest is the nearest one of this fork.
        let mut last = Some(ordinal);
        while let Some(upto) = last {
            let Some(sealing) = reader.sealing_version_beacon(upto).map_err(AccessError::read)?
            else {
                break;
            };
            let seal_height = self.prover.block_at(sealing)?.record.header.height;
            if ancestry.ordinal_at(seal_height)? == Some(sealing)
                && let Some(beacon) = reader.version_beacon(sealing).map_err(AccessError::read)?
            {
                return Ok(Some(SealedVersionBeacon { beacon, seal_height }));
            }
            last = sealing.checked_sub(1);
        }
        Ok(self.root.sealed_version_beacon().cloned())
    }

    /// The certificate that a child of the finalized block carries.
    fn certificate_of(&self, ordinal: u64) -> Result<QuorumCertificate, AccessError> {
        let child = self.prover.reader().first_child(ordinal).map_err(AccessError::read)?;
        let child = child.ok_or_else(|| AccessError::NoSnapshot {
            reason: "the block has no child with its certificate".to_owned(),
        })?;
        Ok(self.prover.block_at(child)?.record.header.parent_qc())
    }
}

/// The blocks that lead to one block, final or not.
struct Ancestry<'a> {
    view: &'a AccessView,
    /// Ordinals of those that are not final, by height.
    pending: BTreeMap<u64, u64>,
}

impl<'a> Ancestry<'a> {
    fn of(view: &'a AccessView, head: &IndexedBlock) -> Result<Self, AccessError> {
        let mut pending = BTreeMap::new();
        let mut block = head.clone();
        while block.record.header.height > view.head().first_height {
            let height = block.record.header.height;
            let finalized = view.prover.reader().finalized_at(height).map_err(AccessError::read)?;
            if finalized == Some(block.ordinal) {
                break;
            }
            pending.insert(height, block.ordinal);
            block = view.prover.block_by_id(block.record.header.parent_id)?;
        }
        Ok(Self { view, pending })
    }

    fn ordinal_at(&self, height: u64) -> Result<Option<u64>, AccessError> {
        match self.pending.get(&height) {
            Some(ordinal) => Ok(Some(*ordinal)),
            None => self.view.prover.reader().finalized_at(height).map_err(AccessError::read),
        }
    }
}

impl History for Ancestry<'_> {
    type Error = AccessError;

    fn block(&self, height: u64) -> Result<Option<HistoryBlock>, AccessError> {
        let view = self.view;
        let Some(ordinal) = self.ordinal_at(height)? else {
            return Ok(None);
        };
        let stored = view.prover.block_at(ordinal)?;
        let block = view.block_of(&stored)?;
        let last_sealed = view.prover.reader().last_sealed(&stored.record);
        let (last_sealed_id, _) = last_sealed.map_err(AccessError::read)?;
        Ok(Some(HistoryBlock { block, last_sealed_id }))
    }

    fn state(&self, id: &Identifier) -> Result<Option<Arc<ProtocolState>>, AccessError> {
        Ok(Some(self.view.prover.states().load(id)?))
    }
}

fn no_segment(error: SegmentError<AccessError>) -> AccessError {
    match error {
        SegmentError::History(error) => error,
        other => AccessError::NoSnapshot { reason: other.to_string() },
    }
}
