//! Answers, derived from verified preimages alone.

use super::sources::Sources;
use super::state::{self, StateView};
use super::status::{self, StatusAnswer};
use super::trust::{Anchored, AnchoredBy};
use super::{NotYet, Rejection, Trust, Violation};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use weir_protocol::codec::Entity;
use weir_protocol::evidence::{AnswerProof, SealProof};
use weir_protocol::model::{
    EpochCommit, EpochExtension, EpochPhase, EpochSetup, EpochStateContainer, ExecutionResult,
    Header, Identifier, IdentitySkeleton, KvStore, Seal,
};
use weir_protocol::protocol_state::{
    EpochIdentities, EpochName, Identity, IdentityTableError, ParticipationStatus,
};
use weir_protocol::request::Topic;

/// The answer to a question about a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The block.
    pub block_id: Identifier,
    /// Its height.
    pub height: u64,
    /// Its view.
    pub view: u64,
    /// Its proposal time, Unix milliseconds.
    pub timestamp_ms: u64,
    /// Network it belongs to.
    pub chain_id: String,
    /// How far it is proved.
    pub trust: Trust,
    /// By what it is proved.
    pub anchored_by: AnchoredBy,
    /// What was asked about it.
    pub value: AnswerValue,
}

/// What was asked about a block.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerValue {
    /// How far the block is, which needs no protocol state.
    Status(StatusAnswer),
    /// Summary of the protocol state.
    Snapshot(SnapshotAnswer),
    /// One node; `None` when the identity table has no such node.
    Identity(Option<IdentityAnswer>),
    /// The nodes that pass the filter, in canonical order; none is left out.
    Identities(Vec<IdentityAnswer>),
    /// An epoch.
    Epoch(EpochAnswer),
    /// The block's seal.
    Seal(SealAnswer),
    /// The block's execution result.
    ExecutionResult(ExecutionResultAnswer),
}

/// Summary of the protocol state at a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotAnswer {
    /// ID of the protocol state.
    pub protocol_state_id: Identifier,
    /// The whole key-value store.
    pub kv_store: KvStore,
    /// Number of the current epoch.
    pub epoch_counter: u64,
    /// Its phase.
    pub epoch_phase: EpochPhase,
    /// Whether the network is in epoch fallback mode.
    pub epoch_fallback_triggered: bool,
    /// First view of the current epoch.
    pub first_view: u64,
    /// Its last view, extensions counted.
    pub final_view: u64,
    /// Its extensions.
    pub extensions: Vec<EpochExtension>,
    /// Newest block sealed as of this block, where the evidence proves it.
    pub last_sealed_block_id: Option<Identifier>,
    /// Where the block's own seal is, where the evidence proves it.
    pub sealed_by: Option<(Identifier, u64)>,
}

/// A node of an identity table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityAnswer {
    /// The node as its epoch's setup has it.
    pub skeleton: IdentitySkeleton,
    /// Its participation in the current epoch.
    pub status: ParticipationStatus,
}

/// Setup and commit of an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochAnswer {
    /// ID of the setup.
    pub setup_id: Identifier,
    /// The setup.
    pub setup: EpochSetup,
    /// ID and content of the commit, unless the epoch is only set up.
    pub commit: Option<(Identifier, EpochCommit)>,
    /// Last view, extensions counted.
    pub final_view: u64,
}

/// The seal of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealAnswer {
    /// ID of the seal.
    pub seal_id: Identifier,
    /// The seal.
    pub seal: Seal,
    /// ID and height of the block whose payload holds it.
    pub sealing_block: (Identifier, u64),
}

/// The execution result sealed for a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionResultAnswer {
    /// ID of the result.
    pub result_id: Identifier,
    /// The result.
    pub result: ExecutionResult,
}

impl SnapshotAnswer {
    /// The part that needs no protocol state.
    #[must_use]
    pub fn status(&self) -> StatusAnswer {
        let Self { protocol_state_id, last_sealed_block_id, sealed_by, .. } = *self;
        let protocol_state_id = Some(protocol_state_id);
        StatusAnswer { protocol_state_id, last_sealed_block_id, sealed_by }
    }
}

/// Derives the answer to the question of a proved block's evidence; `state` opens its state.
pub(super) fn derive<'a>(
    proof: &AnswerProof,
    state: impl Fn() -> Result<&'a StateView, Rejection>,
    sources: Sources<'_>,
    anchored: Anchored,
) -> Result<Answer, Rejection> {
    let sealed = || sealed(proof, anchored.trust);
    let value = match &proof.question.topic {
        Topic::Snapshot => AnswerValue::Snapshot(snapshot(proof, state()?, anchored.trust)?),
        Topic::Identity(node_id) => {
            let only = |identity: &Identity<'_>| identity.skeleton.node_id == *node_id;
            AnswerValue::Identity(identities(state()?, sources, only)?.pop())
        }
        Topic::Identities(filter) => {
            let admitted = |identity: &Identity<'_>| {
                let skeleton = identity.skeleton;
                filter.admits(&skeleton.node_id, skeleton.role, identity.status)
            };
            AnswerValue::Identities(identities(state()?, sources, admitted)?)
        }
        Topic::Epoch(name) => AnswerValue::Epoch(epoch(state()?, *name, sources)?),
        Topic::Seal => AnswerValue::Seal(seal(sealed()?)),
        Topic::ExecutionResult => AnswerValue::ExecutionResult(result(sealed()?, sources)?),
    };
    Ok(about(&proof.block.header, anchored, value))
}

