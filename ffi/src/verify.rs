//! What needs no trusted state.

use serde_json::Value;
use weir_verifier::json;

use crate::{Timing, View, WeirError};

/// Verifies saved evidence that stands alone, from a checkpoint's ID, 64 hexadecimal digits; the
/// question is the one saved with it. Returns the answer as `weir --json` prints it.
///
/// # Errors
/// As the verifier's, and when the bytes are not evidence.
#[cfg_attr(feature = "uniffi", uniffi::export)]
pub fn verify_file(
    checkpoint_id: &str,
    evidence: Vec<u8>,
    timing: Timing,
    view: View,
) -> Result<String, WeirError> {
    let timing = timing.check()?;
    let checkpoint_id = json::identifier(checkpoint_id)?;
    let (question, answer) = weir_verifier::verify_file(checkpoint_id, &evidence, &timing)?;
    let shape = json::shape(&question, view.name())?;
    Ok(json::render(shape, &answer).to_string())
}

/// Verifies an answer of a snapshot tree under a root that the caller trusts, 64 hexadecimal digits.
///
/// `items` is a JSON list of `{"node": ID}`, `{"role": NAME}`, `{"field": NAME}` and `"table"`. The
/// answer is `{nodes, roles, fields, identities}` as JSON, what is absent `null`.
///
/// # Errors
/// `Invalid` when the bytes are not the one proof of an answer under this root.
#[cfg_attr(feature = "uniffi", uniffi::export)]
pub fn verify_tree(root: &str, items: &str, proof: Vec<u8>) -> Result<String, WeirError> {
    let question = json::tree_question(&read_json(items)?)?;
    let answer = weir_verifier::verify_tree(json::identifier(root)?, &question, &proof)?;
    Ok(json::tree_answer(&answer).to_string())
}

/// Reads JSON.
pub(crate) fn read_json(text: &str) -> Result<Value, WeirError> {
    serde_json::from_str(text).map_err(|error| WeirError::usage(&format!("not JSON: {error}")))
}
