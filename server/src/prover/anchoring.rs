//! How a block is anchored: by certificates above it, or by hash links from a later checkpoint.

use weir_protocol::codec::Entity as _;
use weir_protocol::evidence::{BlockProof, HEADERS_MAX};
use weir_protocol::model::{Header, Identifier, QuorumCertificate};
use weir_protocol::protocol_state::EpochName;
use weir_protocol::request::{Depth, Held};

use super::bundle::Bundler;
use super::{IndexedBlock, Prover, ProverError, WithCommit};

/// What a block is anchored in: what the client holds, and how far it wants proof.
pub(super) struct Anchor<'a> {
    pub(super) held: &'a Held,
    pub(super) depth: Depth,
}

impl Prover {
    /// The block for a client that knows its ID.
    pub(super) fn known_block(&self, block: &IndexedBlock) -> Result<BlockProof, ProverError> {
        Ok(BlockProof {
            header: block.record.header.clone(),
            roots: Some(block.roots()?),
            descendants: Vec::new(),
            qc: None,
        })
    }

    /// The block with all the proof there is of it, for what the client holds.
    pub(super) fn anchor_block(
        &self,
        block: &IndexedBlock,
        anchor: &Anchor<'_>,
        bundler: &mut Bundler<'_>,
    ) -> Result<BlockProof, ProverError> {
        let held = anchor.held;
        match anchor.depth {
            Depth::KnownBlock => self.known_block(block),
            Depth::Linked => self.linked(block, held.head_id),
            Depth::Finality | Depth::Seal => {
                if held.head_id == Some(block.block_id) && self.is_final(block)? {
                    return self.known_block(block);
                }
                let proof = self.anchored(block, held.checkpoint_id)?;
                if proof.qc.is_some() && held.checkpoint_id.is_some() {
                    self.add_committees(block, &proof, held, bundler)?;
                }
                Ok(proof)
            }
        }
    }

    /// The block by hash links from the head that the client holds.
    fn linked(
        &self,
        block: &IndexedBlock,
        head_id: Option<Identifier>,
    ) -> Result<BlockProof, ProverError> {
        let head_id = head_id.ok_or(ProverError::NoHead)?;
        let head = self.block_by_id(head_id).map_err(|error| match error {
            ProverError::UnknownBlock { block_id, head } => {
                ProverError::UnknownHead { block_id, head }
            }
            error => error,
        })?;
        if !self.is_final(&head)? {
            return Err(ProverError::HeadNotCanonical { block_id: head_id, head: self.head() });
        }
        let height_needed = block.record.header.height;
        if height_needed > head.record.header.height {
            return Err(ProverError::HeadTooOld { height_needed, head: self.head() });
        }
        if !self.is_final(block)? {
            return Err(ProverError::Orphaned { block_id: block.block_id, head: self.head() });
        }
        let mut proof = self.known_block(block)?;
        proof.descendants = self.links(block, &head)?;
        Ok(proof)
    }

    /// Setup and commit of the epochs whose committees certify the block, where the client accepted
    /// them so long ago that it has dropped them.
    fn add_committees(
        &self,
        block: &IndexedBlock,
        proof: &BlockProof,
        held: &Held,
        bundler: &mut Bundler<'_>,
    ) -> Result<(), ProverError> {
        let last = match proof.descendants.last() {
            Some(last) => self.block_by_id(last.id())?,
            None => block.clone(),
        };
        for certified in [block, &last] {
            if certified.record.epoch_counter <= held.newest_epoch_counter {
                let state = self.states.load(&certified.record.protocol_state_id)?;
                super::add_epoch(
                    bundler,
                    state.epoch_state(),
                    EpochName::Current,
                    WithCommit::Yes,
                )?;
            }
        }
        Ok(())
    }

    /// The block with all the proof there is of it, for a client with this checkpoint.
    pub(super) fn anchored(
        &self,
        block: &IndexedBlock,
        checkpoint_id: Option<Identifier>,
    ) -> Result<BlockProof, ProverError> {
        let mut proof = self.known_block(block)?;
        if checkpoint_id == Some(block.block_id) {
            return Ok(proof);
        }
        if let Some(checkpoint) = self.later_checkpoint(block, checkpoint_id)? {
            proof.descendants = self.links(block, &checkpoint)?;
            return Ok(proof);
        }
        let (descendants, qc) = self.certificates(block)?;
        proof.descendants = descendants;
        proof.qc = qc;
        Ok(proof)
    }

