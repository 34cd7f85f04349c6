//! Failures as hosts see them: a kind that says who can act, a rule, a message.

use weir_protocol::evidence::EvidenceError;
use weir_protocol::model::Identifier;
use weir_verifier::json::{NoQuestion, rule_name};
use weir_verifier::{Rejection, TimingError, TrustedStateError};
use weir_walk::watch::WatchError;
use weir_walk::{AskError, TransportError};

/// Why there is no verified answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct HostError {
    /// Who can act: `missing`, `not-yet`, `needs-update`, `invalid`, `transport` or `usage`.
    pub kind: &'static str,
    /// What is missing, or which rule is broken, as `docs/rules.md` names it.
    pub rule: String,
    /// In words.
    pub message: String,
    /// The server that it is about.
    pub url: Option<String>,
}

impl HostError {
    /// An argument that the caller has to correct.
    #[must_use]
    pub fn usage(message: &impl ToString) -> Self {
        Self::of("usage", "Argument".to_owned(), message)
    }

    /// What is kept is of another checkpoint than this one.
    pub(crate) fn another_checkpoint(expected: Identifier) -> Self {
        let message = format!("what is kept is of another checkpoint than {expected}");
        Self::of("usage", "AnotherCheckpoint".to_owned(), &message)
    }

    fn of(kind: &'static str, rule: String, message: &impl ToString) -> Self {
        Self { kind, rule, message: message.to_string(), url: None }
    }

    fn about(self, url: &str) -> Self {
        Self { url: Some(url.to_owned()), ..self }
    }

    /// What the verifier says, and the rule.
    #[must_use]
    pub fn rejected(rejection: &Rejection) -> Self {
        let (kind, rule) = match rejection {
            Rejection::Missing(missing) => ("missing", rule_name(missing)),
            Rejection::NotYet(not_yet) => ("not-yet", rule_name(not_yet)),
            Rejection::NeedsUpdate(needs) => ("needs-update", rule_name(needs)),
            Rejection::Invalid(violation) => ("invalid", rule_name(&**violation)),
        };
        Self::of(kind, rule, rejection)
    }

    fn transport(error: &TransportError) -> Self {
        let failed = Self::of("transport", rule_name(error), error);
        match error.url() {
            Some(url) => failed.about(url),
            None => failed,
        }
    }
}

impl From<Rejection> for HostError {
    fn from(rejection: Rejection) -> Self {
        Self::rejected(&rejection)
    }
}

impl From<EvidenceError> for HostError {
    fn from(error: EvidenceError) -> Self {
        Rejection::from(error).into()
    }
}

impl From<NoQuestion> for HostError {
    fn from(error: NoQuestion) -> Self {
        Self::usage(&error)
    }
}

impl From<TimingError> for HostError {
    fn from(error: TimingError) -> Self {
        Self::usage(&error)
    }
}

impl From<TrustedStateError> for HostError {
    fn from(error: TrustedStateError) -> Self {
        Self::of("invalid", rule_name(&error), &error)
    }
}

impl From<AskError> for HostError {
    fn from(error: AskError) -> Self {
        match &error {
            AskError::Transport(error) => Self::transport(error),
            AskError::Rejected { url, rejection, .. } => Self::rejected(rejection).about(url),
            AskError::Timing(error) => Self::usage(error),
            AskError::Stale(stale) => {
                Self::of("transport", "Stale".to_owned(), &error).about(&stale.url)
            }
            AskError::Misled { url, fault } => {
                Self::of("invalid", rule_name(fault), &error).about(url)
            }
            AskError::TooManyHops { url } => {
                Self::of("invalid", "TooManyHops".to_owned(), &error).about(url)
            }
            _ => Self::of("invalid", "Unknown".to_owned(), &error),
        }
    }
}

impl From<WatchError> for HostError {
    fn from(error: WatchError) -> Self {
        match error {
            WatchError::Ask(error) => error.into(),
            // The place to go on from is the caller's.
            error => Self::of("usage", rule_name(&error), &error),
        }
    }
}
