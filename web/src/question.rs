//! Questions as pages write them, which is how the negative suite writes them.

use js_sys::Reflect;
use wasm_bindgen::JsValue;
use weir_protocol::model::Identifier;
use weir_protocol::request::Question;
use weir_verifier::json::{self, NoQuestion, Shape};

use crate::error::usage;
use crate::value::{from_js, read_whole};

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

/// A field with a whole number, if there is such a field.
pub(crate) fn number(object: &JsValue, name: &str) -> Result<Option<u64>, JsValue> {
    let value = Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED);
    if value.is_undefined() {
        return Ok(None);
    }
    let found = read_whole(&value);
    found.map(Some).ok_or_else(|| usage("a number of milliseconds is whole and not negative"))
}
