//! Events, and where in their sequence they stand.

use core::fmt;
use core::str::FromStr;

use weir_protocol::model::Identifier;
use weir_protocol::request::Level;

use weir_verifier::{Change, Trust};

/// Something that happened, proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The block that it happened with.
    pub block: EventBlock,
    /// Where a later run goes on after this event.
    pub cursor: Cursor,
    /// The cursor of the event told before it, or where the run began: one that a reader has not
    /// seen shows that it missed something.
    pub predecessor: Cursor,
    /// What happened.
    pub kind: EventKind,
}

/// The block that something happened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventBlock {
    /// The block.
    pub block_id: Identifier,
    /// Its height.
    pub height: u64,
    /// Its view.
    pub view: u64,
    /// Its proposal time, Unix milliseconds.
    pub timestamp_ms: u64,
    /// How far it is proved at least: what the event needs, so that the same events are equal
    /// whenever they are told.
    pub trust: Trust,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// The protocol state changed.
    Change(Change),
    /// The block's changes, which were told, are void: it was orphaned.
    Reverted {
        /// The final block that it contradicts.
        finalized_id: Identifier,
        /// Height of that block.
        finalized_height: u64,
    },
    /// One of the blocks asked about came further.
    Status {
        /// How far it is.
        status: BlockStatus,
        /// How far it was told to be before.
        before: Option<BlockStatus>,
    },
}

/// How far a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlockStatus {
    /// A quorum voted for it.
    Certified,
    /// It is final.
    Finalized,
    /// It is final and its execution result is sealed.
    Sealed,
    /// Another block of its height is final.
    Orphaned,
}

impl BlockStatus {
    /// The status's name, such as `finalized`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Certified => "certified",
            Self::Finalized => "finalized",
            Self::Sealed => "sealed",
            Self::Orphaned => "orphaned",
        }
    }

    /// How far a block of this status is proved.
    pub(super) fn trust(self) -> Trust {
        match self {
            Self::Certified => Trust::Certified,
            Self::Finalized => Trust::Finalized,
            Self::Sealed => Trust::Sealed,
            Self::Orphaned => Trust::Known,
        }
    }

    /// Nothing can come after it.
    pub(super) fn is_last(self) -> bool {
        matches!(self, Self::Sealed | Self::Orphaned)
    }

    /// The statuses that a block of this trust has had, after those told.
    pub(super) fn reached(trust: Trust, told: Option<Self>) -> impl Iterator<Item = Self> {
        let all = [Self::Certified, Self::Finalized, Self::Sealed];
        all.into_iter().filter(move |status| trust >= status.trust() && told < Some(*status))
    }
}

/// How far a block must be proved for its changes to be told.
pub(super) fn trust_of(level: Level) -> Trust {
    match level {
        Level::Certified => Trust::Certified,
        Level::Finalized => Trust::Finalized,
        Level::Sealed => Trust::Sealed,
    }
}

/// A place in the sequence of changes: after some of a block's changes, or after all of them.
///
/// As text `HEIGHT:BLOCK_ID` or `HEIGHT:BLOCK_ID:CHANGES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Height of the block.
    pub height: u64,
    /// The block.
    pub block_id: Identifier,
    /// How many of its changes are before the place; all when `None`.
    pub changes: Option<u32>,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.height, self.block_id)?;
        self.changes.map_or(Ok(()), |changes| write!(f, ":{changes}"))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let mut parts = text.split(':');
        let mut part = || parts.next().ok_or(CursorError);
        let (height, block_id) = (part()?, part()?);
        let changes = part().ok();
        if part().is_ok() {
            return Err(CursorError);
        }
        Ok(Self {
            height: height.parse().map_err(|_| CursorError)?,
            block_id: block_id.parse().map_err(|_| CursorError)?,
            changes: changes.map(str::parse).transpose().map_err(|_| CursorError)?,
        })
    }
}

/// Text that is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is HEIGHT:BLOCK_ID or HEIGHT:BLOCK_ID:CHANGES, as events have it")]
pub struct CursorError;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString as _;
    use alloc::vec::Vec;

    #[bounded::test]
    fn cursors_are_read_as_they_are_written() {
        for changes in [None, Some(0), Some(7)] {
            let cursor = Cursor { height: 12, block_id: Identifier([3; 32]), changes };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        let id = Identifier([3; 32]);
        for text in
            ["", "12", "12:", &format!("x:{id}"), &format!("12:{id}:"), &format!("12:{id}:1:2")]
        {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text}");
        }
    }

    #[bounded::test]
    fn no_status_on_the_way_is_passed_over() {
        let reached = |trust, told| BlockStatus::reached(trust, told).collect::<Vec<_>>();
        let [certified, finalized, sealed] =
            [BlockStatus::Certified, BlockStatus::Finalized, BlockStatus::Sealed];
        assert_eq!(reached(Trust::Sealed, None), [certified, finalized, sealed]);
        assert_eq!(reached(Trust::Sealed, Some(finalized)), [sealed]);
        assert_eq!(reached(Trust::Finalized, Some(finalized)), []);
        assert_eq!(reached(Trust::Known, None), []);
    }
}
