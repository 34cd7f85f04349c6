//! Headers, blocks and execution results, with what an access node knows of them.

use weir_protocol::codec::Entity as _;
use weir_protocol::hotstuff::signer_indices;
use weir_protocol::model::{Block, ExecutionResult, Header, Identifier, Role, TimeoutCertificate};

use super::{AccessError, AccessView};
use crate::indexer::payload;
use crate::prover::StoredBlock;

/// How far a block is, as access nodes say it (`flow.entities.BlockStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockStatus {
    /// Not final, or orphaned.
    Unknown,
    /// Final.
    Finalized,
    /// Final and sealed.
    Sealed,
}

/// A header, as it is answered.
#[derive(Clone, Debug)]
pub struct FoundHeader {
    /// The header.
    pub header: Header,
    /// Why a view was skipped before it.
    pub last_view_tc: Option<TimeoutCertificate>,
    /// How far the block is.
    pub status: BlockStatus,
    /// Who signed the parent's certificate.
    pub parent_voter_ids: Vec<Identifier>,
}

/// A block, as it is answered.
#[derive(Clone, Debug)]
pub struct FoundBlock {
    /// The block.
    pub block: Block,
    /// How far it is.
    pub status: BlockStatus,
    /// Who signed the parent's certificate.
    pub parent_voter_ids: Vec<Identifier>,
}

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
        let head = self.head();
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
        self.found(self.stored_by_id(id, "block", "failed to find block by ID: key not found")?)
    }

    /// The finalized block of a height.
    ///
    /// # Errors
    /// When there is no such block, or its payload is no more kept.
    pub fn block_by_height(&self, height: u64) -> Result<FoundBlock, AccessError> {
        self.found(self.stored_by_height(height, "block")?)
    }

    /// The header of the latest sealed or the latest finalized block.
    ///
    /// # Errors
    /// When the store is damaged.
    pub fn latest_header(&self, sealed: bool) -> Result<FoundHeader, AccessError> {
        let FoundBlock { block, status, parent_voter_ids } = self.latest_block(sealed)?;
        let (header, last_view_tc) = (block.header, block.last_view_tc);
        Ok(FoundHeader { header, last_view_tc, status, parent_voter_ids })
    }

    /// The header of a block by its ID.
    ///
    /// # Errors
    /// When there is no such block.
    pub fn header_by_id(&self, id: Identifier) -> Result<FoundHeader, AccessError> {
        let reason = "failed to find header by ID: key not found";
        self.found_header(self.stored_by_id(id, "header", reason)?)
    }

    /// The header of the finalized block of a height.
    ///
    /// # Errors
    /// When there is no such block.
    pub fn header_by_height(&self, height: u64) -> Result<FoundHeader, AccessError> {
        self.found_header(self.stored_by_height(height, "header")?)
    }

    /// The execution result that the final chain's seal of a block names.
    ///
    /// # Errors
    /// When the block is not known or not sealed, or the payloads are no more kept.
    pub fn result_for_block(&self, id: Identifier) -> Result<ExecutionResult, AccessError> {
        let not_sealed = || AccessError::not_found("seal", "key not found");
        let ordinal = self.prover.reader().ordinal_of(&id).map_err(AccessError::read)?;
        let block = self.prover.block_at(ordinal.ok_or_else(not_sealed)?)?;
        let sealing = self.prover.sealing_block(&block)?.ok_or_else(not_sealed)?;
        let payload = self.block_of(&sealing)?.payload;
        let seal = payload.seals.into_iter().find(|seal| seal.block_id == id);
        let result_id = seal.ok_or_else(not_sealed)?.result_id;
        // The result was included after the block and before its seal, on the same fork.
        let mut including = sealing;
        while including.record.header.height > block.record.header.height {
            let results = self.block_of(&including)?.payload.results;
            if let Some(result) = results.into_iter().find(|result| result.id() == result_id) {
                return Ok(result);
            }
            including = self.prover.block_by_id(including.record.header.parent_id)?;
        }
        Err(AccessError::not_found("execution result", "key not found"))
    }

    /// An execution result by its ID.
    ///
    /// # Errors
    /// When there is no such result, or the payload that includes it is no more kept.
    pub fn result_by_id(&self, id: Identifier) -> Result<ExecutionResult, AccessError> {
        let not_found = || AccessError::not_found("execution result", "key not found");
        let ordinal = self.prover.reader().including_ordinal(&id).map_err(AccessError::read)?;
        let including = self.prover.block_at(ordinal.ok_or_else(not_found)?)?;
        let results = self.block_of(&including)?.payload.results;
        results.into_iter().find(|result| result.id() == id).ok_or_else(not_found)
    }

    fn stored_by_id(
        &self,
        id: Identifier,
        entity: &'static str,
        reason: &str,
    ) -> Result<StoredBlock, AccessError> {
        let ordinal = self.prover.reader().ordinal_of(&id).map_err(AccessError::read)?;
        let ordinal = ordinal.ok_or_else(|| AccessError::not_found(entity, reason))?;
        Ok(self.prover.block_at(ordinal)?)
    }

    fn stored_by_height(
        &self,
        height: u64,
        entity: &'static str,
    ) -> Result<StoredBlock, AccessError> {
        let ordinal = self.prover.reader().finalized_at(height).map_err(AccessError::read)?;
        let not_found = || AccessError::not_found(entity, self.why_no_height(height, entity));
        Ok(self.prover.block_at(ordinal.ok_or_else(not_found)?)?)
    }

    fn why_no_height(&self, height: u64, entity: &str) -> String {
        let head = self.head();
        let (spork, first) = (head.chain.spork_root_block_height, head.first_height);
        let failed = format!("failed to find {entity} by height");
        if height < spork {
            format!(
                "{failed}: block height {height} is less than the spork root block height {spork}. \
                 Try to use a historic node: key not found"
            )
        } else if height < first {
            format!(
                "{failed}: block height {height} is less than the node's root block height \
                 {first}. Try to use a different Access node: key not found"
            )
        } else {
            format!("{failed}: key not found")
        }
    }

    fn found(&self, stored: StoredBlock) -> Result<FoundBlock, AccessError> {
        Ok(FoundBlock {
            block: self.block_of(&stored)?,
            status: self.status(&stored)?,
            parent_voter_ids: self.parent_voter_ids(&stored)?,
        })
    }

    fn found_header(&self, stored: StoredBlock) -> Result<FoundHeader, AccessError> {
        let with_tc = !stored.record.header.last_view_tc_id.is_zero();
        let last_view_tc = if with_tc { self.block_of(&stored)?.last_view_tc } else { None };
        let (status, parent_voter_ids) = (self.status(&stored)?, self.parent_voter_ids(&stored)?);
        Ok(FoundHeader { header: stored.record.header, last_view_tc, status, parent_voter_ids })
    }

    /// The block with its payload.
    pub(super) fn block_of(&self, stored: &StoredBlock) -> Result<Block, AccessError> {
        let bytes = self.prover.reader().payload(stored.ordinal).map_err(AccessError::read)?;
        let bytes = bytes.ok_or(AccessError::Pruned { block_id: stored.block_id })?;
        let record = &stored.record;
        let (payload, last_view_tc) =
            payload::decode_whole(&bytes, record.roots.protocol_state_id)?;
        Ok(Block {
            header: record.header.clone(),
            last_view_tc,
            payload,
            proposer_sig_data: record.proposer_sig_data.clone(),
        })
    }

    /// The latest sealed block while it is below the store's root, as the root snapshot has it.
    fn sealed_below_root(&self) -> Option<&Block> {
        let nothing_above = self.head().sealed.ordinal == 0;
        let lowest = self.root.sealing_segment().blocks.first()?;
        let below = lowest.header.height < self.root.head().header.height;
        (nothing_above && below).then_some(lowest)
    }

    fn status(&self, stored: &StoredBlock) -> Result<BlockStatus, AccessError> {
        let height = stored.record.header.height;
        let sealed_height = match self.sealed_below_root() {
            Some(block) => block.header.height,
            None => self.head().sealed.height,
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
    fn parent_voter_ids(&self, stored: &StoredBlock) -> Result<Vec<Identifier>, AccessError> {
        let header = &stored.record.header;
        let parent = self.prover.reader().ordinal_of(&header.parent_id);
        let Some(parent) = parent.map_err(AccessError::read)? else {
            return Ok(Vec::new());
        };
        let parent = self.prover.block_at(parent)?;
        let state = self.prover.states().load(&parent.record.roots.protocol_state_id)?;
        let participants = &state.current_setup().participants;
        let members: Vec<Identifier> = participants
            .iter()
            .filter(|node| node.role == Role::Consensus && node.initial_weight > 0)
            .map(|node| node.node_id)
            .collect();
        let checksum = signer_indices::checksum(&members);
        let signed = signer_indices::decode(&header.parent_voter_indices, checksum, members.len());
        // Indexed blocks carry indices of this committee.
        let signed = signed.unwrap_or_default();
        let voters = members.into_iter().zip(signed).filter(|(_, signed)| *signed);
        Ok(voters.map(|(member, _)| member).collect())
    }
}
