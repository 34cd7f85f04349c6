//! Subscriptions.

use weir_protocol::model::Identifier;

use super::{ConvertError, identifier};
use crate::weir::v1;

/// What a reader wants to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// How far a block must be; never unspecified.
    pub level: v1::Level,
    /// Blocks above this height only; above the newest one of the level when `None`.
    pub after_height: Option<u64>,
    /// Blocks whose status is told.
    pub block_ids: Vec<Identifier>,
}

/// Reads what a reader wants to hear of.
///
/// # Errors
/// When the level is unknown, an ID has not 32 bytes, or there are more than
/// [`WATCHED_BLOCKS_MAX`].
pub fn watched_from_wire(wire: &v1::WatchRequest) -> Result<Watched, ConvertError> {
    let level = match v1::Level::try_from(wire.level) {
        Ok(v1::Level::Unspecified) => v1::Level::Finalized,
        Ok(level) => level,
        Err(_) => return Err(ConvertError::unknown("level", wire.level)),
    };
    let (max, found) = (WATCHED_BLOCKS_MAX, wire.block_ids.len());
    if found > max {
        return Err(ConvertError::TooMany { field: "block_ids", max, found });
    }
    let ids = wire.block_ids.iter().map(|id| identifier("block_ids", id));
    let block_ids = ids.collect::<Result<_, _>>()?;
    Ok(Watched { level, after_height: wire.after_height, block_ids })
}

/// Most blocks whose status one subscription tells of.
pub const WATCHED_BLOCKS_MAX: usize = 64;
