//! The prover: turns what the store holds into evidence. It never invents anything; what it cannot
//! prove it leaves out or refuses.

mod anchoring;
mod bundle;
mod error;
mod hops;
mod seals;
mod states;
mod tree;
mod upgrade;

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_protocol::codec::Entity as _;
use weir_protocol::evidence::{AnswerProof, CheckpointProof};
use weir_protocol::model::{EpochStateEntry, Identifier, PayloadRoots};
use weir_protocol::protocol_state::{EpochName, ProtocolState, identity_table};
use weir_protocol::request::{AnswerRequest, Depth, Question, Selector, Topic};

use crate::store::{Head, Reader, StoredBlock};
use tree::Trees;

use anchoring::Anchor;
use bundle::{Bundler, Deltas};
pub use error::ProverError;
pub use states::States;
pub use tree::TreeProof;
pub use upgrade::ProtocolVersion;

/// Makes evidence from one store.
#[derive(Clone, Debug)]
pub struct Prover {
    reader: Reader,
    states: States,
    deltas: Deltas,
    trees: Trees,
}

/// Evidence for an answer, and what it is about.
#[derive(Clone, Debug)]
pub struct Proved {
    /// The evidence.
    pub evidence: AnswerProof,
    /// The block.
    pub block: IndexedBlock,
    /// Its protocol state.
    pub state: Arc<ProtocolState>,
}

/// A block as the store has it.
#[derive(Clone, Debug)]
pub struct IndexedBlock {
    /// Position in the order of ingestion.
    pub ordinal: u64,
    /// Its ID.
    pub block_id: Identifier,
    /// What is stored of it.
    pub record: Arc<StoredBlock>,
}

