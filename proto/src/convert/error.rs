//! Why a message is not what it should be.

use thiserror::Error;
use weir_protocol::codec::service_event::ServiceEventError;
use weir_protocol::model::IdentifierError;
use weir_protocol::snapshot_tree::{TreeQuestionError, UnknownField};

/// Why a message is not what it should be, and in which field.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// A field is missing.
    #[error("{field} is missing")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// An identifier is malformed.
    #[error("{field}: {source}")]
    Identifier {
        /// The field.
        field: &'static str,
        /// Why.
        source: IdentifierError,
    },
    /// A list is too long.
    #[error("{field} has at most {max} entries, found {found}")]
    TooMany {
        /// The field.
        field: &'static str,
        /// Most entries.
        max: usize,
        /// Entries found.
        found: usize,
    },
    /// Bytes or text are too long.
    #[error("{field} has at most {max} bytes, found {found}")]
    TooLong {
        /// The field.
        field: &'static str,
        /// Most bytes.
        max: usize,
        /// Bytes found.
        found: usize,
    },
    /// A value means nothing.
    #[error("{field}: {found} is none of the values defined")]
    Unknown {
        /// The field.
        field: &'static str,
        /// Value found.
        found: i32,
    },
    /// A time before 1970, or finer than a millisecond.
    #[error("{field} is not a Unix time in whole milliseconds")]
    Timestamp {
        /// The field.
        field: &'static str,
    },
    /// Two fields that must agree.
    #[error("{field} differs from {other}")]
    Differs {
        /// A field.
        field: &'static str,
        /// The field it repeats.
        other: &'static str,
    },
    /// A service event is malformed.
    #[error("service event: {0}")]
    ServiceEvent(#[from] ServiceEventError),
    /// A name is no field of the snapshot tree.
    #[error("items.field: {0}")]
    TreeField(#[from] UnknownField),
    /// Items make no question about a snapshot tree.
    #[error("items: {0}")]
    TreeQuestion(#[from] TreeQuestionError),
}

impl ConvertError {
    pub(crate) fn missing(field: &'static str) -> Self {
        Self::Missing { field }
    }

    pub(crate) fn identifier(field: &'static str, source: IdentifierError) -> Self {
        Self::Identifier { field, source }
    }

    pub(crate) fn too_many(field: &'static str, max: usize, found: usize) -> Self {
        Self::TooMany { field, max, found }
    }

    pub(crate) fn unknown(field: &'static str, found: i32) -> Self {
        Self::Unknown { field, found }
    }
}
