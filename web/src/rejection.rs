//! The verifier's verdicts as errors, which are those of the walk.

use wasm_bindgen::JsValue;
use weir_host::HostError;
use weir_protocol::evidence::EvidenceError;
use weir_verifier::{Rejection, TrustedStateError};

use crate::error::host_error;

/// Why evidence did not verify.
pub(crate) fn rejection(rejection: &Rejection) -> JsValue {
    host_error(&HostError::rejected(rejection))
}

/// Why bytes are not evidence, as [`rejection`] says it.
pub(crate) fn not_evidence(source: EvidenceError) -> JsValue {
    host_error(&source.into())
}

/// Why bytes are not a trusted state.
pub(crate) fn not_a_state(source: TrustedStateError) -> JsValue {
    host_error(&source.into())
}
