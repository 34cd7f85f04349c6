//! The prover: turns what the store holds into evidence. It never invents anything; what it cannot
//! prove it leaves out or refuses.

mod anchoring;
mod error;
mod seals;
mod states;
mod tree;

use std::collections::HashSet;
use std::sync::Arc;

use weir_protocol::evidence::{AnswerProof, Evidence, Preimages, Question, Selector, Topic};
use weir_protocol::model::Identifier;
use weir_protocol::protocol_state::{EpochName, ProtocolState, identity_table};

use crate::store::{BlockRecord, Head, Reader};
use tree::Trees;

pub use error::ProverError;
pub use states::States;
pub use tree::TreeProof;

/// Makes evidence from one store.
#[derive(Clone, Debug)]
pub struct Prover {
    reader: Reader,
    states: States,
    trees: Trees,
}

/// What a client holds already.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// Its checkpoint.
    pub checkpoint_id: Option<Identifier>,
    /// Preimages it has.
    pub preimage_ids: HashSet<Identifier>,
}

/// How far to prove a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Hashes only: the client knows the block ID.
    KnownBlock,
    /// Certificate and, where the chain is that far, finality.
    Finality,
    /// Also the seal, where there is one.
    Seal,
}

/// Evidence, and what it is about.
#[derive(Clone, Debug)]
pub struct Proved {
    /// The evidence.
    pub evidence: Evidence,
    /// The block.
    pub block: StoredBlock,
    /// Its protocol state.
    pub state: Arc<ProtocolState>,
}

/// A block as the store has it.
#[derive(Clone, Debug)]
pub struct StoredBlock {
    /// Position in the order of ingestion.
    pub ordinal: u64,
    /// Its ID.
    pub block_id: Identifier,
    /// Its record.
    pub record: BlockRecord,
}

