//! Why there is no next event.

use strum::IntoStaticStr;
use thiserror::Error;
use weir_protocol::model::Identifier;

use super::Cursor;
use crate::AskError;

/// Why there is no next event.
#[derive(Debug, IntoStaticStr, Error)]
#[non_exhaustive]
pub enum WatchError {
    /// A question has no verified answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The cursor's block has another height.
    #[error("cursor {cursor}: its block has height {found}")]
    Height {
        /// The cursor.
        cursor: Cursor,
        /// Height of its block.
        found: u64,
    },
    /// The cursor's block was orphaned: what was told of it is void.
    #[error(
        "cursor {cursor}: its block was orphaned, block {finalized_id} is final instead; go on \
         after an earlier event, or after a height"
    )]
    Orphaned {
        /// The cursor.
        cursor: Cursor,
        /// The final block of this height.
        finalized_id: Identifier,
    },
    /// The cursor's block is not final, and the level needs that.
    #[error("cursor {cursor}: its block is not final yet")]
    NotFinal {
        /// The cursor.
        cursor: Cursor,
    },
}
