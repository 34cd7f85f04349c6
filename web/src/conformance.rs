//! The negative suite, run where the verifier runs.

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use weir_conformance::{Group, check};

use crate::error::usage;

/// Runs one group of cases, the JSON of its file; returns how many cases it has, and throws what
/// differs from the verdicts that are due.
///
/// # Errors
/// When the bytes are no group, or a verdict is another than the one due.
#[wasm_bindgen(js_name = checkSuite)]
pub fn check_suite(group: &[u8]) -> Result<usize, JsValue> {
    let group = Group::from_json(group).map_err(|error| usage(&error.to_string()))?;
    let failures = check(&group);
    if failures.is_empty() {
        return Ok(group.cases.len());
    }
    let text: Vec<String> = failures.iter().map(|failure| format!("{failure:?}")).collect();
    Err(usage(&text.join("\n")))
}
