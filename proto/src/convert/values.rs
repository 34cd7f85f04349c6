//! Typed values beside the evidence, from the model.

use ::bytes::Bytes;
use weir_protocol::codec::Entity as _;
use weir_protocol::model::{
    EpochCommit, EpochExtension, EpochPhase, EpochSetup, Identifier, IdentitySkeleton, KvStore,
};
use weir_protocol::protocol_state::ParticipationStatus;

use super::question::{bytes, role_to_wire, status_to_wire};
use crate::weir::v1;

/// A block, as its ID, height and view.
#[must_use]
pub fn block_reference(block_id: &Identifier, height: u64, view: u64) -> v1::BlockReference {
    v1::BlockReference { block_id: bytes(block_id), height, view }
}

/// A node of an identity table.
#[must_use]
pub fn identity_to_wire(skeleton: &IdentitySkeleton, status: ParticipationStatus) -> v1::Identity {
    v1::Identity {
        node_id: bytes(&skeleton.node_id),
        address: skeleton.address.clone(),
        role: role_to_wire(skeleton.role).into(),
        initial_weight: skeleton.initial_weight,
        staking_key: key_to_wire(skeleton.staking_key.as_ref()),
        network_key: key_to_wire(skeleton.network_key.as_ref()),
        status: status_to_wire(status).into(),
    }
}

/// The key, or no bytes where the node has none.
fn key_to_wire<const N: usize>(key: Option<&[u8; N]>) -> Bytes {
    key.map(|key| Bytes::copy_from_slice(key)).unwrap_or_default()
}

/// What a summary of the protocol state says of the current epoch.
#[derive(Clone, Copy, Debug)]
pub struct CurrentEpoch<'a> {
    /// Its number.
    pub counter: u64,
    /// Its phase.
    pub phase: EpochPhase,
    /// Whether the network is in epoch fallback mode.
    pub fallback_triggered: bool,
    /// First view.
    pub first_view: u64,
    /// Last view, extensions counted.
    pub final_view: u64,
    /// Its extensions.
    pub extensions: &'a [EpochExtension],
}

/// A summary of the protocol state with this ID, without what lies outside the state: the block,
/// how far it is, and the newest block sealed as of it.
#[must_use]
pub fn state_to_wire(
    protocol_state_id: &Identifier,
    kv: &KvStore,
    epoch: &CurrentEpoch<'_>,
) -> v1::Snapshot {
    let extension = |extension: &EpochExtension| v1::EpochExtension {
        first_view: extension.first_view,
        final_view: extension.final_view,
    };
    v1::Snapshot {
        protocol_state_id: bytes(protocol_state_id),
        protocol_state_version: kv.version,
        pending_upgrade: kv.pending_upgrade().map(|upgrade| v1::ProtocolVersionUpgrade {
            version: upgrade.data,
            activation_view: upgrade.activation_view,
            estimated_time_ms: 0,
        }),
        epoch_state_id: bytes(&kv.epoch_state_id),
        epoch_counter: epoch.counter,
        epoch_phase: epoch.phase.name().to_owned(),
        epoch_fallback_triggered: epoch.fallback_triggered,
        first_view: epoch.first_view,
        final_view: epoch.final_view,
        extensions: epoch.extensions.iter().map(extension).collect(),
        epoch_extension_view_count: kv.epoch_extension_view_count,
        finalization_safety_threshold: kv.finalization_safety_threshold,
        kv_store: kv.to_msgpack().into(),
        ..v1::Snapshot::default()
    }
}

/// Setup and commit of an epoch, each with its ID; an epoch that is only set up has no commit.
#[must_use]
pub fn epoch_to_wire(
    (setup_id, setup): (&Identifier, &EpochSetup),
    commit: Option<(&Identifier, &EpochCommit)>,
) -> v1::GetEpochResponse {
    let commit_id = commit.map_or(Identifier::ZERO, |(id, _)| *id);
    v1::GetEpochResponse {
        epoch_counter: setup.counter,
        setup_id: bytes(setup_id),
        setup: setup.to_rlp().into(),
        commit_id: bytes(&commit_id),
        commit: commit.map(|(_, commit)| commit.to_rlp()).unwrap_or_default().into(),
        ..v1::GetEpochResponse::default()
    }
}