impl Prover {
    /// A prover over the blocks that `reader` shows.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        Self { states: States::new(reader.clone()), trees: Trees::new(), reader }
    }

    /// The same prover over what has been announced by now.
    #[must_use]
    pub fn latest(&self) -> Self {
        let (states, trees) = (self.states.clone(), self.trees.clone());
        Self { states, trees, reader: self.reader.latest() }
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
    pub fn checkpoint(&self, block_id: Identifier) -> Result<Evidence, ProverError> {
        let block = self.block_by_id(block_id)?;
        let state = self.states.load(&block.record.roots.protocol_state_id)?;
        let mut preimages = Preimages::default();
        let held = HashSet::new();
        self.add_state(&state, &held, &mut preimages)?;
        self.add_epoch(&state, EpochName::Current, WithCommit::Yes, &held, &mut preimages)?;
        if state.next_commit().is_some() {
            self.add_epoch(&state, EpochName::Next, WithCommit::Yes, &held, &mut preimages)?;
        }
        let checkpoint = Some(self.known_block(&block));
        Ok(Evidence { checkpoint, preimages, ..Evidence::default() })
    }

    /// Evidence for the hop from an epoch to the next.
    ///
    /// # Errors
    /// When the epoch is not known, or does not commit the next one yet.
    pub fn hop(&self, counter: u64, held: &Held) -> Result<Evidence, ProverError> {
        let head = self.head();
        let epoch = self
            .reader
            .epoch(counter)?
            .ok_or_else(|| ProverError::unknown_epoch(counter, &head))?;
        let ordinal = epoch
            .hop_ordinal
            .ok_or_else(|| ProverError::NotCommitted { counter, head: head.clone() })?;
        let block = self.block_at(ordinal)?;
        let state = self.states.load(&block.record.roots.protocol_state_id)?;
        let mut preimages = Preimages::default();
        self.add_state(&state, &held.preimage_ids, &mut preimages)?;
        let names = [(EpochName::Current, WithCommit::No), (EpochName::Next, WithCommit::Yes)];
        for (name, commit) in names {
            self.add_epoch(&state, name, commit, &held.preimage_ids, &mut preimages)?;
        }
        let hops = vec![self.anchored(&block, None)?];
        Ok(Evidence { hops, preimages, ..Evidence::default() })
    }

    /// Evidence for the answer to a question.
    ///
    /// # Errors
    /// When the block or what is asked about it does not exist.
    pub fn answer(
        &self,
        question: &Question,
        held: &Held,
        depth: Depth,
    ) -> Result<Proved, ProverError> {
        let block = self.select(question.block)?;
        let state = self.states.load(&block.record.roots.protocol_state_id)?;
        let mut preimages = Preimages::default();
        self.add_state(&state, &held.preimage_ids, &mut preimages)?;
        self.add_topic(question, &block, &state, held, &mut preimages)?;
        let anchor = held.checkpoint_id;
        let seal_wanted = depth == Depth::Seal
            || question.block == Selector::LatestSealed
            || matches!(question.topic, Topic::Seal | Topic::ExecutionResult);
        let proof = match depth {
            Depth::KnownBlock => self.known_block(&block),
            Depth::Finality | Depth::Seal => self.anchored(&block, anchor)?,
        };
        let seal = if seal_wanted { self.seal_proof(&block, anchor)? } else { None };
        if seal.is_none() && matches!(question.topic, Topic::Seal | Topic::ExecutionResult) {
            return Err(ProverError::NotSealed { block_id: block.block_id, head: self.head() });
        }
        let last_sealed = match (&question.topic, depth) {
            (Topic::Snapshot, Depth::Seal) => self.last_sealed_proof(&block)?,
            _ => None,
        };
        let answer = AnswerProof { question: question.clone(), block: proof, seal, last_sealed };
        let evidence = Evidence { answer: Some(answer), preimages, ..Evidence::default() };
        Ok(Proved { evidence, block, state })
    }

    fn select(&self, selector: Selector) -> Result<StoredBlock, ProverError> {
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

    pub(crate) fn block_by_id(&self, block_id: Identifier) -> Result<StoredBlock, ProverError> {
        let unknown = || ProverError::UnknownBlock { block_id, head: self.head() };
        let ordinal = self.reader.ordinal_of(&block_id)?.ok_or_else(unknown)?;
        self.block_at(ordinal)
    }

    /// The block at a position in the order of ingestion.
    ///
    /// # Errors
    /// When the store has no such record.
    pub fn block_at(&self, ordinal: u64) -> Result<StoredBlock, ProverError> {
        let stored = self.reader.block(ordinal)?.ok_or(ProverError::MissingRecord { ordinal })?;
        Ok(StoredBlock { ordinal, block_id: stored.id(), record: stored.record.clone() })
    }

    fn add_topic(
        &self,
        question: &Question,
        block: &StoredBlock,
        state: &ProtocolState,
        held: &Held,
        preimages: &mut Preimages,
    ) -> Result<(), ProverError> {
        let held = &held.preimage_ids;
        match &question.topic {
            Topic::Snapshot | Topic::Seal => {
                self.add_epoch(state, EpochName::Current, WithCommit::No, held, preimages)
            }
            Topic::Identity(_) | Topic::Identities(_) => {
                self.add_epoch(state, EpochName::Current, WithCommit::No, held, preimages)?;
                let adjacent = if state.next_setup().is_some() {
                    EpochName::Next
                } else {
                    EpochName::Previous
                };
                self.add_epoch(state, adjacent, WithCommit::No, held, preimages)
            }
            Topic::Epoch(name) => {
                if state.events(*name).is_none() {
                    let block_id = block.block_id;
                    return Err(ProverError::NoEpoch { name: *name, block_id, head: self.head() });
                }
                self.add_epoch(state, EpochName::Current, WithCommit::No, held, preimages)?;
                self.add_epoch(state, *name, WithCommit::Yes, held, preimages)
            }
            Topic::ExecutionResult => {
                self.add_epoch(state, EpochName::Current, WithCommit::No, held, preimages)?;
                self.add_result(block, preimages)
            }
        }
    }

    /// Key-value store and epoch state.
    fn add_state(
        &self,
        state: &ProtocolState,
        held: &HashSet<Identifier>,
        preimages: &mut Preimages,
    ) -> Result<(), ProverError> {
        for id in [state.id(), state.epoch_state_id()] {
            self.add_preimage(&id, held, preimages)?;
        }
        Ok(())
    }

    /// Setup and, if wanted, commit of an epoch, where the state has it.
    fn add_epoch(
        &self,
        state: &ProtocolState,
        name: EpochName,
        with_commit: WithCommit,
        held: &HashSet<Identifier>,
        preimages: &mut Preimages,
    ) -> Result<(), ProverError> {
        let Some(container) = state.container(name) else {
            return Ok(());
        };
        self.add_preimage(&container.setup_id, held, preimages)?;
        if with_commit == WithCommit::Yes && !container.commit_id.is_zero() {
            self.add_preimage(&container.commit_id, held, preimages)?;
        }
        Ok(())
    }

    fn add_preimage(
        &self,
        id: &Identifier,
        held: &HashSet<Identifier>,
        preimages: &mut Preimages,
    ) -> Result<(), ProverError> {
        if !held.contains(id) && !preimages.contains(id) {
            let bytes =
                self.reader.preimage(id)?.ok_or(ProverError::MissingPreimage { id: *id })?;
            preimages.insert(bytes.to_vec());
        }
        Ok(())
    }
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
