//! What one atomic write changes.

use super::block::{BlockRecord, Body, SealedRef};
use super::engine::Record;
use super::error::CommitError;
use super::records::{EpochRecord, Head};
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
    pub(super) first_ordinal: u64,
    pub(super) records: Vec<Record>,
    /// Of each record its latest sealed block and its epoch, which the index keeps.
    pub(super) derived: Vec<(SealedRef, u64)>,
    pub(super) children: Vec<(u64, u64)>,
    pub(super) finalized: Vec<(u64, u64)>,
    pub(super) sealing: Vec<(u64, u64)>,
    pub(super) results: Vec<(Identifier, u64)>,
    pub(super) version_beacons: Vec<(u64, Vec<u8>)>,
    pub(super) preimages: BTreeMap<Identifier, Vec<u8>>,
    pub(super) epochs: BTreeMap<u64, EpochRecord>,
    pub(super) below_root: Vec<(u64, Identifier)>,
    pub(super) root_snapshot: Option<Vec<u8>>,
    pub(super) head: Option<Head>,
}

impl WriteBatch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a store at an ordinal of its log instead of 0; only a first batch does.
    pub fn begin_at(&mut self, ordinal: u64) {
        self.first_ordinal = ordinal;
    }

    /// Number of blocks appended so far.
    #[must_use]
    pub fn block_count(&self) -> usize {
        self.records.len()
    }

    /// Appends a block with its payload, and returns the block ID.
    ///
    /// The store does not interpret a payload but as five lists, of which the first four have the
    /// roots that the payload hash is made of.
    ///
    /// # Errors
    /// When the payload is longer than [`PAYLOAD_BYTES_MAX`].
    pub fn append_block(
        &mut self,
        block: &BlockRecord,
        payload: &[u8],
    ) -> Result<Identifier, CommitError> {
        check_len("payload", payload.len(), PAYLOAD_BYTES_MAX)?;
        let (state, signature) = (&block.protocol_state_id, &block.proposer_sig_data);
        let record = Body::record(&block.header, state, signature, payload);
        let id = Identifier(record.id);
        self.records.push(record);
        self.derived.push((block.last_sealed, block.epoch_counter));
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

    /// Sets the IDs of the blocks below the root that may be sealed above it, by height.
    pub fn set_below_root(&mut self, blocks: Vec<(u64, Identifier)>) {
        self.below_root = blocks;
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
