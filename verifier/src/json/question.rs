//! Questions as JSON, in the form of the negative suite: `{block, topic}`.
//!
//! Pages and programs in other languages write them so. Nothing here verifies.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::str::FromStr as _;
use serde_json::Value;
use weir_protocol::model::Identifier;
use weir_protocol::protocol_state::{EpochName, ParticipationStatus};
use weir_protocol::request::{IdentityFilter, Question, Selector, Topic};
use weir_protocol::snapshot_tree::{TreeItem, TreeQuestion};

use super::Shape;

/// Why something is no question; the message says what would be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoQuestion(&'static str);

/// Reads `{block, topic}`.
///
/// The block is `"latest_finalized"`, `"latest_sealed"`, `{"id": ID}` or `{"height": N}`; the topic
/// `"snapshot"`, `{"identity": ID}`, `{"identities": {roles?, statuses?, node_ids?}}`, `{"epoch":
/// "previous", "current" or "next"}`, `"seal"` or `"execution_result"`. A status has Weir's name or
/// flow-go's.
///
/// # Errors
/// When it is no question.
pub fn question(value: &Value) -> Result<Question, NoQuestion> {
    Ok(Question { block: selector(&value["block"])?, topic: topic(&value["topic"])? })
}

/// Reads which part of a snapshot to show: `epoch`, `status`, or all of it.
///
/// # Errors
/// When there is no such part of an answer to `question`.
pub fn shape(question: &Question, view: Option<&str>) -> Result<Shape, NoQuestion> {
    match (&question.topic, view) {
        (Topic::Snapshot, Some("epoch")) => Ok(Shape::Epoch),
        (Topic::Snapshot, Some("status")) => Ok(Shape::Status),
        (Topic::Snapshot, None) => Ok(Shape::Snapshot),
        (_, None) => Ok(Shape::Whole),
        (_, Some(_)) => Err(NoQuestion("a view is `epoch` or `status`, of a snapshot")),
    }
}

/// Reads an ID: 64 hexadecimal digits.
///
/// # Errors
/// When it is none.
pub fn identifier(text: &str) -> Result<Identifier, NoQuestion> {
    text.parse().map_err(|_| NoQuestion("an ID has 64 hexadecimal digits"))
}

/// Reads the items of a question to a snapshot tree: a list of `{"node": ID}`, `{"role": NAME}`,
/// `{"field": NAME}` and `"table"`.
///
/// # Errors
/// When it is no such list, or one that no tree answers.
pub fn tree_question(items: &Value) -> Result<TreeQuestion, NoQuestion> {
    let items = items.as_array().ok_or(NoQuestion("the items are a list"))?;
    let items = items.iter().map(tree_item).collect::<Result<Vec<_>, _>>()?;
    TreeQuestion::new(items).map_err(|_| NoQuestion("the items are none, too many, or twice there"))
}

fn tree_item(item: &Value) -> Result<TreeItem, NoQuestion> {
    if item == "table" {
        return Ok(TreeItem::Table);
    }
    let text = |name: &str| item[name].as_str();
    let found = match (text("node"), text("role"), text("field")) {
        (Some(id), None, None) => Some(TreeItem::Node(identifier(id)?)),
        (None, Some(name), None) => name.parse().ok().map(TreeItem::Role),
        (None, None, Some(name)) => name.parse().ok().map(TreeItem::Field),
        _ => None,
    };
    found.ok_or(NoQuestion("an item names no node, role, field or the table"))
}

/// Reads a block, as [`question`] has it.
///
/// # Errors
/// When it names no block.
pub fn selector(block: &Value) -> Result<Selector, NoQuestion> {
    match block.as_str() {
        Some("latest_finalized") => return Ok(Selector::LatestFinalized),
        Some("latest_sealed") => return Ok(Selector::LatestSealed),
        _ => {}
    }
    if let Some(id) = block["id"].as_str() {
        return Ok(Selector::Id(identifier(id)?));
    }
    let height = block["height"].as_u64();
    height.map(Selector::Height).ok_or(NoQuestion("`block` names no block"))
}

