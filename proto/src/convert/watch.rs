//! Subscriptions.

use std::str::FromStr;

use weir_protocol::model::Identifier;

use super::ConvertError;
use super::question::{bytes, identifier};
use crate::weir::v1;

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

/// What a reader wants to hear of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// How far a block must be.
    pub level: Level,
    /// Blocks above this height only; above the newest one of the level when `None`.
    pub after_height: Option<u64>,
    /// Blocks whose status is told, at most [`WATCHED_BLOCKS_MAX`].
    pub block_ids: Vec<Identifier>,
}

/// Reads what a reader wants to hear of.
///
/// # Errors
/// When the level is unknown, an ID has not 32 bytes, or there are more than
/// [`WATCHED_BLOCKS_MAX`].
pub fn watched_from_wire(wire: &v1::WatchRequest) -> Result<Watched, ConvertError> {
    let level = match v1::Level::try_from(wire.level) {
        Ok(v1::Level::Certified) => Level::Certified,
        Ok(v1::Level::Unspecified | v1::Level::Finalized) => Level::Finalized,
        Ok(v1::Level::Sealed) => Level::Sealed,
        Err(_) => return Err(ConvertError::unknown("level", wire.level)),
    };
    let (max, found) = (WATCHED_BLOCKS_MAX, wire.block_ids.len());
    if found > max {
        return Err(ConvertError::too_many("block_ids", max, found));
    }
    let ids = wire.block_ids.iter().map(|id| identifier("block_ids", id));
    let block_ids = ids.collect::<Result<_, _>>()?;
    Ok(Watched { level, after_height: wire.after_height, block_ids })
}

/// The message that says what a reader wants to hear of.
#[must_use]
pub fn watched_to_wire(watched: &Watched) -> v1::WatchRequest {
    let level = match watched.level {
        Level::Certified => v1::Level::Certified,
        Level::Finalized => v1::Level::Finalized,
        Level::Sealed => v1::Level::Sealed,
    };
    v1::WatchRequest {
        level: level.into(),
        after_height: watched.after_height,
        block_ids: watched.block_ids.iter().map(bytes).collect(),
    }
}

/// Most blocks whose status one subscription tells of.
pub const WATCHED_BLOCKS_MAX: usize = 64;