    /// The checkpoint, when the block is final and of an epoch before the checkpoint's: the
    /// client does not know that epoch's committee.
    fn later_checkpoint(
        &self,
        block: &IndexedBlock,
        checkpoint_id: Option<Identifier>,
    ) -> Result<Option<IndexedBlock>, ProverError> {
        let Some(checkpoint_id) = checkpoint_id else {
            return Ok(None);
        };
        let Some(ordinal) = self.reader.ordinal_of(&checkpoint_id)? else {
            return Ok(None);
        };
        let checkpoint = self.block_at(ordinal)?;
        let earlier_epoch = block.record.epoch_counter < checkpoint.record.epoch_counter;
        let linked = self.is_final(block)? && self.is_final(&checkpoint)?;
        Ok(Some(checkpoint).filter(|_| earlier_epoch && linked))
    }

    fn is_final(&self, block: &IndexedBlock) -> Result<bool, ProverError> {
        Ok(self.reader.finalized_at(block.record.header.height)? == Some(block.ordinal))
    }

    /// Headers after the block, up to and with the checkpoint.
    fn links(
        &self,
        block: &IndexedBlock,
        checkpoint: &IndexedBlock,
    ) -> Result<Vec<Header>, ProverError> {
        let (from, to) = (block.record.header.height + 1, checkpoint.record.header.height);
        let found = (to + 1).saturating_sub(from);
        let max = HEADERS_MAX as u64;
        if found > max {
            return Err(ProverError::TooFar { found, max });
        }
        (from..=to)
            .map(|height| {
                let head = self.head();
                let ordinal = self.reader.finalized_at(height)?;
                let ordinal = ordinal.ok_or(ProverError::Height { height, head })?;
                Ok(self.block_at(ordinal)?.record.header.clone())
            })
            .collect()
    }

    /// Descendants up to the first 2-chain, and the certificate of the last; as much as there is.
    fn certificates(
        &self,
        block: &IndexedBlock,
    ) -> Result<(Vec<Header>, Option<QuorumCertificate>), ProverError> {
        let mut descendants: Vec<Header> = Vec::new();
        let mut last = block.clone();
        let is_final = self.is_final(block)?;
        while let Some(child) = self.child(&last)? {
            let two_chain = child.record.header.parent_view + 1 == child.record.header.view;
            if !is_final {
                return Ok((Vec::new(), Some(child.record.header.parent_qc())));
            }
            let grandchild = self.child(&child)?;
            if descendants.len() + 1 >= HEADERS_MAX {
                break;
            }
            descendants.push(child.record.header.clone());
            last = child;
            if let (true, Some(grandchild)) = (two_chain, grandchild) {
                return Ok((descendants, Some(grandchild.record.header.parent_qc())));
            }
        }
        // No 2-chain above it: fall back to the block's own certificate.
        let qc = descendants.first().map(Header::parent_qc);
        Ok((Vec::new(), qc))
    }

    /// The final child; above the latest final block the one that made it final; else the first.
    fn child(&self, block: &IndexedBlock) -> Result<Option<IndexedBlock>, ProverError> {
        let height = block.record.header.height + 1;
        let is_final = self.is_final(block)?;
        let ordinal = match self.reader.finalized_at(height)? {
            Some(ordinal) if is_final => Some(ordinal),
            None if is_final => return self.finalizing_child(block),
            _ => self.reader.first_child(block.ordinal)?,
        };
        ordinal.map(|ordinal| self.block_at(ordinal)).transpose()
    }

    /// The certified child of the very next view, among the newest blocks.
    fn finalizing_child(&self, block: &IndexedBlock) -> Result<Option<IndexedBlock>, ProverError> {
        let end = self.head().blocks.min(block.ordinal.saturating_add(PENDING_MAX));
        for ordinal in block.ordinal + 1..end {
            let candidate = self.block_at(ordinal)?;
            let header = &candidate.record.header;
            let heads_two_chain =
                header.parent_id == block.block_id && header.parent_view + 1 == header.view;
            if heads_two_chain && self.reader.first_child(ordinal)?.is_some() {
                return Ok(Some(candidate));
            }
        }
        Ok(None)
    }
}

/// How many blocks after the latest final one are searched for the one that made it final.
const PENDING_MAX: u64 = 4096;
