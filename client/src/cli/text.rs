//! Answers as text for people.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::Value;
use weir_client::verifier::{Answer, AnswerValue, IdentityAnswer};

use super::args::Shape;
use super::json;

/// Readable text for an answer: the block first, then what was asked about it.
pub(crate) fn render(shape: &Shape, answer: &Answer) -> String {
    let mut text = format!(
        "block {} at height {}, view {} ({})\n",
        answer.block_id, answer.height, answer.view, answer.trust
    );
    match &answer.value {
        AnswerValue::Identity(Some(node)) => {
            let only = json::render(shape, answer);
            let _ = writeln!(text, "node {}", node.skeleton.node_id);
            text.push_str(&fields(&only["identities"][0]));
        }
        AnswerValue::Identity(None) => text.push_str("no such node\n"),
        AnswerValue::Identities(nodes) => text.push_str(&identity_table(nodes)),
        _ => text.push_str(&fields(&json::render(shape, answer))),
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
            skeleton.address.clone(),
        ]);
    }
    if let Some(weight) = table.column_mut(3) {
        weight.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\n{} nodes\n", nodes.len())
}

/// One line a field, leaving out what the first line of the answer says.
fn fields(object: &Value) -> String {
    let shown_above = ["block_id", "height", "view", "trust", "node_id"];
    let mut text = String::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        if shown_above.contains(&name.as_str()) {
            continue;
        }
        let value = match value {
            Value::String(value) => value.clone(),
            Value::Null => "-".to_owned(),
            value => value.to_string(),
        };
        let _ = writeln!(text, "  {:<30} {value}", name.replace('_', " "));
    }
    text
}