impl Prover {
    /// A prover over the blocks that `reader` shows.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        Self {
            states: States::new(reader.clone()),
            trees: Trees::new(),
            deltas: bundle::deltas(),
            reader,
        }
    }

    /// The same prover over what has been announced by now.
    #[must_use]
    pub fn latest(&self) -> Self {
        Self {
            states: self.states.clone(),
            trees: self.trees.clone(),
            deltas: self.deltas.clone(),
            reader: self.reader.latest(),
        }
    }

    /// Protocol states by ID.
    #[must_use]
    pub fn states(&self) -> &States {
        &self.states
    }

    /// What the prover reads.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// What has been announced.
    #[must_use]
    pub fn head(&self) -> Arc<Head> {
        self.reader.head().clone()
    }

    /// Evidence for a checkpoint: header, payload roots, and the epochs its state names.
    ///
    /// # Errors
    /// When the block is not known.
    pub fn checkpoint(&self, block_id: Identifier) -> Result<CheckpointProof, ProverError> {
        let block = self.block_by_id(block_id)?;
        let state = self.states.load(&block.record.protocol_state_id)?;
        let mut bundler = self.bundler(&BTreeSet::new());
        add_state(&mut bundler, (state.id(), state.epoch_state_id()))?;
        add_epoch(&mut bundler, state.epoch_state(), EpochName::Current, WithCommit::Yes)?;
        if state.next_commit().is_some() {
            add_epoch(&mut bundler, state.epoch_state(), EpochName::Next, WithCommit::Yes)?;
        }
        Ok(CheckpointProof { block: self.known_block(&block)?, bundle: bundler.take() })
    }

    /// Evidence for the answer to a question.
    ///
    /// # Errors
    /// When the block or what is asked about it does not exist, or cannot be proved from what the
    /// client holds.
    pub fn answer(&self, request: &AnswerRequest) -> Result<Proved, ProverError> {
        let AnswerRequest { question, held, depth } = request;
        let block = self.select(question.block)?;
        let state = self.states.load(&block.record.protocol_state_id)?;
        let mut bundler = self.bundler(&held.preimage_ids);
        add_state(&mut bundler, (state.id(), state.epoch_state_id()))?;
        self.add_topic(question, &block, &state, &mut bundler)?;
        let is_about_seal = matches!(question.topic, Topic::Seal | Topic::ExecutionResult);
        let seal_needed = is_about_seal || question.block == Selector::LatestSealed;
        let seal_wanted = seal_needed || matches!(depth, Depth::Seal | Depth::Linked);
        let anchor = Anchor { held, depth: *depth };
        let proof = self.anchor_block(&block, &anchor, &mut bundler)?;
        let seal = if seal_wanted {
            match self.seal_proof(&block, &anchor, &mut bundler) {
                // As of the client's head the block is not sealed, and that is an answer.
                Err(ProverError::HeadTooOld { .. }) if !seal_needed => None,
                seal => seal?,
            }
        } else {
            None
        };
        if seal.is_none() && is_about_seal {
            return Err(ProverError::NotSealed { block_id: block.block_id, head: self.head() });
        }
        let last_sealed = match (&question.topic, depth) {
            (Topic::Snapshot, Depth::Seal) => self.last_sealed_proof(&block)?,
            _ => None,
        };
        let (question, bundle) = (question.clone(), bundler.take());
        let evidence = AnswerProof { question, block: proof, seal, last_sealed, bundle };
        Ok(Proved { evidence, block, state })
    }

    fn bundler(&self, held: &BTreeSet<Identifier>) -> Bundler<'_> {
        Bundler::new(&self.reader, &self.deltas, held)
    }

    fn select(&self, selector: Selector) -> Result<IndexedBlock, ProverError> {
        let head = self.head();
        match selector {
            Selector::LatestFinalized => self.block_at(head.finalized.ordinal),
            Selector::LatestSealed => self.block_at(head.sealed.ordinal),
            Selector::Id(block_id) => self.block_by_id(block_id),
            Selector::Height(height) => {
                let ordinal = self.reader.finalized_at(height)?;
                let ordinal = ordinal.ok_or(ProverError::Height { height, head })?;
                self.block_at(ordinal)
            }
        }
    }

    pub(crate) fn block_by_id(&self, block_id: Identifier) -> Result<IndexedBlock, ProverError> {
        let unknown = || ProverError::UnknownBlock { block_id, head: self.head() };
        let ordinal = self.reader.ordinal_of(&block_id)?.ok_or_else(unknown)?;
        self.block_at(ordinal)
    }

    /// The block at a position in the order of ingestion.
    ///
    /// # Errors
    /// When the store has no such record.
    pub fn block_at(&self, ordinal: u64) -> Result<IndexedBlock, ProverError> {
        let stored = self.reader.block(ordinal)?.ok_or(ProverError::MissingRecord { ordinal })?;
        Ok(IndexedBlock { ordinal, block_id: stored.id(), record: stored })
    }

    fn add_topic(
        &self,
        question: &Question,
        block: &IndexedBlock,
        state: &ProtocolState,
        bundler: &mut Bundler<'_>,
    ) -> Result<(), ProverError> {
        add_epoch(bundler, state.epoch_state(), EpochName::Current, WithCommit::No)?;
        match &question.topic {
            Topic::Snapshot | Topic::Seal => Ok(()),
            Topic::Identity(_) | Topic::Identities(_) => {
                let adjacent = if state.next_setup().is_some() {
                    EpochName::Next
                } else {
                    EpochName::Previous
                };
                add_epoch(bundler, state.epoch_state(), adjacent, WithCommit::No)
            }
            Topic::Epoch(name) => {
                if state.events(*name).is_none() {
                    let block_id = block.block_id;
                    return Err(ProverError::NoEpoch { name: *name, block_id, head: self.head() });
                }
                add_epoch(bundler, state.epoch_state(), *name, WithCommit::Yes)
            }
            Topic::ExecutionResult => {
                bundler.add_whole(self.sealed_result(block)?.to_rlp());
                Ok(())
            }
        }
    }
}

impl IndexedBlock {
    /// What its payload hash is made of.
    ///
    /// # Errors
    /// When the stored payload is none: the store is damaged.
    pub fn roots(&self) -> Result<PayloadRoots, ProverError> {
        let malformed = |source| ProverError::Malformed { what: "payload", source };
        self.record.roots().map_err(malformed)
    }
}

/// Adds key-value store and epoch state.
fn add_state(
    bundler: &mut Bundler<'_>,
    (state_id, epoch_state_id): (Identifier, Identifier),
) -> Result<(), ProverError> {
    bundler.add(&state_id)?;
    bundler.add(&epoch_state_id)
}

/// Adds setup and, if wanted, commit of an epoch, where the epoch state has it.
fn add_epoch(
    bundler: &mut Bundler<'_>,
    entry: &EpochStateEntry,
    name: EpochName,
    with_commit: WithCommit,
) -> Result<(), ProverError> {
    let Some(container) = name.container(entry) else {
        return Ok(());
    };
    bundler.add(&container.setup_id)?;
    if with_commit == WithCommit::Yes && !container.commit_id.is_zero() {
        bundler.add(&container.commit_id)?;
    }
    Ok(())
}

/// Whether the node is in the block's identity table.
#[must_use]
pub fn has_identity(state: &ProtocolState, node_id: &Identifier) -> bool {
    identity_table(state).iter().any(|identity| identity.skeleton.node_id == *node_id)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum WithCommit {
    Yes,
    No,
}
