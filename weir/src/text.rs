//! Answers as text for people.

use std::fmt::Write as _;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::Value;
use weir_protocol::model::Identifier;
use weir_verifier::json::{self, Shape};
use weir_verifier::{AnchoredBy, Answer, AnswerValue, IdentityAnswer, Trust};

use super::say::escaped;

/// Readable text for an answer: the block and its proof first, then what was asked about it.
pub(crate) fn render(shape: Shape, answer: &Answer) -> String {
    let mut text = block(answer.block_id, answer.height, answer.view, answer.trust);
    text.push_str(&proved_by(answer.anchored_by, answer.block_id));
    match &answer.value {
        AnswerValue::Identity(Some(node)) => {
            let only = json::render(shape, answer);
            let _ = writeln!(text, "node {}", node.skeleton.node_id);
            text.push_str(&fields(&only["identities"][0]));
        }
        AnswerValue::Identity(None) => text.push_str("no such node\n"),
        AnswerValue::Identities(nodes) => text.push_str(&identity_table(nodes)),
        AnswerValue::ExecutionResult(_) => text.push_str(&result(json::render(shape, answer))),
        _ => text.push_str(&fields(&json::render(shape, answer))),
    }
    text
}

/// The line about the block that something is about.
pub(crate) fn block(block_id: Identifier, height: u64, view: u64, trust: Trust) -> String {
    format!("block {block_id} at height {height}, view {view} ({trust})\n")
}

/// The line about a server of a sync.
pub(crate) fn server(server: &Value) -> String {
    let verdict = server["verdict"].as_str().unwrap_or_default();
    let head = match (server["head_height"].as_u64(), server["lag"].as_u64()) {
        (Some(height), Some(lag)) => format!(", head at height {height}, {lag} behind"),
        _ => String::new(),
    };
    field("server", &format!("{}: {verdict}{head}", inline(&server["url"])))
}

/// One line a field, leaving out what the lines above them say.
pub(crate) fn fields(object: &Value) -> String {
    let mut text = String::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        if !SHOWN_ABOVE.contains(&name.as_str()) {
            text.push_str(&field(&name.replace('_', " "), &inline(value)));
        }
    }
    text
}

fn field(name: &str, value: &str) -> String {
    format!("  {name:<30} {value}\n")
}

/// A value on one line; JSON where objects lie inside of it.
fn inline(value: &Value) -> String {
    match value {
        Value::String(value) => escaped(value).into_owned(),
        Value::Null => "-".to_owned(),
        Value::Object(object)
            if !object.values().any(|value| value.is_object() || value.is_array()) =>
        {
            let pair = |(name, value): (&String, &Value)| {
                format!("{} {}", name.replace('_', " "), inline(value))
            };
            object.iter().map(pair).collect::<Vec<_>>().join(", ")
        }
        value => escaped(&value.to_string()).into_owned(),
    }
}

/// The line about what a block is proved by.
pub(crate) fn proved_by(anchored_by: AnchoredBy, of: Identifier) -> String {
    let by = match anchored_by {
        AnchoredBy::KnownBlock => "its id".to_owned(),
        AnchoredBy::HashLinks { block_id, .. } if block_id == of => {
            "what was proved before: it is known to be final".to_owned()
        }
        AnchoredBy::HashLinks { block_id, height } => {
            format!("hash links from block {block_id} at height {height}")
        }
        AnchoredBy::Committee { epoch_counter } => {
            format!("certificates of the committee of epoch {epoch_counter}")
        }
        AnchoredBy::PastCommittee { epoch_counter, age_ms_max, .. } => {
            let age_max = humantime::format_duration(Duration::from_millis(age_ms_max));
            format!(
                "certificates of the committee of epoch {epoch_counter}, which is past: taken for \
                 proof up to an age of {age_max}"
            )
        }
        _ => "-".to_owned(),
    };
    field("proved by", &by)
}

/// The result's bytes are for machines; its events get a line each.
fn result(mut object: Value) -> String {
    let mut events = Value::Null;
    if let Value::Object(object) = &mut object {
        object.remove("rlp");
        events = object.remove("service_events").unwrap_or_default();
    }
    let mut text = fields(&object);
    for event in events.as_array().into_iter().flatten() {
        text.push_str(&field("service event", &inline(event)));
    }
    text
}

fn identity_table(nodes: &[IdentityAnswer]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED);
    table.set_header(["node id", "role", "status", "weight", "address"]);
    for node in nodes {
        let skeleton = &node.skeleton;
        table.add_row([
            skeleton.node_id.to_hex(),
            skeleton.role.to_string(),
            node.status.to_string(),
            skeleton.initial_weight.to_string(),
            escaped(&skeleton.address).into_owned(),
        ]);
    }
    if let Some(weight) = table.column_mut(3) {
        weight.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\n{} nodes\n", nodes.len())
}

const SHOWN_ABOVE: [&str; 11] = [
    "anchored_by",
    "block_id",
    "checkpoint_id",
    "head_block_id",
    "head_height",
    "height",
    "node_id",
    "servers",
    "trust",
    "upgrade_ahead",
    "view",
];
