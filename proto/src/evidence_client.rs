//! What light clients read of answers: one field, and nothing else is decoded.
//!
//! The typed values beside the evidence are for people. A client derives everything from the
//! evidence, so that it need not even take the memory for them.

use bytes::{Buf as _, Bytes};
use prost::encoding::{self, DecodeContext, WireType};
use prost::{DecodeError, Message};
use std::marker::PhantomData;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::{Body as HttpBody, StdError};
use tonic::{Request, Response, Status};
use tonic_prost::ProstEncoder;

use crate::convert::Call;

/// Asks `weir.v1.SnapshotAPI` for evidence alone.
#[derive(Clone, Debug)]
pub struct EvidenceClient<T> {
    inner: Grpc<T>,
}

impl<T> EvidenceClient<T>
where
    T: GrpcService<Body>,
    T::Error: Into<StdError>,
    T::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
    <T::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
{
    /// A client that takes messages of at most `message_bytes_max`.
    pub fn new(channel: T, message_bytes_max: usize) -> Self {
        Self { inner: Grpc::new(channel).max_decoding_message_size(message_bytes_max) }
    }

    /// Sends a request, and returns the evidence or proof that answers it.
    ///
    /// # Errors
    /// When the server does not answer or refuses, or its answer is malformed or too large.
    pub async fn send(&mut self, call: Call) -> Result<Response<Bytes>, Status> {
        match call {
            Call::Checkpoint(asked) => self.field(&CHECKPOINT, asked).await,
            Call::EpochHops(asked) => self.field(&EPOCH_HOPS, asked).await,
            Call::Snapshot(asked) => self.field(&SNAPSHOT, asked).await,
            Call::Identity(asked) => self.field(&IDENTITY, asked).await,
            Call::Identities(asked) => self.field(&IDENTITIES, asked).await,
            Call::Epoch(asked) => self.field(&EPOCH, asked).await,
            Call::Seal(asked) => self.field(&SEAL, asked).await,
            Call::ExecutionResult(asked) => self.field(&EXECUTION_RESULT, asked).await,
            Call::TreeProof(asked) => self.field(&TREE_PROOF, asked).await,
        }
    }

    async fn field<M: Message + 'static>(
        &mut self,
        read: &Field,
        request: M,
    ) -> Result<Response<Bytes>, Status> {
        let ready = self.inner.ready().await;
        ready
            .map_err(|error| Status::unknown(format!("Service was not ready: {}", error.into())))?;
        let codec = FieldCodec { tag: read.tag, encodes: PhantomData };
        let path = PathAndQuery::from_static(read.path);
        self.inner.unary(Request::new(request), path, codec).await
    }
}

/// The field of an answer that is read.
struct Field {
    path: &'static str,
    tag: u32,
}

/// A request as bytes, for hosts that have a transport of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedCall {
    /// Path of the method, such as `/weir.v1.SnapshotAPI/GetSnapshot`.
    pub path: &'static str,
    /// The request's message.
    pub message: Vec<u8>,
    /// Number of the answer's field that has the evidence or the proof, for [`field`].
    pub evidence_field: u32,
}

/// The request as bytes.
#[must_use]
pub fn encode(call: &Call) -> EncodedCall {
    let encoded = |read: &Field, message: Vec<u8>| EncodedCall {
        path: read.path,
        message,
        evidence_field: read.tag,
    };
    match call {
        Call::Checkpoint(asked) => encoded(&CHECKPOINT, asked.encode_to_vec()),
        Call::EpochHops(asked) => encoded(&EPOCH_HOPS, asked.encode_to_vec()),
        Call::Snapshot(asked) => encoded(&SNAPSHOT, asked.encode_to_vec()),
        Call::Identity(asked) => encoded(&IDENTITY, asked.encode_to_vec()),
        Call::Identities(asked) => encoded(&IDENTITIES, asked.encode_to_vec()),
        Call::Epoch(asked) => encoded(&EPOCH, asked.encode_to_vec()),
        Call::Seal(asked) => encoded(&SEAL, asked.encode_to_vec()),
        Call::ExecutionResult(asked) => encoded(&EXECUTION_RESULT, asked.encode_to_vec()),
        Call::TreeProof(asked) => encoded(&TREE_PROOF, asked.encode_to_vec()),
    }
}

/// Encodes requests as `tonic` does, and reads one field of the answer.
struct FieldCodec<M> {
    tag: u32,
    encodes: PhantomData<M>,
}

