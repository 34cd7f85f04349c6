//! Why a server gave no answer.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use strum::IntoStaticStr;
use thiserror::Error;
use weir_protocol::request::RefusalReason;

/// Why a server gave no answer.
#[derive(Clone, Debug, PartialEq, IntoStaticStr, Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The URL is malformed.
    #[error("{reason}")]
    Url {
        /// The text given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What follows the URL is no public key.
    #[error("`{url}`: what follows `#` is not a public key, 64 hexadecimal digits")]
    Key {
        /// The text given.
        url: String,
    },
    /// The answer came without a receipt of the key that the server is known by.
    #[error("{url} gave no receipt of its key for what it said")]
    NoReceipt {
        /// The server.
        url: String,
    },
    /// Nobody accepts connections there, or not as HTTP/2.
    #[error("cannot connect to {url}: is a weir-server running there? ({reason})")]
    Connect {
        /// The server.
        url: String,
        /// Why.
        reason: String,
    },
    /// Something answers, but not weir.
    #[error("{url} is not a weir server: it does not offer weir.v1.SnapshotAPI")]
    NotWeir {
        /// The server.
        url: String,
    },
    /// The connection broke or took too long.
    #[error("{url} gave no answer: {message}")]
    Unavailable {
        /// The server.
        url: String,
        /// What happened.
        message: String,
    },
    /// The server has never seen the block.
    #[error("{url}: {message}")]
    UnknownBlock {
        /// The server.
        url: String,
        /// What it serves instead.
        message: String,
    },
    /// The client's head is before what the proof needs.
    #[error("{url}: the head held here is too old, one of height {height_needed} is needed")]
    HeadTooOld {
        /// The server.
        url: String,
        /// Least height that serves.
        height_needed: u64,
    },
    /// The server has another final chain than the client's head is on.
    #[error("{url}: {message}")]
    HeadNotCanonical {
        /// The server.
        url: String,
        /// What it says.
        message: String,
    },
    /// The server refused.
    #[error("{url} refused ({code:?}): {message}")]
    Refused {
        /// The server.
        url: String,
        /// Its status.
        code: Code,
        /// The server's reason.
        message: String,
    },
    /// The walk was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// None of several servers gave an answer.
    #[error("no server gave an answer: {}", List(errors))]
    All {
        /// Why, server by server.
        errors: Vec<TransportError>,
    },
}

impl TransportError {
    /// Why none of some servers gave an answer: of one server its own error.
    #[must_use]
    pub fn of_all(mut errors: Vec<Self>) -> Self {
        if errors.len() == 1 { errors.remove(0) } else { Self::All { errors } }
    }

    /// Whether the server said nothing about what was asked; else it refused, which is an answer.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        match self {
            Self::Refused { code, .. } => code.is_about_the_server(),
            Self::Connect { .. }
            | Self::NotWeir { .. }
            | Self::NoReceipt { .. }
            | Self::Unavailable { .. }
            | Self::Cancelled
            | Self::All { .. } => true,
            Self::Url { .. }
            | Self::Key { .. }
            | Self::UnknownBlock { .. }
            | Self::HeadTooOld { .. }
            | Self::HeadNotCanonical { .. } => false,
        }
    }

    /// The server that it is about, if it is one.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Url { url, .. }
            | Self::Key { url }
            | Self::NoReceipt { url }
            | Self::Connect { url, .. }
            | Self::NotWeir { url }
            | Self::Unavailable { url, .. }
            | Self::UnknownBlock { url, .. }
            | Self::HeadTooOld { url, .. }
            | Self::HeadNotCanonical { url, .. }
            | Self::Refused { url, .. } => Some(url),
            Self::Cancelled | Self::All { .. } => None,
        }
    }

    /// A server's refusal: gRPC's status code and its message, and the reason, where it is one that a
    /// client acts on.
    #[must_use]
    pub fn refused(url: String, code: u8, message: String, reason: Option<RefusalReason>) -> Self {
        match reason {
            Some(RefusalReason::UnknownBlock) => Self::UnknownBlock { url, message },
            Some(RefusalReason::HeadTooOld { height_needed }) => {
                Self::HeadTooOld { url, height_needed }
            }
            Some(RefusalReason::HeadNotCanonical) => Self::HeadNotCanonical { url, message },
            None => match code {
                12 => Self::NotWeir { url },
                1 | 4 | 14 => Self::Unavailable { url, message },
                code => Self::Refused { url, code: Code::from_number(code), message },
            },
        }
    }
}

/// Errors in a row.
struct List<'a>(&'a [TransportError]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

/// The status codes of gRPC with which a server refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Code {
    /// 2: nobody says what happened.
    Unknown,
    /// 3: the request is malformed.
    InvalidArgument,
    /// 5: there is no such thing.
    NotFound,
    /// 6: there is such a thing already.
    AlreadyExists,
    /// 7: whoever asks may not.
    PermissionDenied,
    /// 8: there are too many requests, or the answer is too large.
    ResourceExhausted,
    /// 9: not in this state.
    FailedPrecondition,
    /// 10: something came between.
    Aborted,
    /// 11: beyond what the server has.
    OutOfRange,
    /// 13: the server failed.
    Internal,
    /// 15: the server's data is damaged.
    DataLoss,
    /// 16: whoever asks is not known.
    Unauthenticated,
    /// Any other.
    Other(u8),
}

impl Code {
    /// The code of this number.
    #[must_use]
    pub fn from_number(number: u8) -> Self {
        match number {
            2 => Self::Unknown,
            3 => Self::InvalidArgument,
            5 => Self::NotFound,
            6 => Self::AlreadyExists,
            7 => Self::PermissionDenied,
            8 => Self::ResourceExhausted,
            9 => Self::FailedPrecondition,
            10 => Self::Aborted,
            11 => Self::OutOfRange,
            13 => Self::Internal,
            15 => Self::DataLoss,
            16 => Self::Unauthenticated,
            other => Self::Other(other),
        }
    }

    /// Whether it says how the server is, and nothing about what was asked: another one may answer.
    #[must_use]
    pub fn is_about_the_server(self) -> bool {
        match self {
            Self::Unknown
            | Self::PermissionDenied
            | Self::ResourceExhausted
            | Self::Aborted
            | Self::Internal
            | Self::DataLoss
            | Self::Unauthenticated
            | Self::Other(_) => true,
            Self::InvalidArgument
            | Self::NotFound
            | Self::AlreadyExists
            | Self::FailedPrecondition
            | Self::OutOfRange => false,
        }
    }
}
