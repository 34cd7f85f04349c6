//! Errors as pages see them: an `Error` with `kind`, `rule` and `message`.

use std::fmt::{self, Debug, Write};

use js_sys::{Error, Reflect};
use wasm_bindgen::JsValue;
use weir_client::verifier::Rejection;
use weir_protocol::evidence::EvidenceError;

/// Why evidence did not verify.
pub(crate) fn rejection(rejection: &Rejection) -> JsValue {
    match rejection {
        Rejection::NotEnough(missing) => error("not-enough", &name(missing), rejection),
        Rejection::Invalid(violation) => error("invalid", &name(violation), rejection),
    }
}

/// Why bytes are not evidence, as [`rejection`] says it.
pub(crate) fn not_evidence(source: &EvidenceError) -> JsValue {
    error("invalid", "Evidence", &format_args!("invalid evidence: {source}"))
}

/// Why bytes are not a trusted state.
pub(crate) fn not_a_state(source: &(impl Debug + fmt::Display)) -> JsValue {
    error("invalid", &name(source), source)
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

/// Name of an error's variant, as the negative suite and `docs/rules.md` have it.
fn name(error: &impl Debug) -> String {
    let mut name = Name(String::new());
    // Ends with an error where the name ends, so that no more is written.
    let _ended = write!(name, "{error:?}");
    name.0
}

/// Takes letters and digits up to the first other character.
struct Name(String);

impl Write for Name {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric());
        self.0.push_str(&text[..end.unwrap_or(text.len())]);
        if end.is_some() { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_client::verifier::{Missing, Violation};

    #[test]
    fn a_rule_is_named_as_its_variant() {
        assert_eq!(name(&Missing::Answer), "Answer");
        assert_eq!(name(&Missing::LaterEpoch { newest_known: 1 }), "LaterEpoch");
        assert_eq!(name(&Box::new(Violation::State { reason: "" })), "State");
    }
}
