//! Events as JSON, for command lines and hosts in other languages.

use alloc::string::ToString as _;
use core::slice;

use serde_json::{Value, json};
use weir_verifier::json;
use weir_verifier::{Change, EpochAt, IdentityAnswer, VersionAt};

use super::{BlockStatus, Event, EventKind};

/// One JSON object for an event; `event` says of which kind.
#[must_use]
pub fn event(event: &Event) -> Value {
    let block = &event.block;
    let mut object = json!({
        "block_id": block.block_id.to_hex(),
        "height": block.height,
        "view": block.view,
        "timestamp_ms": block.timestamp_ms,
        "trust": block.trust.name(),
        "cursor": event.cursor.to_string(),
        "predecessor": event.predecessor.to_string(),
    });
    let (name, fields) = match &event.kind {
        EventKind::Change(change) => change_fields(change),
        EventKind::Reverted { finalized_id, finalized_height } => {
            let finalized_id = finalized_id.to_hex();
            let fields =
                json!({ "finalized_id": finalized_id, "finalized_height": finalized_height });
            ("reverted", fields)
        }
        EventKind::Status { status, before } => {
            let before = before.map(BlockStatus::name);
            ("status", json!({ "status": status.name(), "before": before }))
        }
    };
    object["event"] = json!(name);
    if let (Value::Object(object), Value::Object(fields)) = (&mut object, fields) {
        object.extend(fields);
    }
    object
}

fn change_fields(change: &Change) -> (&'static str, Value) {
    match change {
        Change::Epoch { before, after } => ("epoch", with_before(epoch(after), epoch(before))),
        Change::Version { before, after } => {
            ("version", with_before(version(after), version(before)))
        }
        Change::Identity { before, after } => {
            let node = |node: Option<&IdentityAnswer>| {
                node.map(|node| json::identities(slice::from_ref(node)).remove(0))
            };
            let (before, after) = (before.as_deref(), after.as_deref());
            let fields = json!({
                "node_id": after.or(before).map(|node| node.skeleton.node_id.to_hex()),
                "change": identity_change(before, after),
                "identity": node(after),
                "before": node(before),
            });
            ("identity", fields)
        }
    }
}

fn with_before(mut after: Value, before: Value) -> Value {
    after["before"] = before;
    after
}

fn epoch(epoch: &EpochAt) -> Value {
    json!({
        "epoch_counter": epoch.counter,
        "epoch_phase": epoch.phase.name(),
        "epoch_fallback_triggered": epoch.fallback_triggered,
        "first_view": epoch.first_view,
        "final_view": epoch.final_view,
    })
}

fn version(version: &VersionAt) -> Value {
    json!({
        "protocol_state_version": version.version,
        "version_upgrade": version.upgrade.as_ref().map(json::version_upgrade),
        "needs_update": version.needs_update,
    })
}

/// What happened to a node of the identity table.
#[must_use]
pub fn identity_change(
    before: Option<&IdentityAnswer>,
    after: Option<&IdentityAnswer>,
) -> &'static str {
    match (before, after) {
        (None, _) => "joined",
        (_, None) => "left",
        _ => "changed",
    }
}