fn topic(topic: &Value) -> Result<Topic, NoQuestion> {
    match topic.as_str() {
        Some("snapshot") => return Ok(Topic::Snapshot),
        Some("seal") => return Ok(Topic::Seal),
        Some("execution_result") => return Ok(Topic::ExecutionResult),
        _ => {}
    }
    if let Some(node_id) = topic["identity"].as_str() {
        return Ok(Topic::Identity(identifier(node_id)?));
    }
    let filter = &topic["identities"];
    if filter.is_object() {
        return Ok(Topic::Identities(IdentityFilter {
            roles: names(&filter["roles"], |name| name.parse().ok())?,
            statuses: names(&filter["statuses"], status)?,
            node_ids: names(&filter["node_ids"], |id| Identifier::from_str(id).ok())?,
        }));
    }
    match topic["epoch"].as_str() {
        Some("previous") => Ok(Topic::Epoch(EpochName::Previous)),
        Some("current") => Ok(Topic::Epoch(EpochName::Current)),
        Some("next") => Ok(Topic::Epoch(EpochName::Next)),
        _ => Err(NoQuestion("`topic` is no topic")),
    }
}

/// A status by Weir's name or by flow-go's.
fn status(name: &str) -> Option<ParticipationStatus> {
    ParticipationStatus::ALL.into_iter().find(|s| s.flow_name() == name || s.name() == name)
}

/// A list of names, empty when the field is missing.
fn names<T: Ord>(
    list: &Value,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<BTreeSet<T>, NoQuestion> {
    let list = match list {
        Value::Null => return Ok(BTreeSet::new()),
        Value::Array(list) => list,
        _ => return Err(NoQuestion("a filter has lists")),
    };
    let mut items = BTreeSet::new();
    for name in list {
        let item = name.as_str().and_then(&parse);
        items.insert(item.ok_or(NoQuestion("a filter names no such role, status or node ID"))?);
    }
    Ok(items)
}

impl NoQuestion {
    /// The message.
    #[must_use]
    pub const fn message(&self) -> &'static str {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[bounded::test]
    fn reads_every_question() {
        let id = "19c5d97f4574a3279c67d7d60e50862b93c909f734d0f4f7df93ea5d5a2f07ad";
        let filter = json!({ "roles": ["consensus"], "statuses": ["active", "EpochParticipationStatusEjected"] });
        let topics = [
            json!("snapshot"),
            json!("seal"),
            json!("execution_result"),
            json!({ "identity": id }),
            json!({ "identities": filter }),
            json!({ "epoch": "next" }),
        ];
        let blocks = [
            json!("latest_finalized"),
            json!("latest_sealed"),
            json!({ "id": id }),
            json!({ "height": 7 }),
        ];
        let mut read = Vec::new();
        for (block, topic) in blocks.iter().flat_map(|b| topics.iter().map(move |t| (b, t))) {
            read.push(question(&json!({ "block": block, "topic": topic })).unwrap());
        }
        assert!(read.iter().enumerate().all(|(at, one)| !read[..at].contains(one)));
    }

    #[bounded::test]
    fn refuses_what_is_no_question() {
        let asks = |block: Value, topic: Value| question(&json!({"block": block, "topic": topic}));
        assert!(asks(json!("latest_finalized"), json!("snapshot")).is_ok());
        assert!(asks(json!("latest"), json!("snapshot")).is_err());
        assert!(asks(json!({ "height": -1 }), json!("snapshot")).is_err());
        assert!(asks(json!({ "id": "19" }), json!("snapshot")).is_err());
        assert!(asks(json!("latest_finalized"), json!({ "epoch": "last" })).is_err());
        let roles = json!({ "identities": { "roles": "consensus" } });
        assert!(asks(json!("latest_finalized"), roles).is_err());
        assert!(question(&Value::Null).is_err());
        assert!(tree_question(&json!(["table"])).is_ok());
        assert!(tree_question(&json!([])).is_err());
        assert!(tree_question(&json!([{ "role": "consensus", "field": "x" }])).is_err());
    }
}
