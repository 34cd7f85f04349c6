//! Error details, as gRPC clients know them (`google.rpc.Status` with one typed detail).

use prost::Message;
use prost_types::Any;

use weir_protocol::request::RefusalReason;

use crate::weir::v1::{Available, Reason};

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// A status that says what exists instead of what was asked for.
#[must_use]
pub fn with_available(code: tonic::Code, message: &str, available: &Available) -> tonic::Status {
    let detail = Any { type_url: AVAILABLE_URL.to_owned(), value: available.encode_to_vec() };
    let status =
        RpcStatus { code: code as i32, message: message.to_owned(), details: vec![detail] };
    tonic::Status::with_details(code, message, status.encode_to_vec().into())
}

/// What exists, if the details of a status say so.
#[must_use]
pub fn available(details: &[u8]) -> Option<Available> {
    let status = RpcStatus::decode(details).ok()?;
    let detail = status.details.into_iter().find(|detail| detail.type_url == AVAILABLE_URL)?;
    Available::decode(&detail.value[..]).ok()
}

/// Why the server refuses, if the details of its status say so.
#[must_use]
pub fn reason(details: &[u8]) -> Option<RefusalReason> {
    let available = available(details)?;
    match available.reason() {
        Reason::UnknownBlock => Some(RefusalReason::UnknownBlock),
        Reason::HeadTooOld => {
            Some(RefusalReason::HeadTooOld { height_needed: available.height_needed })
        }
        Reason::HeadNotCanonical => Some(RefusalReason::HeadNotCanonical),
        Reason::Unspecified => None,
    }
}

const AVAILABLE_URL: &str = "type.googleapis.com/weir.v1.Available";
