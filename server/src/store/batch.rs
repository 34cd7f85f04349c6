//! What one atomic write changes.

use super::error::CommitError;
use super::records::{BlockRecord, EpochRecord, Head};
use std::collections::BTreeMap;
use weir_protocol::codec::{Entity, entity_id};
use weir_protocol::model::{Identifier, VersionBeacon};

/// Longest payload, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Longest preimage, in bytes.
pub const PREIMAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Collects the changes of one atomic write.
///
/// Blocks get the ordinals from the present head's `blocks` on, in the order they are appended.
/// How blocks are split into batches does not matter to what the store holds in the end.
#[derive(Debug, Default)]
pub struct WriteBatch {
    pub(super) blocks: Vec<EncodedBlock>,
    pub(super) children: Vec<(u64, u64)>,
    pub(super) finalized: Vec<(u64, u64)>,
    pub(super) sealing: Vec<(u64, u64)>,
    pub(super) results: Vec<(Identifier, u64)>,
    pub(super) version_beacons: Vec<(u64, Vec<u8>)>,
    pub(super) preimages: BTreeMap<Identifier, Vec<u8>>,
    pub(super) epochs: BTreeMap<u64, EpochRecord>,
    pub(super) root_snapshot: Option<Vec<u8>>,
    pub(super) head: Option<Head>,
}

/// A block ready to be stored.
#[derive(Debug)]
pub(super) struct EncodedBlock {
    pub(super) id: Identifier,
    pub(super) record: Vec<u8>,
    pub(super) payload: Vec<u8>,
}

impl WriteBatch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of blocks appended so far.
    #[must_use]
    pub fn block_count(&self) -> usize {
        self.blocks.len()
    }

    /// Appends a block with its payload, as bytes the store does not interpret, and returns the
    /// block ID.
    ///
    /// # Errors
    /// When the payload is longer than [`PAYLOAD_BYTES_MAX`].
    pub fn append_block(
        &mut self,
        record: &BlockRecord,
        payload: Vec<u8>,
    ) -> Result<Identifier, CommitError> {
        check_len("payload", payload.len(), PAYLOAD_BYTES_MAX)?;
        let header = record.header.to_rlp();
        let id = entity_id(&header);
        self.blocks.push(EncodedBlock { id, record: record.to_rlp(&header), payload });
        Ok(id)
    }

    /// Notes that `child` is a child of `parent`; the store keeps the lowest ordinal of all.
    pub fn add_child(&mut self, parent: u64, child: u64) {
        self.children.push((parent, child));
    }

    /// Notes that the block at `ordinal` is the finalized one of `height`.
    pub fn set_finalized(&mut self, height: u64, ordinal: u64) {
        self.finalized.push((height, ordinal));
    }

    /// Notes that the finalized block at `ordinal` seals the finalized block of `height`.
    pub fn set_sealing(&mut self, height: u64, ordinal: u64) {
        self.sealing.push((height, ordinal));
    }

    /// Notes that the payload at `ordinal` includes an execution result; the store keeps the highest
    /// ordinal of all.
    pub fn index_result(&mut self, result_id: Identifier, ordinal: u64) {
        self.results.push((result_id, ordinal));
    }

    /// Notes the last version beacon that the block at `ordinal` seals.
    pub fn put_version_beacon(&mut self, ordinal: u64, beacon: &VersionBeacon) {
        self.version_beacons.push((ordinal, beacon.to_rlp()));
    }

    /// Adds the RLP of a state, setup or commit, and returns its hash.
    ///
    /// # Errors
    /// When it is longer than [`PREIMAGE_BYTES_MAX`].
    pub fn put_preimage(&mut self, rlp: Vec<u8>) -> Result<Identifier, CommitError> {
        check_len("preimage", rlp.len(), PREIMAGE_BYTES_MAX)?;
        let id = entity_id(&rlp);
        self.preimages.insert(id, rlp);
        Ok(id)
    }

    /// Sets what is known of an epoch.
    pub fn put_epoch(&mut self, counter: u64, epoch: EpochRecord) {
        self.epochs.insert(counter, epoch);
    }

    /// Sets the root snapshot, as the source gave it.
    pub fn set_root_snapshot(&mut self, json: Vec<u8>) {
        self.root_snapshot = Some(json);
    }

    /// Sets the head that the store has once the batch is written; every batch needs one.
    pub fn set_head(&mut self, head: Head) {
        self.head = Some(head);
    }
}

fn check_len(what: &'static str, found: usize, limit: usize) -> Result<(), CommitError> {
    if found > limit { Err(CommitError::TooLong { what, limit, found }) } else { Ok(()) }
}
