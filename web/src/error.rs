//! Errors as pages see them: an `Error` with `kind`, `rule` and `message`.

use std::fmt;

use js_sys::{Error, Reflect};
use wasm_bindgen::JsValue;
use weir_host::HostError;

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
#[cfg(feature = "verifier")]
pub(crate) fn usage(message: &str) -> JsValue {
    error("usage", "Argument", &message)
}

/// An `Error` with its fields.
pub(crate) fn error(kind: &str, rule: &str, message: &dyn fmt::Display) -> JsValue {
    let error = Error::new(&message.to_string());
    error.set_name("WeirError");
    for (field, value) in [("kind", kind), ("rule", rule)] {
        // Setting a field of a new object cannot fail.
        let _set = Reflect::set(&error, &field.into(), &value.into());
    }
    error.into()
}