/// Derives how far a proved block is.
pub(super) fn derive_status(proof: &AnswerProof, anchored: Anchored) -> Result<Answer, Rejection> {
    let value = AnswerValue::Status(status::derive(proof, anchored.trust)?);
    Ok(about(&proof.block.header, anchored, value))
}

fn about(header: &Header, anchored: Anchored, value: AnswerValue) -> Answer {
    Answer {
        block_id: header.id(),
        height: header.height,
        view: header.view,
        timestamp_ms: header.timestamp_ms,
        chain_id: header.chain_id.clone(),
        trust: anchored.trust,
        anchored_by: anchored.by,
        value,
    }
}

fn snapshot(
    proof: &AnswerProof,
    state: &StateView,
    trust: Trust,
) -> Result<SnapshotAnswer, Rejection> {
    let StatusAnswer { last_sealed_block_id, sealed_by, .. } = status::derive(proof, trust)?;
    Ok(SnapshotAnswer {
        protocol_state_id: state.protocol_state_id,
        kv_store: state.kv.clone(),
        epoch_counter: state.current_setup.counter,
        epoch_phase: state.entry.phase(),
        epoch_fallback_triggered: state.entry.epoch_fallback_triggered,
        first_view: state.current_setup.first_view,
        final_view: state.final_view(),
        extensions: state.entry.current_epoch.epoch_extensions.clone(),
        last_sealed_block_id,
        sealed_by,
    })
}

/// The identities that pass, of the whole table, so that nothing can be left out of it.
pub(super) fn identities(
    state: &StateView,
    sources: Sources<'_>,
    mut wanted: impl FnMut(&Identity<'_>) -> bool,
) -> Result<Vec<IdentityAnswer>, Rejection> {
    let answer = |identity: &Identity<'_>| IdentityAnswer {
        skeleton: identity.skeleton.clone(),
        status: identity.status,
    };
    read_identities(state, sources, |epochs| {
        let table = epochs.table()?;
        Ok(table.iter().filter(|identity| wanted(identity)).map(answer).collect())
    })
}

/// What `read` makes of the setups that the identity table needs.
pub(super) fn read_identities<T>(
    state: &StateView,
    sources: Sources<'_>,
    read: impl FnOnce(&EpochIdentities<'_>) -> Result<T, IdentityTableError>,
) -> Result<T, Rejection> {
    let [previous, next] = adjacent_setups(state, sources)?;
    let epochs = EpochIdentities {
        entry: &state.entry,
        previous: previous.as_deref(),
        current: &state.current_setup,
        next: next.as_deref(),
    };
    let reason = "epoch state and setup name different nodes";
    read(&epochs).map_err(|_| Violation::State { reason }.into())
}

/// The setups of the previous and the next epoch, as far as the identity table needs them.
fn adjacent_setups(
    state: &StateView,
    sources: Sources<'_>,
) -> Result<[Option<Arc<EpochSetup>>; 2], Rejection> {
    let open = |container: &EpochStateContainer| sources.setup(container.setup_id);
    let next = state.entry.next_epoch.as_ref().map(open).transpose()?;
    let previous = match next {
        Some(_) => None,
        None => state.entry.previous_epoch.as_ref().map(open).transpose()?,
    };
    Ok([previous, next])
}

fn epoch(
    state: &StateView,
    name: EpochName,
    sources: Sources<'_>,
) -> Result<EpochAnswer, Rejection> {
    let container = state.epoch(name).ok_or(NotYet::Epoch { name })?;
    let setup = sources.setup(container.setup_id)?;
    let commit = if container.commit_id.is_zero() {
        None
    } else {
        Some((container.commit_id, sources.commit(container.commit_id)?))
    };
    let final_view = state::final_view(&setup, container);
    let setup = Arc::unwrap_or_clone(setup);
    Ok(EpochAnswer { setup_id: container.setup_id, setup, commit, final_view })
}

/// The seal, if it was verified.
fn sealed(proof: &AnswerProof, trust: Trust) -> Result<&SealProof, NotYet> {
    let (block_id, height) = (proof.block.header.id(), proof.block.header.height);
    let verified = proof.seal.as_ref().filter(|_| trust == Trust::Sealed);
    verified.ok_or(NotYet::Seal { block_id, height })
}

fn seal(proof: &SealProof) -> SealAnswer {
    let sealing = &proof.block.header;
    SealAnswer {
        seal_id: proof.seal.id(),
        seal: proof.seal.clone(),
        sealing_block: (sealing.id(), sealing.height),
    }
}

fn result(proof: &SealProof, sources: Sources<'_>) -> Result<ExecutionResultAnswer, Rejection> {
    let result_id = proof.seal.result_id;
    let result = sources.result(result_id)?;
    if result.block_id != proof.seal.block_id {
        let (expected, found) = (proof.seal.block_id, result.block_id);
        return Err(Violation::SealedBlock { expected, found }.into());
    }
    Ok(ExecutionResultAnswer { result_id, result })
}
