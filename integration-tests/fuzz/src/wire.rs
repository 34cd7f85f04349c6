//! Messages of the two APIs, and the file of blocks.

use prost::Message;
use weir_proto::convert::{
    block_from_wire, block_to_wire, epoch_from_wire, filter_from_wire, light_block_to_wire,
    result_from_wire, result_to_wire, selector_from_wire, tree_question_from_wire,
    tree_request_to_wire,
};
use weir_proto::flow::entities;
use weir_proto::frames::Frames;
use weir_proto::status::available;
use weir_proto::weir::v1;
use weir_protocol::evidence::{FILTER_IDS_MAX, Selector};

use crate::input::Input;

/// Blocks and execution results of access nodes: the model survives being written.
pub fn block_message(bytes: &[u8]) {
    if let Ok(block) = entities::Block::decode(bytes).map_err(drop).and_then(|wire| {
        let light = wire.block_header.is_none();
        let block = block_from_wire(wire).map_err(drop)?;
        assert!(!light, "a block without a header");
        Ok(block)
    }) {
        let again = block_from_wire(block_to_wire(&block));
        assert_eq!(again.as_ref().ok(), Some(&block), "the message written is of another block");
        let _ = light_block_to_wire(&block);
    }
    if let Ok(result) = entities::ExecutionResult::decode(bytes)
        .map_err(drop)
        .and_then(|wire| result_from_wire(&wire).map_err(drop))
    {
        let again = result_from_wire(&result_to_wire(&result));
        assert_eq!(again.as_ref().ok(), Some(&result), "the message written is of another result");
    }
}

/// A file of blocks: reading ends, and never yields anything after an error.
pub fn frames(bytes: &[u8]) {
    let mut frames = Frames::new(bytes);
    let read = frames.by_ref().take(bytes.len() + 1).collect::<Vec<_>>();
    assert!(read.len() <= bytes.len() / 4 + 1, "more blocks than lengths");
    assert!(read.iter().rev().skip(1).all(Result::is_ok), "a block after an error");
    assert!(frames.next().is_none(), "a block after the end");
}

/// What clients ask and what errors say: limits hold, and questions survive being written.
pub fn request(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let kind = input.byte() % 5;
    let message = input.rest();
    match kind {
        0 => tree_request(message),
        1 => {
            let Ok(list) = v1::ListIdentitiesRequest::decode(message) else { return };
            let filter = filter_from_wire(&list.roles, &list.statuses, &list.node_ids);
            assert!(
                filter.is_ok_and(|f| f.node_ids.len() <= FILTER_IDS_MAX) || !message.is_empty()
            );
            let _ = list.question.map(|question| selector_from_wire(question.block));
        }
        2 => {
            let Ok(epoch) = v1::GetEpochRequest::decode(message) else { return };
            let _ = epoch_from_wire(epoch.epoch);
        }
        3 => {
            let details = message.to_vec().into();
            let status = tonic::Status::with_details(tonic::Code::NotFound, "", details);
            let _ = available(&status);
        }
        _ => {
            let Ok(snapshot) = v1::GetSnapshotRequest::decode(message) else { return };
            let _ = snapshot.question.map(|question| selector_from_wire(question.block));
        }
    }
}

fn tree_request(message: &[u8]) {
    let Ok(request) = v1::GetTreeProofRequest::decode(message) else { return };
    let selector = selector_from_wire(request.block).unwrap_or(Selector::LatestFinalized);
    let Ok(question) = tree_question_from_wire(request.items) else { return };
    let again = tree_request_to_wire(selector, &question);
    assert_eq!(tree_question_from_wire(again.items).ok(), Some(question), "another question");
    assert_eq!(selector_from_wire(again.block).ok(), Some(selector), "another block");
}