impl<M: Message + 'static> Codec for FieldCodec<M> {
    type Encode = M;
    type Decode = Bytes;
    type Encoder = ProstEncoder<M>;
    type Decoder = FieldDecoder;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> FieldDecoder {
        FieldDecoder { tag: self.tag }
    }
}

struct FieldDecoder {
    tag: u32,
}

impl Decoder for FieldDecoder {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let message = buffer.copy_to_bytes(buffer.remaining());
        let bytes = field(message, self.tag);
        bytes.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

/// The bytes of a field, as decoding the whole message would give them: of several, the last.
///
/// They share the message's buffer. Other fields are passed over, whatever is in them.
///
/// # Errors
/// When the message is malformed as far as that shows without looking into its other fields.
pub fn field(mut message: Bytes, tag: u32) -> Result<Bytes, DecodeError> {
    let mut bytes = Bytes::new();
    while message.has_remaining() {
        let (found, wire_type): (u32, WireType) = encoding::decode_key(&mut message)?;
        if found == tag {
            encoding::bytes::merge(wire_type, &mut bytes, &mut message, DecodeContext::default())?;
        } else {
            encoding::skip_field(wire_type, found, &mut message, DecodeContext::default())?;
        }
    }
    Ok(bytes)
}

const CHECKPOINT: Field = Field { path: "/weir.v1.SnapshotAPI/GetCheckpoint", tag: 1 };
const EPOCH_HOPS: Field = Field { path: "/weir.v1.SnapshotAPI/GetEpochHops", tag: 1 };
const SNAPSHOT: Field = Field { path: "/weir.v1.SnapshotAPI/GetSnapshot", tag: 2 };
const IDENTITY: Field = Field { path: "/weir.v1.SnapshotAPI/GetIdentity", tag: 3 };
const IDENTITIES: Field = Field { path: "/weir.v1.SnapshotAPI/ListIdentities", tag: 3 };
const EPOCH: Field = Field { path: "/weir.v1.SnapshotAPI/GetEpoch", tag: 7 };
const SEAL: Field = Field { path: "/weir.v1.SnapshotAPI/GetSeal", tag: 5 };
const EXECUTION_RESULT: Field = Field { path: "/weir.v1.SnapshotAPI/GetExecutionResult", tag: 4 };
const TREE_PROOF: Field = Field { path: "/weir.v1.SnapshotAPI/GetTreeProof", tag: 4 };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weir::v1;
    use prost_types::{FileDescriptorSet, MethodDescriptorProto};

    #[bounded::test]
    fn reads_the_field_that_the_definitions_name() {
        let set = FileDescriptorSet::decode(crate::FILE_DESCRIPTOR_SET).unwrap();
        let file = set.file.iter().find(|file| file.package() == "weir.v1").unwrap();
        let methods = &file.service[0].method;
        let check = |read: &Field, name: &str| {
            let is_it = |method: &&MethodDescriptorProto| {
                read.path.ends_with(&format!("/{}", method.name()))
            };
            let answer = methods.iter().find(is_it).unwrap().output_type();
            let message =
                file.message_type.iter().find(|m| answer.ends_with(&format!(".{}", m.name())));
            let field = message.unwrap().field.iter().find(|field| field.name() == name).unwrap();
            assert_eq!(u32::try_from(field.number()), Ok(read.tag), "{}", read.path);
            assert!(read.path.starts_with("/weir.v1.SnapshotAPI/"));
        };
        for read in
            [CHECKPOINT, EPOCH_HOPS, SNAPSHOT, IDENTITY, IDENTITIES, EPOCH, SEAL, EXECUTION_RESULT]
        {
            check(&read, "evidence");
        }
        check(&TREE_PROOF, "proof");
    }

    #[bounded::test]
    fn passes_over_what_is_not_read() {
        let evidence = Bytes::from_static(b"evidence");
        let identities = vec![v1::Identity::default(); 3];
        let answer = v1::ListIdentitiesResponse { identities, evidence, ..Default::default() };
        let bytes = answer.encode_to_vec();
        let twice = [&bytes[..], &bytes].concat();
        for message in [bytes.clone(), twice] {
            assert_eq!(field(message.into(), IDENTITIES.tag).unwrap(), answer.evidence);
        }
        assert_eq!(field(Bytes::new(), IDENTITIES.tag).unwrap(), Bytes::new());
        assert!(field(bytes[..bytes.len() - 1].to_vec().into(), IDENTITIES.tag).is_err());
        assert!(field(Bytes::from_static(&[0x18, 1]), IDENTITIES.tag).is_err());
    }
}
