//! Questions as pages write them, which is how the negative suite writes them.

use std::collections::BTreeSet;
use std::str::FromStr;

use js_sys::{Array, Reflect};
use wasm_bindgen::JsValue;
use weir_client::json::Shape;
use weir_protocol::evidence::{IdentityFilter, Question, Selector, Topic};
use weir_protocol::model::Identifier;
use weir_protocol::protocol_state::{EpochName, ParticipationStatus};

use crate::error::usage;
use crate::value::read_whole;

/// Reads `{block, topic}`.
///
/// # Errors
/// When it is no question.
pub(crate) fn read(question: &JsValue) -> Result<Question, JsValue> {
    Ok(Question { block: selector(&field(question, "block"))?, topic: topic(question)? })
}

/// Reads which part of a snapshot to show: `epoch`, `status`, or all of it.
pub(crate) fn shape(question: &Question, view: Option<&str>) -> Result<Shape, JsValue> {
    match (&question.topic, view) {
        (Topic::Snapshot, Some("epoch")) => Ok(Shape::Epoch),
        (Topic::Snapshot, Some("status")) => Ok(Shape::Status),
        (Topic::Snapshot, None) => Ok(Shape::Snapshot),
        (_, None) => Ok(Shape::Whole),
        (_, Some(_)) => Err(usage("a view is `epoch` or `status`, of a snapshot")),
    }
}

/// Reads an ID: 64 hexadecimal digits.
pub(crate) fn identifier(text: &str) -> Result<Identifier, JsValue> {
    text.parse().map_err(|_| usage("an ID has 64 hexadecimal digits"))
}

fn selector(block: &JsValue) -> Result<Selector, JsValue> {
    match block.as_string().as_deref() {
        Some("latest_finalized") => return Ok(Selector::LatestFinalized),
        Some("latest_sealed") => return Ok(Selector::LatestSealed),
        _ => {}
    }
    if let Some(id) = field(block, "id").as_string() {
        return Ok(Selector::Id(identifier(&id)?));
    }
    let height = read_whole(&field(block, "height"));
    height.map(Selector::Height).ok_or_else(|| usage("`block` names no block"))
}

fn topic(question: &JsValue) -> Result<Topic, JsValue> {
    let topic = field(question, "topic");
    match topic.as_string().as_deref() {
        Some("snapshot") => return Ok(Topic::Snapshot),
        Some("seal") => return Ok(Topic::Seal),
        Some("execution_result") => return Ok(Topic::ExecutionResult),
        _ => {}
    }
    if let Some(node_id) = field(&topic, "identity").as_string() {
        return Ok(Topic::Identity(identifier(&node_id)?));
    }
    let filter = field(&topic, "identities");
    if filter.is_object() {
        return Ok(Topic::Identities(IdentityFilter {
            roles: names(&filter, "roles", |name| name.parse().ok())?,
            statuses: names(&filter, "statuses", status)?,
            node_ids: names(&filter, "node_ids", |id| Identifier::from_str(id).ok())?,
        }));
    }
    match field(&topic, "epoch").as_string().as_deref() {
        Some("previous") => Ok(Topic::Epoch(EpochName::Previous)),
        Some("current") => Ok(Topic::Epoch(EpochName::Current)),
        Some("next") => Ok(Topic::Epoch(EpochName::Next)),
        _ => Err(usage("`topic` is no topic")),
    }
}

/// A status by Weir's name or by flow-go's.
fn status(name: &str) -> Option<ParticipationStatus> {
    ParticipationStatus::ALL.into_iter().find(|s| s.flow_name() == name || s.name() == name)
}

/// A list of names, empty when the field is missing.
fn names<T: Ord>(
    filter: &JsValue,
    list: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<BTreeSet<T>, JsValue> {
    let value = field(filter, list);
    if value.is_undefined() {
        return Ok(BTreeSet::new());
    }
    if !Array::is_array(&value) {
        return Err(usage("a filter has lists"));
    }
    let name = |value: JsValue| value.as_string().as_deref().and_then(&parse);
    let items: Option<_> = Array::from(&value).iter().map(name).collect();
    items.ok_or_else(|| usage("a filter names no such role, status or node ID"))
}

/// A field; undefined when there is none, or no object.
fn field(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

/// A field with a whole number, if there is such a field.
pub(crate) fn number(object: &JsValue, name: &str) -> Result<Option<u64>, JsValue> {
    let value = field(object, name);
    if value.is_undefined() {
        return Ok(None);
    }
    let found = read_whole(&value);
    found.map(Some).ok_or_else(|| usage("a number of milliseconds is whole and not negative"))
}
