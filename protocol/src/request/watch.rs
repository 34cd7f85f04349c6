//! Subscriptions, and the notices that come: hints about which blocks to ask about.

use crate::model::Identifier;
use alloc::vec::Vec;
use core::str::FromStr;

/// What a reader wants to hear of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchRequest {
    /// How far a block must be.
    pub level: Level,
    /// Blocks above this height only; above the newest one of the level when `None`.
    pub after_height: Option<u64>,
    /// Blocks whose status is told, at most [`WATCHED_BLOCKS_MAX`].
    pub block_ids: Vec<Identifier>,
}

/// How far a block must be before its changes are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Certified: soonest, and reverted should the block be orphaned.
    Certified,
    /// Finalized: never reverted.
    #[default]
    Finalized,
    /// Finalized and sealed.
    Sealed,
}

impl FromStr for Level {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "certified" => Ok(Self::Certified),
            "finalized" => Ok(Self::Finalized),
            "sealed" => Ok(Self::Sealed),
            _ => Err("a level is certified, finalized or sealed"),
        }
    }
}

/// A server's hint; it proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The protocol state changes with this block.
    StateChanged {
        /// The block.
        block_id: Identifier,
        /// Its height.
        height: u64,
    },
    /// Something is new about a block asked about.
    BlockNews {
        /// The block.
        block_id: Identifier,
        /// Whether it is said to be orphaned.
        orphaned: bool,
    },
    /// All changes up to this final block are told.
    Reached {
        /// The block.
        block_id: Identifier,
        /// Its height.
        height: u64,
    },
    /// Malformed, or of a kind not known here.
    Unknown,
}

/// Most blocks whose status one subscription tells of.
pub const WATCHED_BLOCKS_MAX: usize = 64;
