//! Questions as pages write them, which is how the negative suite writes them.

use wasm_bindgen::JsValue;
use weir_protocol::model::Identifier;
use weir_protocol::request::Question;
use weir_verifier::json::{self, NoQuestion, Shape};

use crate::error::usage;
use crate::value::from_js;

/// Reads `{block, topic}`.
///
/// # Errors
/// When it is no question.
pub(crate) fn read(question: &JsValue) -> Result<Question, JsValue> {
    json::question(&from_js(question)).map_err(|error| no_question(&error))
}

/// Reads which part of a snapshot to show: `epoch`, `status`, or all of it.
pub(crate) fn shape(question: &Question, view: Option<&str>) -> Result<Shape, JsValue> {
    json::shape(question, view).map_err(|error| no_question(&error))
}

/// Reads an ID: 64 hexadecimal digits.
pub(crate) fn identifier(text: &str) -> Result<Identifier, JsValue> {
    json::identifier(text).map_err(|error| no_question(&error))
}

fn no_question(error: &NoQuestion) -> JsValue {
    usage(error.message())
}
