//! What is wrong with an answer, and whose fault it is.

use std::sync::Arc;

use tonic::Status;
use weir_client::transport::{Code, code_number};
use weir_protocol::evidence::{AnswerProof, EvidenceError};
use weir_verifier::{Missing, Rejection, Violation};

/// Why an answer of an upstream is of no use.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It gave none, or refused.
    Upstream(Status),
    /// It is wrong, or something is left out of it.
    Wrong(String),
    /// The chain may not be far enough to prove it, or has a protocol version that is not known here, and
    /// nobody can tell.
    Unproved(Box<Unproved>),
    /// The upstream has no part in it.
    Ours(Status),
}

/// An answer that the chain does not prove as far as the question demands.
#[derive(Debug)]
pub(crate) struct Unproved {
    /// What is missing.
    pub(crate) rejection: Rejection,
    /// The answer.
    pub(crate) evidence: Arc<AnswerProof>,
}

impl Fault {
    /// What a rejection of this evidence says of the upstream that sent it.
    pub(crate) fn of(rejection: Rejection, evidence: Arc<AnswerProof>) -> Self {
        let may_be_true = rejection.is_about_version()
            || matches!(
                rejection,
                Rejection::NotYet(_) | Rejection::Missing(Missing::EarlierEpoch { .. })
            );
        if may_be_true {
            return Self::Unproved(Box::new(Unproved { rejection, evidence }));
        }
        rejection.into()
    }

    /// Something stands in the evidence that the question does not call for.
    pub(crate) fn needless(what: &str) -> Self {
        Self::Wrong(format!("{what}, which the question does not call for"))
    }
}

/// What a rejection says of whoever sent the evidence, where there is nothing to tell by it.
impl From<Rejection> for Fault {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            rejection if rejection.is_about_time() || rejection.is_about_version() => {
                Self::Ours(needs_newer(rejection))
            }
            Rejection::NeedsUpdate(_) => Self::Upstream(Status::unavailable(rejection.to_string())),
            _ => Self::Wrong(rejection.to_string()),
        }
    }
}

impl From<Violation> for Fault {
    fn from(violation: Violation) -> Self {
        Rejection::from(violation).into()
    }
}

impl From<EvidenceError> for Fault {
    fn from(error: EvidenceError) -> Self {
        Rejection::from(error).into()
    }
}

/// Why a question of the proxy's own has no answer.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Nobody gave one that verifies, or somebody refused.
    Status(Status),
    /// The chain does not prove it.
    Unproved(Box<Unproved>),
}

impl From<Status> for Failed {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

/// Whether what is missing is the committee of a later epoch: the block's, or its seal's.
pub(crate) fn needs_later_epoch(rejection: &Rejection) -> bool {
    matches!(rejection, Rejection::Missing(Missing::LaterEpoch { .. }))
}

/// What is said of what only a newer version can tell.
pub(crate) fn needs_newer(rejection: Rejection) -> Status {
    Status::failed_precondition(rejection.to_string())
}

/// Whether the upstream said nothing about what was asked.
pub(crate) fn is_silence(status: &Status) -> bool {
    Code::from_number(code_number(status)).is_about_the_server()
}
