//! Errors as pages see them: an `Error` with `kind`, `rule` and `message`.

use std::fmt::{self, Debug};

use js_sys::{Error, Reflect};
use wasm_bindgen::JsValue;
use weir_host::HostError;
use weir_protocol::evidence::EvidenceError;
use weir_verifier::Rejection;
use weir_verifier::json::rule_name;

/// Why evidence did not verify.
pub(crate) fn rejection(rejection: &Rejection) -> JsValue {
    match rejection {
        Rejection::Missing(missing) => error("missing", &rule_name(missing), rejection),
        Rejection::NotYet(not_yet) => error("not-yet", &rule_name(not_yet), rejection),
        Rejection::NeedsUpdate(needs) => error("needs-update", &rule_name(needs), rejection),
        Rejection::Invalid(violation) => error("invalid", &rule_name(violation), rejection),
    }
}

/// Why bytes are not evidence, as [`rejection`] says it.
pub(crate) fn not_evidence(source: EvidenceError) -> JsValue {
    rejection(&source.into())
}

/// Why bytes are not a trusted state.
pub(crate) fn not_a_state(source: &(impl Debug + fmt::Display)) -> JsValue {
    error("invalid", &rule_name(source), source)
}

/// Why a task failed.
pub(crate) fn host_error(failed: &HostError) -> JsValue {
    let object = error(failed.kind, &failed.rule, failed);
    if let Some(url) = &failed.url {
        // Setting a field of a new object cannot fail.
        let _set = Reflect::set(&object, &"url".into(), &url.into());
    }
    object
}

/// An argument that the caller has to correct.
pub(crate) fn usage(message: &str) -> JsValue {
    error("usage", "Argument", &message)
}

fn error(kind: &str, rule: &str, message: &dyn fmt::Display) -> JsValue {
    let error = Error::new(&message.to_string());
    error.set_name("WeirError");
    for (field, value) in [("kind", kind), ("rule", rule)] {
        // Setting a field of a new object cannot fail.
        let _set = Reflect::set(&error, &field.into(), &value.into());
    }
    error.into()
}
