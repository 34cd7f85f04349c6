//! Subscriptions and notices.

use weir_protocol::model::Identifier;
use weir_protocol::request::{Level, Notice, WATCHED_BLOCKS_MAX, WatchRequest};

use super::ConvertError;
use super::question::{bytes, identifier};
use crate::weir::v1;

/// Reads what a reader wants to hear of.
///
/// # Errors
/// When the level is unknown, an ID has not 32 bytes, or there are more than
/// [`WATCHED_BLOCKS_MAX`].
pub fn watch_from_wire(wire: &v1::WatchRequest) -> Result<WatchRequest, ConvertError> {
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
    Ok(WatchRequest { level, after_height: wire.after_height, block_ids })
}

/// The message that says what a reader wants to hear of.
#[must_use]
pub fn watch_to_wire(watched: &WatchRequest) -> v1::WatchRequest {
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

/// Reads a notice; what is malformed or of an unknown kind is [`Notice::Unknown`].
#[must_use]
pub fn notice_from_wire(wire: &v1::WatchResponse) -> Notice {
    use v1::watch_response::Notice as Wire;
    let id = |bytes: &[u8]| Identifier::try_from(bytes).ok();
    let found = match &wire.notice {
        Some(Wire::StateChanged(block)) => id(&block.block_id)
            .map(|block_id| Notice::StateChanged { block_id, height: block.height }),
        Some(Wire::Reached(block)) => {
            id(&block.block_id).map(|block_id| Notice::Reached { block_id, height: block.height })
        }
        Some(Wire::BlockNews(news)) => id(&news.block_id).map(|block_id| {
            let orphaned = news.status() == v1::BlockStatus::Orphaned;
            Notice::BlockNews { block_id, orphaned }
        }),
        None => None,
    };
    found.unwrap_or(Notice::Unknown)
}
