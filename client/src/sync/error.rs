//! Why a question has no verified answer.

use thiserror::Error;
use weir_protocol::evidence::HOPS_MAX;

use super::{Fault, Lie};
use crate::transport::TransportError;
use weir_verifier::{Rejection, TimingError};

/// Why a question has no verified answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AskError {
    /// The server gave no answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The evidence does not verify.
    #[error("answer of {url}: {rejection}")]
    Rejected {
        /// The server that sent it.
        url: String,
        /// Why.
        rejection: Rejection,
        /// What servers did before there was a client to tell it.
        lies: Vec<Lie>,
    },
    /// The server misleads otherwise.
    #[error("{url}: {fault}")]
    Misled {
        /// The server.
        url: String,
        /// How.
        fault: Fault,
    },
    /// A bound on time is out of range.
    #[error(transparent)]
    Timing(#[from] TimingError),
    /// The server leads from epoch to epoch without end.
    #[error("{url} leads through more than {HOPS_MAX} epochs")]
    TooManyHops {
        /// The server.
        url: String,
    },
}

impl AskError {
    pub(super) fn rejected(url: &str, rejection: Rejection) -> Self {
        Self::Rejected { url: url.to_owned(), rejection, lies: Vec::new() }
    }

    /// The same, with what servers did on the way.
    pub(super) fn after(self, told: Vec<Lie>) -> Self {
        match self {
            Self::Rejected { url, rejection, .. } => Self::Rejected { url, rejection, lies: told },
            error => error,
        }
    }
}
