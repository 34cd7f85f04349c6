//! Why a question has no verified answer.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use thiserror::Error;
use weir_protocol::evidence::HOPS_MAX;
use weir_verifier::{NeedsUpdate, Rejection, TimingError};

use crate::{Fault, Lie, Stale, TransportError};

/// Why a question has no verified answer.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum AskError {
    /// No server gave an answer, or one refused and no other did better.
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
    /// The server's newest block is older than one that is proved already.
    #[error(transparent)]
    Stale(#[from] Stale),
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
    pub(crate) fn rejected(url: &str, rejection: Rejection) -> Self {
        Self::Rejected { url: url.to_string(), rejection, lies: Vec::new() }
    }

    /// The same, with what servers did on the way.
    pub(crate) fn after(self, told: Vec<Lie>) -> Self {
        match self {
            Self::Rejected { url, rejection, .. } => Self::Rejected { url, rejection, lies: told },
            error => error,
        }
    }

    /// Whether only a newer version of this program can tell, because the network runs a protocol
    /// version that is not known here.
    #[must_use]
    pub fn is_beyond_upgrade(&self) -> bool {
        matches!(
            self,
            Self::Rejected {
                rejection: Rejection::NeedsUpdate(NeedsUpdate::ProtocolVersion { .. }),
                ..
            }
        )
    }

    /// How much it says about the question: an answer that proves too little says more than a refusal,
    /// that more than a wrong answer, and silence nothing.
    fn rank(&self) -> u8 {
        match self {
            Self::Transport(error) if error.is_silence() => 0,
            Self::Rejected { rejection: Rejection::Invalid(_), .. } | Self::Misled { .. } => 1,
            Self::Transport(_) => 2,
            Self::Stale(_) => 3,
            Self::Rejected { .. } | Self::Timing(_) | Self::TooManyHops { .. } => 4,
        }
    }

    /// Of two errors about one question the one that says more; the earlier one of two alike.
    pub(crate) fn or_better(self, later: Self) -> Self {
        if later.rank() > self.rank() { later } else { self }
    }
}
