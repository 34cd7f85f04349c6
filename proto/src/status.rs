//! Error details, as gRPC clients know them (`google.rpc.Status` with one typed detail).

use prost::Message;
use prost_types::Any;

use crate::weir::v1::Available;

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

/// What exists, if the status says so.
#[must_use]
pub fn available(status: &tonic::Status) -> Option<Available> {
    let status = RpcStatus::decode(status.details()).ok()?;
    let detail = status.details.into_iter().find(|detail| detail.type_url == AVAILABLE_URL)?;
    Available::decode(&detail.value[..]).ok()
}

const AVAILABLE_URL: &str = "type.googleapis.com/weir.v1.Available";
