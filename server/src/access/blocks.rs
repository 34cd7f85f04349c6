//! Headers, blocks and execution results, with what an access node knows of them.

use weir_access_api::{BlockStatus, FoundBlock, FoundHeader, Refusal, View, parent_voter_ids};
use weir_protocol::codec::Entity as _;
use weir_protocol::model::{Block, ExecutionResult, Identifier};

use super::{AccessError, AccessView};
use crate::payload;
use crate::prover::{IndexedBlock, ProverError};

impl AccessView {
    /// The latest sealed or the latest finalized block.
    ///
    /// # Errors
    /// When the store is damaged.
    pub fn latest_block(&self, sealed: bool) -> Result<FoundBlock, AccessError> {
        if sealed && let Some(block) = self.sealed_below_root() {
            let block = block.clone();
            let (status, parent_voter_ids) = (BlockStatus::Sealed, Vec::new());
            return Ok(FoundBlock { block, status, parent_voter_ids });
        }
        let head = Self::head(self);
        let latest = if sealed { &head.sealed } else { &head.finalized };
        let mut found = self.found(self.prover.block_at(latest.ordinal)?)?;
        if !sealed && found.block.header.height != head.chain.spork_root_block_height {
            found.status = BlockStatus::Finalized;
        }
        Ok(found)
    }

    /// A block by its ID, also an orphaned one.
    ///
    /// # Errors
    /// When there is no such block, or its payload is no more kept.
    pub fn block_by_id(&self, id: Identifier) -> Result<FoundBlock, AccessError> {
        self.found(self.stored_by_id(id, Refusal::Block)?)
    }

    /// The finalized block of a height.
    ///
    /// # Errors
    /// When there is no such block, or its payload is no more kept.
    pub fn block_by_height(&self, height: u64) -> Result<FoundBlock, AccessError> {
        self.found(self.stored_by_height(height)?)
    }

    /// The header of a block by its ID.
    ///
    /// # Errors
    /// When there is no such block.
    pub fn header_by_id(&self, id: Identifier) -> Result<FoundHeader, AccessError> {
        self.found_header(self.stored_by_id(id, Refusal::Header)?)
    }

    /// The header of the finalized block of a height.
    ///
    /// # Errors
    /// When there is no such block.
    pub fn header_by_height(&self, height: u64) -> Result<FoundHeader, AccessError> {
        self.found_header(self.stored_by_height(height)?)
    }

    /// The execution result that the final chain's seal of a block names.
    ///
    /// # Errors
    /// When the block is not known or not sealed, or the payloads are no more kept.
    pub fn result_for_block(&self, id: Identifier) -> Result<ExecutionResult, AccessError> {
        let not_sealed = || AccessError::from(Refusal::Seal(id));
        let ordinal = self.prover.reader().ordinal_of(&id).map_err(AccessError::read)?;
        let block = self.prover.block_at(ordinal.ok_or_else(not_sealed)?)?;
        self.prover.sealed_result(&block).map_err(|error| match error {
            ProverError::NotSealed { .. } => not_sealed(),
            ProverError::PrunedPayload { block_id, .. } => AccessError::Pruned { block_id },
            ProverError::MissingPreimage { .. } => Refusal::Result.into(),
            error => error.into(),
        })
    }

    /// An execution result by its ID.
    ///
    /// # Errors
    /// When there is no such result, or the payload that includes it is no more kept.
    pub fn result_by_id(&self, id: Identifier) -> Result<ExecutionResult, AccessError> {
        let ordinal = self.prover.reader().including_ordinal(&id).map_err(AccessError::read)?;
        let including = self.prover.block_at(ordinal.ok_or(Refusal::Result)?)?;
        let results = self.block_of(&including)?.payload.results;
        let found = results.into_iter().find(|result| result.id() == id);
        found.ok_or_else(|| Refusal::Result.into())
    }

    fn stored_by_id(&self, id: Identifier, missing: Refusal) -> Result<IndexedBlock, AccessError> {
        let ordinal = self.prover.reader().ordinal_of(&id).map_err(AccessError::read)?;
        Ok(self.prover.block_at(ordinal.ok_or(missing)?)?)
    }

    fn stored_by_height(&self, height: u64) -> Result<IndexedBlock, AccessError> {
        let ordinal = self.prover.reader().finalized_at(height).map_err(AccessError::read)?;
        let missing = || View::head(self).none_at(height);
        Ok(self.prover.block_at(ordinal.ok_or_else(missing)?)?)
    }

    fn found(&self, stored: IndexedBlock) -> Result<FoundBlock, AccessError> {
        Ok(FoundBlock {
            block: self.block_of(&stored)?,
            status: self.status(&stored)?,
            parent_voter_ids: self.parent_voter_ids(&stored)?,
        })
    }

    fn found_header(&self, stored: IndexedBlock) -> Result<FoundHeader, AccessError> {
        let with_tc = !stored.record.header.last_view_tc_id.is_zero();
        let last_view_tc = if with_tc { self.block_of(&stored)?.last_view_tc } else { None };
        let (status, parent_voter_ids) = (self.status(&stored)?, self.parent_voter_ids(&stored)?);
        Ok(FoundHeader {
            header: stored.record.header.clone(),
            last_view_tc,
            status,
            parent_voter_ids,
        })
    }

    /// The block with its payload.
    pub(super) fn block_of(&self, stored: &IndexedBlock) -> Result<Block, AccessError> {
        let bytes = self.prover.reader().payload(stored.ordinal).map_err(AccessError::read)?;
        let bytes = bytes.ok_or(AccessError::Pruned { block_id: stored.block_id })?;
        let record = &stored.record;
        let (payload, last_view_tc) = payload::decode_whole(&bytes, record.protocol_state_id)?;
        Ok(Block {
            header: record.header.clone(),
            last_view_tc,
            payload,
            proposer_sig_data: record.proposer_sig_data.clone(),
        })
    }

    /// The latest sealed block while it is below the store's root, as the root snapshot has it.
    fn sealed_below_root(&self) -> Option<&Block> {
        let head = Self::head(self);
        let nothing_above = head.sealed.height == head.first_height;
        let lowest = self.root.sealing_segment().blocks.first()?;
        let below = lowest.header.height < self.root.head().header.height;
        (nothing_above && below).then_some(lowest)
    }

    fn status(&self, stored: &IndexedBlock) -> Result<BlockStatus, AccessError> {
        let height = stored.record.header.height;
        let sealed_height = match self.sealed_below_root() {
            Some(block) => block.header.height,
            None => Self::head(self).sealed.height,
        };
        let finalized = self.prover.reader().finalized_at(height).map_err(AccessError::read)?;
        Ok(if finalized != Some(stored.ordinal) {
            BlockStatus::Unknown
        } else if height > sealed_height {
            BlockStatus::Finalized
        } else {
            BlockStatus::Sealed
        })
    }

    /// Members of the committee of the parent's epoch whose bits are set.
    ///
    /// None where the parent is not known, as before the root.
    fn parent_voter_ids(&self, stored: &IndexedBlock) -> Result<Vec<Identifier>, AccessError> {
        let header = &stored.record.header;
        let parent = self.prover.reader().ordinal_of(&header.parent_id);
        let Some(parent) = parent.map_err(AccessError::read)? else {
            return Ok(Vec::new());
        };
        let parent = self.prover.block_at(parent)?;
        let state = self.prover.states().load(&parent.record.protocol_state_id)?;
        Ok(parent_voter_ids(header, &state.current_setup().participants))
    }
}
