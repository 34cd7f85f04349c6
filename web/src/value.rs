//! JSON values as plain objects.

use js_sys::{Array, BigInt, Object, Reflect};
use serde_json::{Map, Value};
use wasm_bindgen::{JsCast as _, JsValue};

/// The same value; whole numbers that a `number` cannot hold exactly become a `bigint`.
pub(crate) fn to_js(value: &Value) -> JsValue {
    match value {
        Value::Null => JsValue::NULL,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => number.as_u64().map_or(JsValue::NULL, whole),
        Value::String(text) => text.into(),
        Value::Array(items) => items.iter().map(to_js).collect::<Array>().into(),
        Value::Object(fields) => {
            let object = Object::new();
            for (name, field) in fields {
                set(&object, name, &to_js(field));
            }
            object.into()
        }
    }
}

/// A plain object as JSON: strings, whole numbers, true and false, lists and objects of them. Nothing is
/// `null`; what is none of them, or too deep for a question, is `false`, which nobody takes for nothing.
pub(crate) fn from_js(value: &JsValue) -> Value {
    read(value, DEPTH_MAX)
}

fn read(value: &JsValue, depth: usize) -> Value {
    if let Some(text) = value.as_string() {
        return text.into();
    }
    if let Some(number) = read_whole(value) {
        return number.into();
    }
    if let Some(flag) = value.as_bool() {
        return flag.into();
    }
    if value.is_null() || value.is_undefined() {
        return Value::Null;
    }
    let Some(depth) = depth.checked_sub(1) else {
        return Value::Bool(false);
    };
    if Array::is_array(value) {
        return Array::from(value).iter().map(|item| read(&item, depth)).collect();
    }
    let Some(object) = value.dyn_ref::<Object>() else {
        return Value::Bool(false);
    };
    let fields = Object::entries(object);
    let field = |field: JsValue| {
        let field = Array::from(&field);
        Some((field.get(0).as_string()?, read(&field.get(1), depth)))
    };
    let mut read = Map::new();
    read.extend(fields.iter().filter_map(field));
    Value::Object(read)
}

/// A whole number.
pub(crate) fn whole(number: u64) -> JsValue {
    if number > SAFE_INTEGER_MAX {
        return BigInt::from(number).into();
    }
    #[expect(clippy::cast_precision_loss, reason = "checked above")]
    let exact = number as f64;
    exact.into()
}

/// Sets a field.
pub(crate) fn set(object: &Object, name: &str, value: &JsValue) {
    // Setting a field of an object made here cannot fail.
    let _set = Reflect::set(object, &name.into(), value);
}

/// Reads a whole number of either kind.
pub(crate) fn read_whole(value: &JsValue) -> Option<u64> {
    if value.is_bigint() {
        return u64::try_from(value.clone()).ok();
    }
    let number = value.as_f64()?;
    let is_whole = number >= 0.0 && number.fract() == 0.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number; too large ones become the largest"
    )]
    let whole = is_whole.then_some(number as u64);
    whole.filter(|whole| *whole <= SAFE_INTEGER_MAX)
}

/// `Number.MAX_SAFE_INTEGER`.
const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;
/// Question, topic, filter, list.
const DEPTH_MAX: usize = 4;
