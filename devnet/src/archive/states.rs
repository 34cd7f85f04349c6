//! Lines for distinct protocol states, epoch states and service events.

use serde_json::{Map, Value, json};
use weir_protocol::codec::Entity;
use weir_protocol::codec::rlp::Encoder;
use weir_protocol::model::{
    DynamicIdentityEntry, EpochExtension, EpochStateContainer, ExecutionMeteringParameters,
    Identifier, KvStore, MagnitudeVersion, ServiceEvent, UpdatableField, ViewBasedActivator,
};
use weir_protocol::protocol_state::{
    EpochName, Identity, ProtocolState, identity_table, next_identity_table,
};

/// A protocol state: its key-value store, as snapshots hold it and by its fields.
pub(super) fn kv_state(state: &ProtocolState) -> Value {
    let kv = state.kv();
    json!({
        "protocol_state_id": state.id().to_hex(),
        "version": kv.version,
        "data": bytes(&kv.to_msgpack()),
        "fields": fields(kv),
    })
}

/// An epoch state, with the identity tables that follow from it.
pub(super) fn epoch_state(state: &ProtocolState) -> Value {
    let entry = state.epoch_state();
    let id = |name| state.container(name).map(|epoch| epoch.id().to_hex());
    let tables = (identity_table(state), next_identity_table(state).unwrap_or_default());
    json!({
        "epoch_state_id": state.epoch_state_id().to_hex(),
        "counter": state.epoch_counter(),
        "phase": state.phase().name(),
        "current_epoch_final_view": state.final_view(),
        "previous_epoch_state_id": id(EpochName::Previous),
        "current_epoch_state_id": id(EpochName::Current),
        "next_epoch_state_id": id(EpochName::Next),
        "entry": {
            "PreviousEpoch": entry.previous_epoch.as_ref().map(container),
            "CurrentEpoch": container(&entry.current_epoch),
            "NextEpoch": entry.next_epoch.as_ref().map(container),
            "EpochFallbackTriggered": entry.epoch_fallback_triggered,
        },
        "identity_table": tables.0.iter().map(identity).collect::<Value>(),
        "next_identity_table": tables.1.iter().map(identity).collect::<Value>(),
        "rlp": bytes(&rlp(&**entry)),
    })
}

/// A service event that the execution of a block emitted, as it goes over the wire.
pub(super) fn service_event(block_id: &Identifier, event: &ServiceEvent) -> Value {
    let payload: Value = serde_json::from_slice(&event.to_json())
        .expect("the JSON of an event is JSON, and without fractions");
    json!({
        "emitted_by_block": block_id.to_hex(),
        "type": event.type_name(),
        "id": event.id().to_hex(),
        "rlp": bytes(&rlp(event)),
        "event": payload,
    })
}

/// Bytes in hexadecimal.
pub(super) fn bytes(bytes: &[u8]) -> Value {
    hex::encode(bytes).into()
}

fn rlp(entity: &impl Entity) -> Vec<u8> {
    let mut encoder = Encoder::new();
    entity.encode(&mut encoder);
    encoder.finish()
}

fn fields(kv: &KvStore) -> Value {
    let mut fields = Map::new();
    let mut field = |name: &str, value: Value| fields.insert(name.into(), value);
    field("VersionUpgrade", activator(kv.version_upgrade.as_ref(), |version| (*version).into()));
    field("EpochStateID", kv.epoch_state_id.to_hex().into());
    field("EpochExtensionViewCount", kv.epoch_extension_view_count.into());
    field("FinalizationSafetyThreshold", kv.finalization_safety_threshold.into());
    if let Some(execution) = &kv.execution {
        let component = |component| updatable(component, magnitude);
        field("ExecutionMeteringParameters", updatable(&execution.metering, metering));
        field("ExecutionComponentVersion", component(&execution.execution_component_version));
        field("CadenceComponentVersion", component(&execution.cadence_component_version));
    }
    if let Some(root) = kv.snapshot_tree_root {
        fields.insert("SnapshotTreeRoot".into(), root.to_hex().into());
    }
    Value::Object(fields)
}

fn activator<T>(activator: Option<&ViewBasedActivator<T>>, data: impl Fn(&T) -> Value) -> Value {
    activator.map_or(Value::Null, |activator| {
        json!({ "Data": data(&activator.data), "ActivationView": activator.activation_view })
    })
}

fn updatable<T>(field: &UpdatableField<T>, value: impl Fn(&T) -> Value) -> Value {
    let current = value(&field.current_value);
    json!({ "CurrentValue": current, "Update": activator(field.update.as_ref(), value) })
}

fn metering(parameters: &ExecutionMeteringParameters) -> Value {
    json!({
        "ExecutionEffortWeights": parameters.execution_effort_weights,
        "ExecutionMemoryWeights": parameters.execution_memory_weights,
        "ExecutionMemoryLimit": parameters.execution_memory_limit,
    })
}

fn magnitude(version: &MagnitudeVersion) -> Value {
    json!({ "Major": version.major, "Minor": version.minor })
}

fn container(epoch: &EpochStateContainer) -> Value {
    let node = |node: &DynamicIdentityEntry| json!({ "NodeID": node.node_id.to_hex(), "Ejected": node.ejected });
    let extension = |extension: &EpochExtension| json!({ "FirstView": extension.first_view, "FinalView": extension.final_view });
    // flow-go leaves a list without extensions out.
    let extensions = Some(&epoch.epoch_extensions).filter(|extensions| !extensions.is_empty());
    json!({
        "SetupID": epoch.setup_id.to_hex(),
        "CommitID": epoch.commit_id.to_hex(),
        "ActiveIdentities": epoch.active_identities.iter().map(node).collect::<Value>(),
        "EpochExtensions": extensions.map(|all| all.iter().map(extension).collect::<Value>()),
    })
}

fn identity(identity: &Identity<'_>) -> Value {
    let skeleton = identity.skeleton;
    json!({
        "NodeID": skeleton.node_id.to_hex(),
        "Address": skeleton.address,
        "Role": skeleton.role.to_string(),
        "InitialWeight": skeleton.initial_weight,
        "StakingPubKey": skeleton.staking_key.as_ref().map(|key| bytes(key)),
        "NetworkPubKey": skeleton.network_key.as_ref().map(|key| bytes(key)),
        "Status": identity.status.flow_name(),
    })
}
