//! Proofs about sealing.

use weir_protocol::codec::Entity as _;
use weir_protocol::evidence::{LastSealedProof, SealProof};
use weir_protocol::merkle;
use weir_protocol::model::ExecutionResult;

use super::anchoring::Anchor;
use super::bundle::Bundler;
use super::{IndexedBlock, Prover, ProverError};
use crate::payload::{self, StoredPayload};

impl Prover {
    /// Proof that the block is sealed; `None` when it is not, as of the latest final block.
    pub(super) fn seal_proof(
        &self,
        block: &IndexedBlock,
        anchor: &Anchor<'_>,
        bundler: &mut Bundler<'_>,
    ) -> Result<Option<SealProof>, ProverError> {
        let Some(sealing) = self.sealing_block(block)? else {
            return Ok(None);
        };
        let Some(payload) = self.payload(&sealing)? else {
            return Ok(None);
        };
        let ids: Vec<_> = payload.seals.iter().map(|seal| seal.id()).collect();
        let position = payload.seals.iter().position(|seal| seal.block_id == block.block_id);
        let found = position.and_then(|index| {
            let proof = merkle::Tree::new(&ids).prove(&ids[index])?;
            Some((index, proof))
        });
        let Some((index, proof)) = found else {
            return Ok(None);
        };
        Ok(Some(SealProof {
            block: self.anchor_block(&sealing, anchor, bundler)?,
            seal: payload.seals[index].clone(),
            index: index as u64,
            proof,
        }))
    }

    /// Proof of the newest block sealed as of the block; `None` where no seal is near enough.
    pub(super) fn last_sealed_proof(
        &self,
        block: &IndexedBlock,
    ) -> Result<Option<LastSealedProof>, ProverError> {
        let empty_root = merkle::root(&[]);
        let mut ancestors = Vec::new();
        let mut newest = block.clone();
        while newest.roots()?.seals_root == empty_root {
            let parent = self.reader.ordinal_of(&newest.record.header.parent_id)?;
            let Some(parent) = parent.filter(|_| ancestors.len() < ANCESTORS_MAX) else {
                return Ok(None);
            };
            newest = self.block_at(parent)?;
            ancestors.push((newest.record.header.clone(), newest.roots()?));
        }
        let Some(payload) = self.payload(&newest)? else {
            return Ok(None);
        };
        let mut sealed_headers = Vec::with_capacity(payload.seals.len());
        for seal in &payload.seals {
            match self.reader.ordinal_of(&seal.block_id)? {
                Some(ordinal) => sealed_headers.push(self.block_at(ordinal)?.record.header.clone()),
                None => return Ok(None),
            }
        }
        Ok(Some(LastSealedProof { ancestors, seals: payload.seals, sealed_headers }))
    }

    /// The execution result that the final chain's seal of the block names.
    pub(crate) fn sealed_result(
        &self,
        block: &IndexedBlock,
    ) -> Result<ExecutionResult, ProverError> {
        let not_sealed = || ProverError::NotSealed { block_id: block.block_id, head: self.head() };
        let sealing = self.sealing_block(block)?.ok_or_else(not_sealed)?;
        let payload = self.payload_or_pruned(&sealing)?;
        let seal = payload.seals.iter().find(|seal| seal.block_id == block.block_id);
        let result_id = seal.ok_or_else(not_sealed)?.result_id;
        // The result was included after the block and before its seal, on the same fork.
        let mut including = sealing;
        while including.record.header.height > block.record.header.height {
            let results = self.payload_or_pruned(&including)?.results;
            if let Some(result) = results.into_iter().find(|result| result.id() == result_id) {
                return Ok(result);
            }
            including = self.block_by_id(including.record.header.parent_id)?;
        }
        Err(ProverError::MissingPreimage { id: result_id })
    }

    /// The block whose payload seals this one, on the final chain.
    pub(crate) fn sealing_block(
        &self,
        block: &IndexedBlock,
    ) -> Result<Option<IndexedBlock>, ProverError> {
        let height = block.record.header.height;
        if self.reader.finalized_at(height)? != Some(block.ordinal) {
            return Ok(None);
        }
        let ordinal = self.reader.sealing_ordinal(height)?;
        ordinal.map(|ordinal| self.block_at(ordinal)).transpose()
    }

    fn payload(&self, block: &IndexedBlock) -> Result<Option<StoredPayload>, ProverError> {
        let malformed = |source| ProverError::Malformed { what: "payload", source };
        let bytes = self.reader.payload(block.ordinal)?;
        bytes.map(|bytes| payload::decode(&bytes).map_err(malformed)).transpose()
    }

    fn payload_or_pruned(&self, block: &IndexedBlock) -> Result<StoredPayload, ProverError> {
        let pruned = || ProverError::PrunedPayload { block_id: block.block_id, head: self.head() };
        self.payload(block)?.ok_or_else(pruned)
    }
}

/// How many payloads without seals may lie between a block and the newest seals.
const ANCESTORS_MAX: usize = 64;
