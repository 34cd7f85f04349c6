//! What a block changes in the store.

use std::collections::{BTreeMap, HashMap, HashSet};

use weir_protocol::codec::Entity as _;
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::hotstuff::finality::ForkBlock;
use weir_protocol::model::{EpochPhase, Identifier, Seal};
use weir_protocol::protocol_state::sealing::LastSealed;
use weir_protocol::protocol_state::{EpochName, ProtocolState};

use super::IndexError;
use crate::ingest::{Accepted, evidence_json};
use crate::payload;
use crate::store::{
    BlockRecord, BlockRef, ChainInfo, EpochRecord, Head, Reader, SealedRef, WriteBatch,
};

/// Turns accepted blocks into writes, and keeps the head that goes with them.
#[derive(Debug)]
pub(super) struct BatchWriter {
    head: Head,
    /// Facts about blocks that are not final yet.
    pending: HashMap<Identifier, Pending>,
    preimages: HashSet<Identifier>,
    epochs: BTreeMap<u64, EpochRecord>,
}

/// What becoming final needs to know of a block.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) ordinal: u64,
    pub(super) height: u64,
    pub(super) view: u64,
    pub(super) seals: Vec<Seal>,
    pub(super) last_sealed_id: Identifier,
    pub(super) epoch_counter: u64,
    pub(super) next_committed: bool,
}

impl BatchWriter {
    /// Begins a store with the root block, at an ordinal of the log.
    pub(super) fn begin(snapshot: &Snapshot, root: &Accepted, ordinal: u64) -> Self {
        let params = snapshot.params();
        let header = &root.block.header;
        let reference =
            BlockRef { ordinal, id: root.block_id, height: header.height, view: header.view };
        let counter = root.state.epoch_counter();
        let head = Head {
            chain: ChainInfo {
                chain_id: params.chain_id.clone(),
                spork_id: params.spork_id,
                spork_root_block_height: params.spork_root_block_height,
                spork_root_block_view: params.spork_root_block_view,
            },
            first_height: header.height,
            blocks: ordinal,
            highest_view: header.view,
            finalized: reference,
            sealed: reference,
            resume_ordinal: ordinal,
            epoch_counter: counter,
            first_epoch_counter: counter,
            conflicting: None,
        };
        Self::with_head(head)
    }

    /// Goes on after `head`; blocks that are not final yet are noted by [`Self::note`].
    pub(super) fn with_head(head: Head) -> Self {
        Self { head, pending: HashMap::new(), preimages: HashSet::new(), epochs: BTreeMap::new() }
    }

    /// Notes a block that is stored already.
    pub(super) fn note(&mut self, block_id: Identifier, block: Pending) {
        self.pending.insert(block_id, block);
    }

    /// Ordinal of the next block.
    pub(super) fn next_ordinal(&self) -> u64 {
        self.head.blocks
    }

    /// Where the head says to resume.
    pub(super) fn resume_ordinal(&self) -> u64 {
        self.head.resume_ordinal
    }

    /// Adds one block.
    pub(super) fn add(
        &mut self,
        reader: Option<&Reader>,
        batch: &mut WriteBatch,
        accepted: &Accepted,
    ) -> Result<(), IndexError> {
        let ordinal = self.next_ordinal();
        let header = &accepted.block.header;
        let state = &accepted.state;
        self.add_state(reader, batch, state)?;
        let record = BlockRecord {
            header: header.clone(),
            protocol_state_id: accepted.roots.protocol_state_id,
            proposer_sig_data: accepted.block.proposer_sig_data.clone(),
            last_sealed: self.sealed_ref(reader, accepted)?,
            epoch_counter: state.epoch_counter(),
        };
        batch.append_block(&record, &payload::encode(&accepted.block))?;
        for result_id in &accepted.result_ids {
            batch.index_result(*result_id, ordinal);
        }
        if let Some(beacon) = &accepted.version_beacon {
            batch.put_version_beacon(ordinal, beacon);
        }
        if let Some(parent) = self.pending.get(&header.parent_id) {
            batch.add_child(parent.ordinal, ordinal);
        }
        self.note(
            accepted.block_id,
            Pending {
                ordinal,
                height: header.height,
                view: header.view,
                seals: accepted.block.payload.seals.clone(),
                last_sealed_id: accepted.last_sealed.block_id,
                epoch_counter: state.epoch_counter(),
                next_committed: state.phase() == EpochPhase::Committed,
            },
        );
        self.head.blocks += 1;
        self.head.highest_view = self.head.highest_view.max(header.view);
        for finalized in &accepted.progress.finalized {
            self.finalize(reader, batch, finalized)?;
        }
        if !accepted.progress.evidence.is_empty() && self.head.conflicting.is_none() {
            let evidence = evidence_json(&accepted.progress.evidence).to_string();
            self.head.conflicting = Some(evidence.into_bytes());
        }
        Ok(())
    }

