//! Calls as bytes, and what came of them.

use bytes::Bytes;
use prost::Message as _;
use weir_proto::convert::{notice_from_wire, request_to_wire, watch_to_wire};
use weir_proto::evidence_client::{encode, field};
use weir_proto::weir::v1::WatchResponse;
use weir_protocol::evidence::Receipt;
use weir_protocol::request::Request;
#[cfg(feature = "evidence")]
use weir_verifier::check_receipt;
use weir_walk::{Asked, Call, Heard, Reply, ServerSays, SyncProgress, TransportError};

use crate::ServerAddress;

/// What the host has to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send the message to the method, and say what came back with [`crate::Client::hear`] or
    /// [`crate::Client::hear_nothing`].
    Call {
        /// Which of the servers.
        server: usize,
        /// Path of the method, such as `/weir.v1.SnapshotAPI/GetSnapshot`.
        path: &'static str,
        /// The request.
        message: Vec<u8>,
    },
    /// As [`Self::Call`], but the method streams: once it is open, say so with
    /// [`crate::Client::hear`] and no bytes. A stream before it is of no use any more.
    Subscribe {
        /// Which of the servers.
        server: usize,
        /// Path of the method.
        path: &'static str,
        /// The request.
        message: Vec<u8>,
    },
    /// Wait for the next message of the stream.
    Next {
        /// Which of the servers.
        server: usize,
        /// Longest wait, milliseconds.
        patience_ms: u64,
    },
    /// Nothing, but the walk has come so far.
    Progress(SyncProgress),
    /// The task has ended: take what it told with [`crate::Client::take`].
    Done,
}

/// What a call is about, to read the answer by.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub(crate) enum Waiting {
    Send { request: Request, evidence_field: u32 },
    Info,
    Subscribe,
    Next,
}

/// The step for what the walk asks.
pub(crate) fn step(Asked { peer: server, call }: Asked) -> (Step, Waiting) {
    match call {
        Call::Send(request) => {
            let encoded = encode(&request_to_wire(&request));
            let (path, message) = (encoded.path, encoded.message);
            let evidence_field = encoded.evidence_field;
            (Step::Call { server, path, message }, Waiting::Send { request, evidence_field })
        }
        Call::Info => {
            let (path, message) = ("/weir.v1.SnapshotAPI/GetServerInfo", Vec::new());
            (Step::Call { server, path, message }, Waiting::Info)
        }
        Call::Subscribe(watched) => {
            let message = watch_to_wire(&watched).encode_to_vec();
            let path = "/weir.v1.SnapshotAPI/Watch";
            (Step::Subscribe { server, path, message }, Waiting::Subscribe)
        }
        Call::Notice { patience } => {
            let patience_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
            (Step::Next { server, patience_ms }, Waiting::Next)
        }
    }
}

/// Reads the message that came back.
pub(crate) fn heard(
    waiting: &Waiting,
    message: Vec<u8>,
    receipt: Option<&[u8]>,
    from: &ServerAddress,
) -> Heard {
    let read = match waiting {
        Waiting::Send { request, evidence_field } => {
            return reply(request, *evidence_field, message, receipt, from);
        }
        Waiting::Info => epoch_counter(&message)
            .map(|epoch_counter| Heard::ServerSays(ServerSays { epoch_counter })),
        Waiting::Subscribe => Ok(Heard::Subscribed),
        Waiting::Next => WatchResponse::decode(&message[..])
            .map(|response| Heard::Notice(notice_from_wire(&response))),
    };
    read.unwrap_or_else(|error| malformed(from, &error))
}

fn reply(
    request: &Request,
    evidence_field: u32,
    message: Vec<u8>,
    receipt: Option<&[u8]>,
    from: &ServerAddress,
) -> Heard {
    let bytes: Vec<u8> = match field(message.into(), evidence_field) {
        Ok(bytes) => bytes.into(),
        Err(error) => return malformed(from, &error),
    };
    let receipt = receipt.and_then(|receipt| valid(receipt, request, &bytes));
    match (from.key, &receipt) {
        (Some(key), Some(receipt)) if receipt.key == key => {}
        (None, _) => {}
        _ => return Heard::NoAnswer(TransportError::NoReceipt { url: from.url.clone() }),
    }
    Heard::Reply(Reply { bytes, receipt })
}

/// The receipt, if it is one for this answer to this request.
#[cfg(feature = "evidence")]
fn valid(receipt: &[u8], request: &Request, answer: &[u8]) -> Option<Receipt> {
    let receipt = Receipt::from_bytes(receipt).ok()?;
    check_receipt(&receipt, request, answer).is_ok().then_some(receipt)
}

/// Nobody is shown what a receipt is for.
#[cfg(not(feature = "evidence"))]
fn valid(_receipt: &[u8], _request: &Request, _answer: &[u8]) -> Option<Receipt> {
    None
}

/// The newest epoch that a server's word about itself names; nothing else of it is read.
fn epoch_counter(message: &[u8]) -> Result<u64, prost::DecodeError> {
    let mut message = Bytes::copy_from_slice(message);
    let mut found = 0;
    while !message.is_empty() {
        let (tag, wire_type) = prost::encoding::decode_key(&mut message)?;
        let context = prost::encoding::DecodeContext::default();
        if tag == EPOCH_COUNTER {
            prost::encoding::uint64::merge(wire_type, &mut found, &mut message, context)?;
        } else {
            prost::encoding::skip_field(wire_type, tag, &mut message, context)?;
        }
    }
    Ok(found)
}

fn malformed(from: &ServerAddress, error: &prost::DecodeError) -> Heard {
    let (url, message) = (from.url.clone(), format!("malformed answer: {error}"));
    Heard::NoAnswer(TransportError::Unavailable { url, message })
}

/// Number of `epoch_counter` in `GetServerInfoResponse`.
const EPOCH_COUNTER: u32 = 15;
