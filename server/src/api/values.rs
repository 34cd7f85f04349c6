//! Typed values beside the evidence, for people and tools that trust the server.

use weir_proto::convert::{
    CurrentEpoch, block_reference, epoch_to_wire, identity_to_wire, state_to_wire,
};
use weir_proto::weir::v1;
use weir_protocol::model::Identifier;
use weir_protocol::protocol_state::{EpochName, ProtocolState, ScheduledUpgrade, identity_table};
use weir_protocol::request::IdentityFilter;

use crate::indexer::Condition;
use crate::prover::{IndexedBlock, ProtocolVersion, Proved};
use crate::source::access::SyncState;

pub(super) fn block(block: &IndexedBlock) -> v1::BlockReference {
    let header = &block.record.header;
    block_reference(&block.block_id, header.height, header.view)
}

pub(super) fn upgrade(upgrade: &ScheduledUpgrade) -> v1::ProtocolVersionUpgrade {
    v1::ProtocolVersionUpgrade {
        version: upgrade.version,
        activation_view: upgrade.activation_view,
        estimated_time_ms: upgrade.about_ms.unwrap_or_default(),
    }
}

/// What keeps new blocks out of the store, or else where following the network stands, in one word.
pub(super) fn state(condition: Option<&Condition>, sync: Option<&SyncState>) -> &'static str {
    let following = sync.map(SyncState::name).unwrap_or_default();
    condition.map_or(following, Condition::name)
}

/// The same in words, and what an operator has to do.
pub(super) fn detail(
    condition: Option<&Condition>,
    sync: Option<&SyncState>,
    version: &ProtocolVersion,
) -> String {
    let following = || sync.map(ToString::to_string);
    let said = condition.map(ToString::to_string).or_else(following);
    let said = said.filter(|said| !said.is_empty());
    said.into_iter().chain(version.warning()).collect::<Vec<_>>().join("; ")
}

/// How far the server knows a block to be; a client proves it by the evidence.
pub(super) struct BlockProgress {
    pub(super) certified: bool,
    pub(super) finalized: bool,
    pub(super) sealed: bool,
    /// The latest block sealed as of it.
    pub(super) last_sealed_id: Identifier,
}

pub(super) fn snapshot(proved: &Proved, progress: &BlockProgress) -> v1::Snapshot {
    let state = &proved.state;
    let epoch = CurrentEpoch {
        counter: state.epoch_counter(),
        phase: state.phase(),
        fallback_triggered: state.epoch_fallback_triggered(),
        first_view: state.first_view(),
        final_view: state.final_view(),
        extensions: &state.epoch_state().current_epoch.epoch_extensions,
    };
    v1::Snapshot {
        block: Some(block(&proved.block)),
        certified: progress.certified,
        finalized: progress.finalized,
        sealed: progress.sealed,
        last_sealed_block_id: bytes(&progress.last_sealed_id),
        ..state_to_wire(&state.id(), state.kv(), &epoch)
    }
}

pub(super) fn identities(state: &ProtocolState, filter: &IdentityFilter) -> Vec<v1::Identity> {
    identity_table(state)
        .iter()
        .filter(|node| filter.admits(&node.skeleton.node_id, node.skeleton.role, node.status))
        .map(|node| identity_to_wire(node.skeleton, node.status))
        .collect()
}

pub(super) fn epoch(proved: &Proved, name: EpochName) -> v1::GetEpochResponse {
    let state = &proved.state;
    let found = state.container(name).zip(state.events(name));
    let response = found.map(|(container, events)| {
        let commit = events.commit.as_deref().map(|commit| (&container.commit_id, commit));
        epoch_to_wire((&container.setup_id, &events.setup), commit)
    });
    v1::GetEpochResponse { block: Some(block(&proved.block)), ..response.unwrap_or_default() }
}

pub(super) fn bytes(id: &Identifier) -> prost::bytes::Bytes {
    id.0.to_vec().into()
}