    /// Where the latest block sealed as of an accepted one is.
    fn sealed_ref(
        &self,
        reader: Option<&Reader>,
        accepted: &Accepted,
    ) -> Result<SealedRef, IndexError> {
        let LastSealed { block_id, height } = accepted.last_sealed;
        if block_id == accepted.block_id {
            return Ok(SealedRef::Stored(self.next_ordinal()));
        }
        let stored = self.reference(reader, &block_id)?;
        Ok(stored.map_or(SealedRef::BelowRoot(height), |block| SealedRef::Stored(block.ordinal)))
    }

    /// Sets the head that goes with the batch.
    pub(super) fn set_head(&mut self, batch: &mut WriteBatch, resume_ordinal: u64) {
        self.head.resume_ordinal = resume_ordinal;
        self.pending.retain(|_, block| block.ordinal >= resume_ordinal);
        batch.set_head(self.head.clone());
    }

    /// Adds the preimages of a state that were not added before.
    fn add_state(
        &mut self,
        reader: Option<&Reader>,
        batch: &mut WriteBatch,
        state: &ProtocolState,
    ) -> Result<(), IndexError> {
        if !self.is_new(reader, state.id())? {
            return Ok(());
        }
        batch.put_preimage(state.kv().to_rlp())?;
        if self.is_new(reader, state.epoch_state_id())? {
            batch.put_preimage(state.epoch_state().to_rlp())?;
        }
        for name in [EpochName::Previous, EpochName::Current, EpochName::Next] {
            let Some((container, events)) = state.container(name).zip(state.events(name)) else {
                continue;
            };
            if self.is_new(reader, container.setup_id)? {
                batch.put_preimage(events.setup.to_rlp())?;
            }
            if let Some(commit) = &events.commit
                && self.is_new(reader, container.commit_id)?
            {
                batch.put_preimage(commit.to_rlp())?;
            }
        }
        Ok(())
    }

    fn is_new(&mut self, reader: Option<&Reader>, id: Identifier) -> Result<bool, IndexError> {
        if !self.preimages.insert(id) {
            return Ok(false);
        }
        Ok(match reader {
            Some(reader) => reader.preimage(&id)?.is_none(),
            None => true,
        })
    }

    /// Records that a block is final, what it seals, and the epoch it is in.
    fn finalize(
        &mut self,
        reader: Option<&Reader>,
        batch: &mut WriteBatch,
        block: &ForkBlock,
    ) -> Result<(), IndexError> {
        let Some(pending) = self.pending.get(&block.block_id).cloned() else {
            return Ok(());
        };
        batch.set_finalized(block.height, pending.ordinal);
        for seal in &pending.seals {
            if let Some(sealed) = self.reference(reader, &seal.block_id)? {
                batch.set_sealing(sealed.height, pending.ordinal);
            }
        }
        let reference = BlockRef {
            ordinal: pending.ordinal,
            id: block.block_id,
            height: block.height,
            view: block.view,
        };
        if block.height >= self.head.finalized.height {
            self.head.finalized = reference;
            self.head.epoch_counter = pending.epoch_counter;
            if let Some(sealed) = self.reference(reader, &pending.last_sealed_id)? {
                self.head.sealed = sealed;
            }
        }
        self.note_epoch(reader, batch, &pending)
    }

    /// Where a block is: among those not final yet, or in the store.
    fn reference(
        &self,
        reader: Option<&Reader>,
        id: &Identifier,
    ) -> Result<Option<BlockRef>, IndexError> {
        if let Some(Pending { ordinal, height, view, .. }) = self.pending.get(id) {
            return Ok(Some(BlockRef { ordinal: *ordinal, id: *id, height: *height, view: *view }));
        }
        let Some(reader) = reader else {
            return Ok(None);
        };
        let Some(ordinal) = reader.ordinal_of(id)? else {
            return Ok(None);
        };
        let Some(block) = reader.block(ordinal)? else {
            return Ok(None);
        };
        let header = &block.header;
        Ok(Some(BlockRef { ordinal, id: *id, height: header.height, view: header.view }))
    }

    /// Records the first final block of an epoch, and the first that commits the epoch after it.
    fn note_epoch(
        &mut self,
        reader: Option<&Reader>,
        batch: &mut WriteBatch,
        block: &Pending,
    ) -> Result<(), IndexError> {
        let counter = block.epoch_counter;
        let known = match (self.epochs.get(&counter), reader) {
            (Some(epoch), _) => Some(*epoch),
            (None, Some(reader)) => reader.epoch(counter)?,
            (None, None) => None,
        };
        let mut epoch =
            known.unwrap_or(EpochRecord { hop_ordinal: None, first_ordinal: block.ordinal });
        if epoch.hop_ordinal.is_none() && block.next_committed {
            epoch.hop_ordinal = Some(block.ordinal);
        }
        if known != Some(epoch) {
            batch.put_epoch(counter, epoch);
        }
        self.epochs.insert(counter, epoch);
        Ok(())
    }
}
