//! Messages of the Access API, made from what was found.

use weir_proto::convert::{block_to_wire, header_to_wire, light_block_to_wire};
use weir_proto::flow::entities;
use weir_protocol::model::Identifier;

use crate::view::{BlockStatus, FoundBlock, FoundHeader, Head};

pub(super) fn header_message(found: &FoundHeader) -> entities::BlockHeader {
    let mut header = header_to_wire(&found.header, found.last_view_tc.as_ref());
    header.parent_voter_ids = voters(&found.parent_voter_ids);
    header
}

/// The message of a full block response.
#[must_use]
pub fn full_block_message(found: &FoundBlock) -> entities::Block {
    let mut message = block_to_wire(&found.block);
    if let Some(header) = &mut message.block_header {
        header.parent_voter_ids = voters(&found.parent_voter_ids);
    }
    message
}

pub(super) fn light_block_message(found: &FoundBlock) -> entities::Block {
    light_block_to_wire(&found.block)
}

pub(super) fn block_status(status: BlockStatus) -> entities::BlockStatus {
    match status {
        BlockStatus::Unknown => entities::BlockStatus::BlockUnknown,
        BlockStatus::Finalized => entities::BlockStatus::BlockFinalized,
        BlockStatus::Sealed => entities::BlockStatus::BlockSealed,
    }
}

/// What every answer says of the node.
pub(super) fn metadata(head: &Head) -> entities::Metadata {
    entities::Metadata {
        latest_finalized_block_id: bytes(&head.finalized_id),
        latest_finalized_height: head.finalized_height,
        node_id: bytes(&head.node_id),
        ..Default::default()
    }
}

fn voters(ids: &[Identifier]) -> Vec<prost::bytes::Bytes> {
    ids.iter().map(bytes).collect()
}

pub(super) fn bytes(id: &Identifier) -> prost::bytes::Bytes {
    id.0.to_vec().into()
}
