//! The codec of all methods: messages are counted before they are decoded.

use super::{MessageError, decode};
use bytes::Buf as _;
use prost::{Message, Name};
use std::marker::PhantomData;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

/// Encodes as `tonic` does, and decodes what takes no more memory than its bytes allow
/// ([`super::decode`]); the generated clients and services use it.
#[derive(Clone, Debug)]
pub struct BoundedCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for BoundedCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for BoundedCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Name + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = Self;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        Self::default()
    }
}

impl<T, U: Message + Name + Default> Decoder for BoundedCodec<T, U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        match decode(buffer.copy_to_bytes(buffer.remaining())) {
            Ok(message) => Ok(Some(message)),
            Err(MessageError::TooMuchMemory(error)) => Err(error.into()),
            Err(MessageError::Malformed(error)) => Err(Status::internal(error.to_string())),
        }
    }
}
