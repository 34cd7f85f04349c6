//! Looking for blocks whose protocol state is another one than their parent's.

use std::ops::RangeInclusive;

use weir_proto::weir::v1::BlockStatus;
use weir_protocol::model::Identifier;
use weir_protocol::request::Level;

use crate::store::{BlockRef, Head, ReadError, Reader, StoredBlock};

/// The newest block up to which all changes can be told.
pub(super) fn newest(level: Level, head: &Head) -> BlockRef {
    match level {
        Level::Certified | Level::Finalized => head.finalized,
        Level::Sealed => head.sealed,
    }
}

/// The final blocks of these heights that change the state.
pub(super) fn changed(
    reader: &Reader,
    heights: RangeInclusive<u64>,
) -> Result<Vec<BlockRef>, ReadError> {
    let mut changed = Vec::new();
    let before = heights.start().checked_sub(1);
    let mut parent = before.map_or(Ok(None), |height| finalized_block(reader, height))?;
    for height in heights {
        let block = finalized_block(reader, height)?;
        if let (Some((_, parent)), Some((ordinal, block))) = (&parent, &block)
            && state_id(parent) != state_id(block)
        {
            changed.push(reference(*ordinal, block));
        }
        parent = block;
    }
    Ok(changed)
}

/// The certified blocks above the newest final one that change the state, parents first.
pub(super) fn changed_undecided(reader: &Reader) -> Result<Vec<BlockRef>, ReadError> {
    let head = reader.head();
    let first = head.finalized.ordinal + 1;
    let mut changed = Vec::new();
    for ordinal in first..head.blocks.min(first.saturating_add(UNDECIDED_MAX)) {
        let Some(block) = reader.block(ordinal)? else { break };
        let header = &block.header;
        if header.height <= head.finalized.height || reader.first_child(ordinal)?.is_none() {
            continue;
        }
        let parent = reader.ordinal_of(&header.parent_id)?;
        let parent = parent.map_or(Ok(None), |parent| reader.block(parent))?;
        if parent.is_some_and(|parent| state_id(&parent) != state_id(&block)) {
            changed.push(reference(ordinal, &block));
        }
    }
    Ok(changed)
}

/// The final block of a height.
pub(super) fn finalized(reader: &Reader, height: u64) -> Result<Option<BlockRef>, ReadError> {
    let block = finalized_block(reader, height)?;
    Ok(block.map(|(ordinal, block)| reference(ordinal, &block)))
}

/// How far a block is; unspecified when it is not known, or no child certifies it.
pub(super) fn status(reader: &Reader, id: &Identifier) -> Result<BlockStatus, ReadError> {
    let ordinal = reader.ordinal_of(id)?;
    let Some((ordinal, block)) =
        ordinal.map_or(Ok(None), |o| reader.block(o).map(|block| block.map(|block| (o, block))))?
    else {
        return Ok(BlockStatus::Unspecified);
    };
    let height = block.header.height;
    Ok(match reader.finalized_at(height)? {
        Some(finalized) if finalized != ordinal => BlockStatus::Orphaned,
        Some(_) if reader.sealing_ordinal(height)?.is_some() => BlockStatus::Sealed,
        Some(_) => BlockStatus::Finalized,
        None if reader.first_child(ordinal)?.is_some() => BlockStatus::Certified,
        None => BlockStatus::Unspecified,
    })
}

fn finalized_block(
    reader: &Reader,
    height: u64,
) -> Result<Option<(u64, std::sync::Arc<StoredBlock>)>, ReadError> {
    let Some(ordinal) = reader.finalized_at(height)? else { return Ok(None) };
    Ok(reader.block(ordinal)?.map(|block| (ordinal, block)))
}

fn state_id(block: &StoredBlock) -> Identifier {
    block.protocol_state_id
}

fn reference(ordinal: u64, block: &StoredBlock) -> BlockRef {
    let header = &block.header;
    BlockRef { ordinal, id: block.id(), height: header.height, view: header.view }
}

/// How many blocks after the newest final one are looked at.
const UNDECIDED_MAX: u64 = 4096;
