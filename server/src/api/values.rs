//! Typed values beside the evidence, for people and tools that trust the server.

use weir_proto::convert::{role_to_wire, status_to_wire};
use weir_proto::weir::v1;
use weir_protocol::codec::Entity as _;
use weir_protocol::evidence::IdentityFilter;
use weir_protocol::model::Identifier;
use weir_protocol::protocol_state::{EpochName, Identity, ProtocolState, identity_table};

use crate::prover::{Proved, StoredBlock};

pub(super) fn block(block: &StoredBlock) -> v1::BlockReference {
    let header = &block.record.header;
    v1::BlockReference {
        block_id: bytes(&block.block_id),
        height: header.height,
        view: header.view,
    }
}

/// How far the server knows the block to be; a client proves it by the evidence.
pub(super) struct Progress {
    pub(super) certified: bool,
    pub(super) finalized: bool,
    pub(super) sealed: bool,
}

pub(super) fn snapshot(proved: &Proved, progress: &Progress) -> v1::Snapshot {
    let state = &proved.state;
    let kv = state.kv();
    let extensions = &state.epoch_state().current_epoch.epoch_extensions;
    v1::Snapshot {
        block: Some(block(&proved.block)),
        protocol_state_id: bytes(&state.id()),
        protocol_state_version: state.version(),
        pending_upgrade: kv.version_upgrade.map(|upgrade| v1::ProtocolVersionUpgrade {
            version: upgrade.data,
            activation_view: upgrade.activation_view,
        }),
        epoch_state_id: bytes(&state.epoch_state_id()),
        epoch_counter: state.epoch_counter(),
        epoch_phase: state.phase().name().to_owned(),
        epoch_fallback_triggered: state.epoch_fallback_triggered(),
        first_view: state.first_view(),
        final_view: state.final_view(),
        extensions: extensions
            .iter()
            .map(|extension| v1::EpochExtension {
                first_view: extension.first_view,
                final_view: extension.final_view,
            })
            .collect(),
        epoch_extension_view_count: kv.epoch_extension_view_count,
        finalization_safety_threshold: kv.finalization_safety_threshold,
        kv_store: kv.to_msgpack().into(),
        certified: progress.certified,
        finalized: progress.finalized,
        sealed: progress.sealed,
        last_sealed_block_id: bytes(&proved.block.record.last_sealed_id),
    }
}

pub(super) fn identities(state: &ProtocolState, filter: &IdentityFilter) -> Vec<v1::Identity> {
    identity_table(state)
        .iter()
        .filter(|node| filter.admits(&node.skeleton.node_id, node.skeleton.role, node.status))
        .map(identity)
        .collect()
}

fn identity(node: &Identity<'_>) -> v1::Identity {
    let skeleton = node.skeleton;
    v1::Identity {
        node_id: bytes(&skeleton.node_id),
        address: skeleton.address.clone(),
        role: role_to_wire(skeleton.role).into(),
        initial_weight: skeleton.initial_weight,
        staking_key: skeleton.staking_key.to_vec().into(),
        network_key: skeleton.network_key.to_vec().into(),
        status: status_to_wire(node.status).into(),
    }
}

pub(super) fn epoch(proved: &Proved, name: EpochName) -> v1::GetEpochResponse {
    let mut response =
        v1::GetEpochResponse { block: Some(block(&proved.block)), ..Default::default() };
    let state = &proved.state;
    if let Some((container, events)) = state.container(name).zip(state.events(name)) {
        response.epoch_counter = events.setup.counter;
        response.setup_id = bytes(&container.setup_id);
        response.setup = events.setup.to_rlp().into();
        response.commit_id = bytes(&container.commit_id);
        let commit = events.commit.as_ref().map(|commit| commit.to_rlp());
        response.commit = commit.unwrap_or_default().into();
    }
    response
}

pub(super) fn bytes(id: &Identifier) -> prost::bytes::Bytes {
    id.0.to_vec().into()
}
