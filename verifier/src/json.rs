//! Answers as JSON, with the field names of flow-go and of the reference chains.
//!
//! The command line, the package for pages and the bindings for other languages show the same
//! objects. Nothing here verifies.

mod question;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde_json::{Map, Value, json};
use weir_protocol::codec::Entity as _;
use weir_protocol::model::{
    EpochExtension, EpochSetup, ExecutionMeteringParameters, ExecutionParameters,
    KV_STORE_VERSION_MAX, MagnitudeVersion, ServiceEvent, UpdatableField, VersionBoundary,
    ViewBasedActivator,
};
use weir_protocol::snapshot_tree::{FieldValue, NodeIdentity, TreeAnswer};

pub use question::{NoQuestion, identifier, question, selector, shape, tree_question};

use crate::{
    AnchoredBy, Answer, AnswerValue, EpochAnswer, ExecutionResultAnswer, IdentityAnswer,
    SealAnswer, SnapshotAnswer, StatusAnswer, TreeRoot, Trust, TrustedState,
};

/// Which part of an answer to show: a snapshot answers three questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Of a snapshot, the epoch.
    Epoch,
    /// Of a snapshot, how far the block is.
    Status,
    /// Of a snapshot, everything.
    Snapshot,
    /// Of any other answer, everything.
    Whole,
}

/// One JSON object for an answer.
///
/// IDs, keys and other bytes are hexadecimal digits; what the evidence does not prove is `null`.
#[must_use]
pub fn render(shape: Shape, answer: &Answer) -> Value {
    let mut object = Map::new();
    object.insert("block_id".into(), json!(answer.block_id.to_hex()));
    object.insert("height".into(), json!(answer.height));
    object.insert("view".into(), json!(answer.view));
    object.insert("trust".into(), json!(answer.trust.name()));
    object.insert("anchored_by".into(), anchored_by(answer.anchored_by));
    let fields = match (&answer.value, shape) {
        (AnswerValue::Snapshot(snapshot), Shape::Epoch) => epoch_fields(answer, snapshot),
        (AnswerValue::Snapshot(snapshot), Shape::Status) => {
            status_fields(answer, &snapshot.status())
        }
        (AnswerValue::Status(status), _) => status_fields(answer, status),
        (AnswerValue::Snapshot(snapshot), _) => snapshot_fields(answer, snapshot),
        (AnswerValue::Identity(node), _) => json!({ "identities": identities(node.as_slice()) }),
        (AnswerValue::Identities(nodes), _) => json!({ "identities": identities(nodes) }),
        (AnswerValue::Epoch(epoch), _) => epoch_events(epoch),
        (AnswerValue::Seal(seal), _) => seal_fields(seal),
        (AnswerValue::ExecutionResult(result), _) => result_fields(result),
    };
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    Value::Object(object)
}

/// By what a block is proved: `kind` tells which fields there are besides.
#[must_use]
pub fn anchored_by(by: AnchoredBy) -> Value {
    match by {
        AnchoredBy::KnownBlock => json!({ "kind": "known_block" }),
        AnchoredBy::HashLinks { block_id, height } => {
            json!({ "kind": "hash_links", "block_id": block_id.to_hex(), "height": height })
        }
        AnchoredBy::Committee { epoch_counter } => {
            json!({ "kind": "committee", "epoch_counter": epoch_counter })
        }
        AnchoredBy::PastCommittee { epoch_counter, since_ms, age_ms_max } => json!({
            "kind": "past_committee",
            "epoch_counter": epoch_counter,
            "since_ms": since_ms,
            "age_ms_max": age_ms_max,
        }),
    }
}

fn epoch_fields(answer: &Answer, snapshot: &SnapshotAnswer) -> Value {
    json!({
        "epoch_counter": snapshot.epoch_counter,
        "epoch_phase": snapshot.epoch_phase.name(),
        "epoch_fallback_triggered": snapshot.epoch_fallback_triggered,
        "first_view": snapshot.first_view,
        "final_view": snapshot.final_view,
        "views_left": snapshot.final_view.saturating_sub(answer.view),
        "extensions": extensions(&snapshot.extensions),
    })
}

fn status_fields(answer: &Answer, status: &StatusAnswer) -> Value {
    let sealed_by = status.sealed_by;
    json!({
        "certified": answer.trust >= Trust::Certified,
        "finalized": answer.trust >= Trust::Finalized,
        "sealed": answer.trust >= Trust::Sealed,
        "sealed_by_block_id": sealed_by.map(|(block_id, _)| block_id.to_hex()),
        "sealed_by_height": sealed_by.map(|(_, height)| height),
        "last_sealed_block_id": status.last_sealed_block_id.map(|id| id.to_hex()),
    })
}

