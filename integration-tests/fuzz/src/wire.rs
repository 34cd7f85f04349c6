//! Messages of the two APIs, and the file of blocks.

use prost::Message;
use weir_proto::convert::{
    Asked, Call, ConvertError, block_from_wire, block_to_wire, light_block_to_wire,
    request_to_wire, result_from_wire, result_to_wire, tree_from_wire,
};
use weir_proto::flow::entities;
use weir_proto::frames::Frames;
use weir_proto::status::available;
use weir_proto::weir::v1;
use weir_protocol::request::{FILTER_IDS_MAX, Request, Topic};

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

/// What clients ask and what errors say: limits hold, and requests survive being written.
pub fn request(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let kind = input.byte() % 5;
    let message = input.rest();
    match kind {
        0 => {
            let Ok(wire) = v1::GetTreeProofRequest::decode(message) else { return };
            let Ok(request) = tree_from_wire(wire) else { return };
            let Call::TreeProof(again) = request_to_wire(&Request::TreeProof(request.clone()))
            else {
                panic!("another method");
            };
            assert_eq!(tree_from_wire(again).ok(), Some(request), "another request");
        }
        1 => survives(v1::ListIdentitiesRequest::decode(message).ok().map(Asked::try_from)),
        2 => survives(v1::GetEpochRequest::decode(message).ok().map(Asked::try_from)),
        3 => {
            let details = message.to_vec().into();
            let status = tonic::Status::with_details(tonic::Code::NotFound, "", details);
            let _ = available(status.details());
        }
        _ => survives(v1::GetSnapshotRequest::decode(message).ok().map(Asked::try_from)),
    }
}

/// A question's request that is parsed is written and parsed again as the same.
fn survives(parsed: Option<Result<Asked, ConvertError>>) {
    let Some(Ok(Asked { request, .. })) = parsed else { return };
    if let Topic::Identities(filter) = &request.question.topic {
        assert!(filter.node_ids.len() <= FILTER_IDS_MAX);
    }
    let again = match request_to_wire(&Request::Answer(request.clone())) {
        Call::Identities(wire) => Asked::try_from(wire),
        Call::Epoch(wire) => Asked::try_from(wire),
        Call::Snapshot(wire) => Asked::try_from(wire),
        _ => panic!("another method"),
    };
    assert_eq!(again.ok().map(|asked| asked.request), Some(request), "another request");
}
