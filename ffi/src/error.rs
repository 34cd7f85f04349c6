//! Errors as other languages see them: a kind, the rule by name, and a message.

use std::fmt::Display;

use weir_host::HostError;
use weir_protocol::evidence::EvidenceError;
use weir_verifier::json::NoQuestion;
use weir_verifier::{Rejection, TrustedStateError};

/// Why something was not verified.
///
/// `rule` is a name for programs, as `docs/rules.md` has it; `reason` is a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Error))]
pub enum WeirError {
    /// Something is missing that the caller can get or mend: fetch it, take another checkpoint, set
    /// the clock.
    #[error("{reason}")]
    Missing {
        /// What is missing, such as `LaterEpoch`.
        rule: String,
        /// What is missing, in words.
        reason: String,
    },
    /// Nobody can prove it now.
    #[error("{reason}")]
    NotYet {
        /// What is not proved, such as `Finality`.
        rule: String,
        /// What is not proved, in words.
        reason: String,
    },
    /// Only a newer version of this library understands it.
    #[error("{reason}")]
    NeedsUpdate {
        /// What is not understood, such as `Evidence`.
        rule: String,
        /// What is understood, and what was found.
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
    /// No server gave an answer, or one refused and no other did better.
    #[error("{reason}")]
    Transport {
        /// How it failed, such as `Unavailable`.
        rule: String,
        /// Which server, and what happened.
        reason: String,
    },
    /// An argument that the caller has to correct.
    #[error("{reason}")]
    Usage {
        /// `Argument`, or `AnotherCheckpoint` of a kept state.
        rule: String,
        /// What would be right.
        reason: String,
    },
}

impl WeirError {
    /// The rule that is broken, or what is missing, by name.
    #[must_use]
    pub fn rule(&self) -> &str {
        match self {
            Self::Missing { rule, .. }
            | Self::NotYet { rule, .. }
            | Self::NeedsUpdate { rule, .. }
            | Self::Invalid { rule, .. }
            | Self::Transport { rule, .. }
            | Self::Usage { rule, .. } => rule,
        }
    }

    /// An argument that the caller has to correct.
    #[must_use]
    pub fn usage(reason: &impl Display) -> Self {
        Self::Usage { rule: "Argument".into(), reason: reason.to_string() }
    }
}

impl From<Rejection> for WeirError {
    fn from(rejection: Rejection) -> Self {
        HostError::rejected(&rejection).into()
    }
}

impl From<EvidenceError> for WeirError {
    fn from(error: EvidenceError) -> Self {
        HostError::from(error).into()
    }
}

impl From<TrustedStateError> for WeirError {
    fn from(error: TrustedStateError) -> Self {
        HostError::from(error).into()
    }
}

impl From<HostError> for WeirError {
    fn from(error: HostError) -> Self {
        let HostError { kind, rule, message: reason, .. } = error;
        match kind {
            "missing" => Self::Missing { rule, reason },
            "not-yet" => Self::NotYet { rule, reason },
            "needs-update" => Self::NeedsUpdate { rule, reason },
            "transport" => Self::Transport { rule, reason },
            "usage" => Self::Usage { rule, reason },
            _ => Self::Invalid { rule, reason },
        }
    }
}

impl From<NoQuestion> for WeirError {
    fn from(error: NoQuestion) -> Self {
        HostError::from(error).into()
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