fn snapshot_fields(answer: &Answer, snapshot: &SnapshotAnswer) -> Value {
    let kv = &snapshot.kv_store;
    let mut fields = json!({
        "chain_id": answer.chain_id,
        "timestamp_ms": answer.timestamp_ms,
        "protocol_state_id": snapshot.protocol_state_id.to_hex(),
        "protocol_state_version": kv.version,
        "version_upgrade": kv.version_upgrade.as_ref().map(version_upgrade),
        "epoch_state_id": kv.epoch_state_id.to_hex(),
        "epoch_extension_view_count": kv.epoch_extension_view_count,
        "finalization_safety_threshold": kv.finalization_safety_threshold,
    });
    if let (Some(execution), Value::Object(object)) = (&kv.execution, &mut fields) {
        object.insert("execution".into(), execution_fields(execution));
    }
    if let Some(root) = kv.snapshot_tree_root {
        fields["snapshot_tree_root"] = json!(root.to_hex());
    }
    for more in [epoch_fields(answer, snapshot), status_fields(answer, &snapshot.status())] {
        if let (Value::Object(object), Value::Object(more)) = (&mut fields, more) {
            object.extend(more);
        }
    }
    fields
}

fn seal_fields(seal: &SealAnswer) -> Value {
    json!({
        "seal_id": seal.seal_id.to_hex(),
        "result_id": seal.seal.result_id.to_hex(),
        "final_state": seal.seal.final_state.to_hex(),
        "sealed_by_block_id": seal.sealing_block.0.to_hex(),
        "sealed_by_height": seal.sealing_block.1,
    })
}

fn result_fields(result: &ExecutionResultAnswer) -> Value {
    let events = result.result.service_events.iter();
    json!({
        "result_id": result.result_id.to_hex(),
        "previous_result_id": result.result.previous_result_id.to_hex(),
        "execution_data_id": result.result.execution_data_id.to_hex(),
        "chunks": result.result.chunks.len(),
        "service_events": events.map(service_event).collect::<Vec<_>>(),
        "rlp": hex(&result.result.to_rlp()),
    })
}

/// What an event says; of setups and commits, which `rlp` has whole, what tells them apart.
fn service_event(event: &ServiceEvent) -> Value {
    let setup_fields = |setup: &EpochSetup| {
        json!({
            "epoch_counter": setup.counter,
            "first_view": setup.first_view,
            "final_view": setup.final_view,
            "participants": setup.participants.len(),
            "setup_id": setup.id().to_hex(),
        })
    };
    let boundary = |boundary: &VersionBoundary| json!({ "block_height": boundary.block_height, "version": boundary.version });
    let mut fields = match event {
        ServiceEvent::EpochSetup(setup) => setup_fields(setup),
        ServiceEvent::EpochCommit(commit) => {
            json!({ "epoch_counter": commit.counter, "commit_id": commit.id().to_hex() })
        }
        ServiceEvent::EpochRecover(recover) => {
            let mut fields = setup_fields(&recover.setup);
            fields["commit_id"] = json!(recover.commit.id().to_hex());
            fields
        }
        ServiceEvent::EjectNode { node_id } => json!({ "node_id": node_id.to_hex() }),
        ServiceEvent::ProtocolStateVersionUpgrade { new_protocol_state_version, active_view } => {
            json!({
                "new_protocol_state_version": new_protocol_state_version,
                "active_view": active_view,
            })
        }
        ServiceEvent::SetEpochExtensionViewCount { value } => json!({ "value": value }),
        ServiceEvent::VersionBeacon(beacon) => json!({
            "sequence": beacon.sequence,
            "version_boundaries":
                beacon.version_boundaries.iter().map(boundary).collect::<Vec<_>>(),
        }),
    };
    fields["type"] = json!(event.type_name());
    fields
}

fn execution_fields(execution: &ExecutionParameters) -> Value {
    let mut fields = metering(&execution.metering.current_value);
    fields["execution_component_version"] =
        component_version(&execution.execution_component_version);
    fields["cadence_component_version"] = component_version(&execution.cadence_component_version);
    fields
}

fn metering(metering: &ExecutionMeteringParameters) -> Value {
    json!({
        "execution_effort_weights": metering.execution_effort_weights,
        "execution_memory_weights": metering.execution_memory_weights,
        "execution_memory_limit": metering.execution_memory_limit,
    })
}

fn component_version(field: &UpdatableField<MagnitudeVersion>) -> Value {
    let text = |version: &MagnitudeVersion| format!("{}.{}", version.major, version.minor);
    json!({
        "current": text(&field.current_value),
        "update": field.update.as_ref().map(|update| json!({
            "version": text(&update.data),
            "activation_view": update.activation_view,
        })),
    })
}

fn epoch_events(epoch: &EpochAnswer) -> Value {
    json!({
        "epoch_counter": epoch.setup.counter,
        "setup_id": epoch.setup_id.to_hex(),
        "commit_id": epoch.commit.as_ref().map(|(id, _)| id.to_hex()),
        "first_view": epoch.setup.first_view,
        "final_view": epoch.final_view,
        "participants": epoch.setup.participants.len(),
    })
}

