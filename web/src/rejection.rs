//! The verifier's verdicts as errors.

use wasm_bindgen::JsValue;
use weir_protocol::evidence::EvidenceError;
use weir_verifier::json::rule_name;
use weir_verifier::{Rejection, TrustedStateError};

use crate::error::error;

/// Why evidence did not verify.
pub(crate) fn rejection(rejection: &Rejection) -> JsValue {
    match rejection {
        Rejection::Missing(missing) => error("missing", &rule_name(missing), rejection),
        Rejection::NotYet(not_yet) => error("not-yet", &rule_name(not_yet), rejection),
        Rejection::NeedsUpdate(needs) => error("needs-update", &rule_name(needs), rejection),
        Rejection::Invalid(violation) => error("invalid", &rule_name(&**violation), rejection),
    }
}

/// Why bytes are not evidence, as [`rejection`] says it.
pub(crate) fn not_evidence(source: EvidenceError) -> JsValue {
    rejection(&source.into())
}

/// Why bytes are not a trusted state.
pub(crate) fn not_a_state(source: &TrustedStateError) -> JsValue {
    error("invalid", &rule_name(source), source)
}
