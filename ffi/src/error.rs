//! Errors as other languages see them: a kind, the rule by name, and a message.

use std::fmt::{Debug, Display};

use weir_protocol::evidence::EvidenceError;
use weir_verifier::json::{NoQuestion, rule_name};
use weir_verifier::{Rejection, TrustedStateError};

/// Why something was not verified.
///
/// `rule` is a name for programs, as `docs/rules.md` has it; `reason` is a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Error))]
pub enum WeirError {
    /// Nothing is wrong, but something is missing: fetch it, or wait.
    #[error("{reason}")]
    NotEnough {
        /// What is missing, such as `LaterEpoch`.
        rule: String,
        /// What is missing, in words.
        reason: String,
    },
    /// A rule is broken: whoever sent the bytes is at fault. `Evidence` is the rule that bytes are
    /// evidence at all.
    #[error("{reason}")]
    Invalid {
        /// The rule, such as `Certificate`.
        rule: String,
        /// What was expected and what was found.
        reason: String,
    },
    /// An argument that the caller has to correct.
    #[error("{reason}")]
    Usage {
        /// `Argument`.
        rule: String,
        /// What would be right.
        reason: String,
    },
}

impl WeirError {
    /// The rule that is broken, or what is missing, by name.
    #[must_use]
    pub fn rule(&self) -> &str {
        let (Self::NotEnough { rule, .. } | Self::Invalid { rule, .. } | Self::Usage { rule, .. }) =
            self;
        rule
    }

    /// An argument that the caller has to correct.
    #[must_use]
    pub fn usage(reason: &impl Display) -> Self {
        Self::Usage { rule: "Argument".into(), reason: reason.to_string() }
    }

    fn invalid(rule: &impl Debug, reason: &impl Display) -> Self {
        Self::Invalid { rule: rule_name(rule), reason: reason.to_string() }
    }
}

impl From<Rejection> for WeirError {
    fn from(rejection: Rejection) -> Self {
        let reason = rejection.to_string();
        match rejection {
            Rejection::NotEnough(missing) => Self::NotEnough { rule: rule_name(&missing), reason },
            Rejection::Invalid(violation) => Self::invalid(&violation, &reason),
        }
    }
}

impl From<EvidenceError> for WeirError {
    fn from(error: EvidenceError) -> Self {
        Self::Invalid { rule: "Evidence".into(), reason: format!("invalid evidence: {error}") }
    }
}

impl From<TrustedStateError> for WeirError {
    fn from(error: TrustedStateError) -> Self {
        Self::invalid(&error, &error)
    }
}

impl From<NoQuestion> for WeirError {
    fn from(error: NoQuestion) -> Self {
        Self::usage(&error)
    }
}

#[cfg(test)]
mod tests {
    use crate::{TrustedState, View, timing_at, verify_file, verify_tree};

    const ID: &str = "19c5d97f4574a3279c67d7d60e50862b93c909f734d0f4f7df93ea5d5a2f07ad";

    #[bounded::test]
    fn errors_say_whose_fault_it_is() {
        let file = |id: &str, timing| verify_file(id, vec![0; 8], timing, View::Whole).unwrap_err();
        let mut timing = timing_at(0);
        assert_eq!(file(ID, timing).rule(), "Evidence");
        assert_eq!(file("19", timing).rule(), "Argument");
        timing.clock_skew_ms = u64::MAX;
        assert_eq!(file(ID, timing).rule(), "Argument");
        assert_eq!(verify_tree(ID, "[]", Vec::new()).unwrap_err().rule(), "Argument");
        assert_eq!(verify_tree(ID, r#"["table"]"#, Vec::new()).unwrap_err().rule(), "Tree");
        assert!(TrustedState::from_bytes(Vec::new()).is_err());
    }
}