/// The upgrade of the protocol state that was scheduled last.
#[must_use]
pub fn version_upgrade(upgrade: &ViewBasedActivator<u64>) -> Value {
    json!({ "version": upgrade.data, "activation_view": upgrade.activation_view })
}

/// The upgrade to a version that is not known here, if the newest state that is trusted schedules one.
#[must_use]
pub fn upgrade_ahead(trusted: &TrustedState) -> Value {
    let Some(upgrade) = trusted.upgrade_ahead() else { return Value::Null };
    json!({
        "version": upgrade.version,
        "activation_view": upgrade.activation_view,
        "about_ms": upgrade.about_ms,
        "known_up_to": KV_STORE_VERSION_MAX,
    })
}

/// The value of a snapshot tree's field.
#[must_use]
pub fn field_value(value: &FieldValue) -> Value {
    match value {
        FieldValue::Number(number) => json!(number),
        FieldValue::Flag(flag) => json!(flag),
        FieldValue::Phase(phase) => json!(phase.name()),
        FieldValue::Id(id) => json!(id.to_hex()),
        FieldValue::Extensions(found) => extensions(found).into(),
        FieldValue::VersionUpgrade(upgrade) => version_upgrade(upgrade),
        FieldValue::Metering(found) => metering(&found.current_value),
        FieldValue::ComponentVersion(version) => component_version(version),
        _ => Value::Null,
    }
}

/// One JSON object for the root of a snapshot tree, and how far its block is proved.
#[must_use]
pub fn tree_root(root: &TreeRoot) -> Value {
    json!({
        "root": root.root.to_hex(),
        "committed": root.committed,
        "block_id": root.block_id.to_hex(),
        "height": root.height,
        "view": root.view,
        "trust": root.trust.name(),
        "anchored_by": anchored_by(root.anchored_by),
        "protocol_state_id": root.protocol_state_id.to_hex(),
    })
}

/// One JSON object for an answer of a snapshot tree: `{nodes, roles, fields, identities}`, nodes by
/// ID, roles and fields by name, what is absent `null`; `identities` is the table, if it was asked
/// for.
#[must_use]
pub fn tree_answer(answer: &TreeAnswer) -> Value {
    let node = |node: &NodeIdentity| IdentityAnswer {
        skeleton: node.skeleton.clone(),
        status: node.status,
    };
    let list = |nodes: &[NodeIdentity]| -> Value {
        identities(&nodes.iter().map(node).collect::<Vec<_>>()).into()
    };
    let nodes = answer.nodes.iter().map(|(id, found)| {
        let found = found.as_ref().and_then(|found| identities(&[node(found)]).pop());
        (id.to_hex(), found.into())
    });
    let roles = answer.roles.iter().map(|(role, found)| (role.name().into(), list(found)));
    let fields = answer.fields.iter().map(|(field, found)| {
        (String::from(field.name()), found.as_ref().map_or(Value::Null, field_value))
    });
    json!({
        "nodes": nodes.collect::<Map<_, _>>(),
        "roles": roles.collect::<Map<_, _>>(),
        "fields": fields.collect::<Map<_, _>>(),
        "identities": answer.table.as_deref().map(list),
    })
}

/// Name of an error's variant, as the negative suite and `docs/rules.md` have it.
#[must_use]
pub fn rule_name<'a, E>(error: &'a E) -> String
where
    &'static str: From<&'a E>,
{
    String::from(<&'static str>::from(error))
}

/// Nodes of an identity table.
#[must_use]
pub fn identities(nodes: &[IdentityAnswer]) -> Vec<Value> {
    let node = |node: &IdentityAnswer| {
        json!({
            "node_id": node.skeleton.node_id.to_hex(),
            "address": node.skeleton.address,
            "role": node.skeleton.role.name(),
            "initial_weight": node.skeleton.initial_weight,
            "staking_key": node.skeleton.staking_key.as_ref().map(|key| hex(key)),
            "network_key": node.skeleton.network_key.as_ref().map(|key| hex(key)),
            "status": node.status.name(),
        })
    };
    nodes.iter().map(node).collect()
}

fn extensions(extensions: &[EpochExtension]) -> Vec<Value> {
    let extension = |extension: &EpochExtension| json!({ "first_view": extension.first_view, "final_view": extension.final_view });
    extensions.iter().map(extension).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Missing, NotYet, Violation};

    #[bounded::test]
    fn a_rule_is_named_as_its_variant() {
        let name = weir_protocol::protocol_state::EpochName::Next;
        assert_eq!(rule_name(&NotYet::Epoch { name }), "Epoch");
        assert_eq!(rule_name(&Missing::LaterEpoch { newest_known: 1 }), "LaterEpoch");
        assert_eq!(rule_name(&Violation::State { reason: "" }), "State");
    }
}
