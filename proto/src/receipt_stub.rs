//! `flow.entities.ExecutionReceiptMeta`, with compact proofs of knowledge.
//!
//! What the generator would make has 32 bytes for each, and a receipt may have millions of empty ones,
//! for no consensus node counts them.

use bytes::{Buf, BufMut, Bytes};
use prost::encoding::{
    self, DecodeContext, WireType, encode_key, encode_varint, encoded_len_varint, key_len,
};
use prost::{DecodeError, Message, Name};
use weir_protocol::model::ByteStrings;

/// A receipt without its result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecutionReceiptMeta {
    /// Execution node.
    pub executor_id: Bytes,
    /// Result that it commits to.
    pub result_id: Bytes,
    /// Proofs of knowledge, one a chunk when honest.
    pub spocks: ByteStrings,
    /// Signature over the above.
    pub executor_signature: Bytes,
}

impl Message for ExecutionReceiptMeta {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        put(EXECUTOR_ID, &self.executor_id, buffer);
        put(RESULT_ID, &self.result_id, buffer);
        for spock in self.spocks.iter() {
            put_even_empty(SPOCKS, spock, buffer);
        }
        put(EXECUTOR_SIGNATURE, &self.executor_signature, buffer);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        let mut spock = Bytes::new();
        let field = match tag {
            EXECUTOR_ID => &mut self.executor_id,
            RESULT_ID => &mut self.result_id,
            SPOCKS => &mut spock,
            EXECUTOR_SIGNATURE => &mut self.executor_signature,
            _ => return encoding::skip_field(wire_type, tag, buffer, context),
        };
        encoding::bytes::merge(wire_type, field, buffer, context)?;
        if tag == SPOCKS {
            self.spocks.push(&spock);
        }
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        let fields = [
            (EXECUTOR_ID, &self.executor_id),
            (RESULT_ID, &self.result_id),
            (EXECUTOR_SIGNATURE, &self.executor_signature),
        ];
        let fields = fields.into_iter().filter(|(_, bytes)| !bytes.is_empty());
        let fields: usize = fields.map(|(tag, bytes)| field_len(tag, bytes)).sum();
        fields + self.spocks.iter().map(|spock| field_len(SPOCKS, spock)).sum::<usize>()
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Name for ExecutionReceiptMeta {
    const NAME: &'static str = "ExecutionReceiptMeta";
    const PACKAGE: &'static str = "flow.entities";
}

fn put(tag: u32, bytes: &[u8], buffer: &mut impl BufMut) {
    if !bytes.is_empty() {
        put_even_empty(tag, bytes, buffer);
    }
}

fn put_even_empty(tag: u32, bytes: &[u8], buffer: &mut impl BufMut) {
    encode_key(tag, WireType::LengthDelimited, buffer);
    encode_varint(bytes.len() as u64, buffer);
    buffer.put_slice(bytes);
}

fn field_len(tag: u32, bytes: &[u8]) -> usize {
    key_len(tag) + encoded_len_varint(bytes.len() as u64) + bytes.len()
}

const EXECUTOR_ID: u32 = 1;
const RESULT_ID: u32 = 2;
const SPOCKS: u32 = 3;
const EXECUTOR_SIGNATURE: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// As the generator would make it.
    #[derive(Clone, PartialEq, Message)]
    struct Generated {
        #[prost(bytes = "bytes", tag = "1")]
        executor_id: Bytes,
        #[prost(bytes = "bytes", tag = "2")]
        result_id: Bytes,
        #[prost(bytes = "bytes", repeated, tag = "3")]
        spocks: Vec<Bytes>,
        #[prost(bytes = "bytes", tag = "4")]
        executor_signature: Bytes,
    }

    fn check(executor_id: &'static [u8], spocks: &[&'static [u8]]) {
        let generated = Generated {
            executor_id: executor_id.into(),
            result_id: b"result"[..].into(),
            spocks: spocks.iter().map(|spock| (*spock).into()).collect(),
            executor_signature: Bytes::new(),
        };
        let bytes = generated.encode_to_vec();
        let decoded = ExecutionReceiptMeta::decode(&bytes[..]).unwrap();
        assert!(decoded.spocks.iter().eq(spocks.iter().copied()));
        assert_eq!(decoded.executor_id, executor_id);
        assert_eq!(decoded.encoded_len(), bytes.len());
        assert_eq!(decoded.encode_to_vec(), bytes);
        for len in 0..bytes.len() {
            let is_ok = ExecutionReceiptMeta::decode(&bytes[..len]).is_ok();
            assert_eq!(is_ok, Generated::decode(&bytes[..len]).is_ok(), "{len} bytes");
        }
    }

    #[bounded::test]
    fn is_on_the_wire_as_the_generator_makes_it() {
        check(b"", &[]);
        check(b"executor", &[b"", b"one", b"", &[7; 300]]);
    }
}
