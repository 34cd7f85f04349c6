//! Receipts: a server's signed word that it gave an answer to a request (`docs/servers.md`).
//!
//! This module has what is signed; ed25519 itself is left to whoever signs or checks.

use crate::codec::rlp::{Decoder, Encoder, RlpError};
use crate::codec::sha3_256;
use crate::model::Identifier;
use alloc::vec::Vec;

/// What a receipt says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// ID of the request ([`crate::request::Request::id`]).
    pub request_id: Identifier,
    /// Height of the newest final block that the server knew.
    pub head_height: u64,
    /// That block.
    pub head_id: Identifier,
    /// SHA3-256 of the evidence in the answer.
    pub answer_hash: Identifier,
}

impl Statement {
    /// Of an answer, whose `evidence` is given as its bytes.
    #[must_use]
    pub fn new(
        request_id: Identifier,
        (head_height, head_id): (u64, Identifier),
        evidence: &[u8],
    ) -> Self {
        let answer_hash = sha3_256(&[evidence]);
        Self { request_id, head_height, head_id, answer_hash }
    }

    /// The bytes that are signed: RLP, with the format's name and version before the rest.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.list(|e| self.encode(e));
        encoder.finish()
    }

    fn encode(&self, encoder: &mut Encoder) {
        encoder.bytes(MAGIC.as_bytes());
        encoder.uint(RECEIPT_VERSION);
        encoder.bytes(&self.request_id.0);
        encoder.uint(self.head_height);
        encoder.bytes(&self.head_id.0);
        encoder.bytes(&self.answer_hash.0);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        if decoder.text()? != MAGIC || decoder.uint()? != RECEIPT_VERSION {
            return Err(RlpError::Invalid { field: "name and version of the receipt" });
        }
        Ok(Self {
            request_id: Identifier(decoder.array()?),
            head_height: decoder.uint()?,
            head_id: Identifier(decoder.array()?),
            answer_hash: Identifier(decoder.array()?),
        })
    }
}

/// A statement, and who signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What is signed.
    pub statement: Statement,
    /// The server's ed25519 public key, 32 bytes.
    pub key: [u8; 32],
    /// Its ed25519 signature of [`Statement::signed_bytes`], 64 bytes.
    pub signature: [u8; 64],
}

impl Receipt {
    /// As bytes, the same for the same receipt.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.list(|e| {
            self.statement.encode(e);
            e.bytes(&self.key);
            e.bytes(&self.signature);
        });
        encoder.finish()
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the bytes are not exactly what [`Self::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RlpError> {
        let mut decoder = Decoder::new(bytes);
        let receipt = decoder.list(|d| {
            let statement = Statement::decode(d)?;
            Ok(Self { statement, key: d.array()?, signature: d.array()? })
        })?;
        decoder.finish()?;
        Ok(receipt)
    }
}

/// Version of the format.
pub const RECEIPT_VERSION: u64 = 1;
/// gRPC metadata of an answer that has its receipt.
pub const RECEIPT_METADATA: &str = "weir-receipt-bin";

const MAGIC: &str = "weir receipt";

#[cfg(test)]
mod tests {
    use super::*;

    #[bounded::test]
    fn a_receipt_is_read_as_it_is_written_and_nothing_else_is() {
        let id = |byte| Identifier([byte; 32]);
        let statement = Statement::new(id(1), (7, id(2)), b"evidence");
        let receipt = Receipt { statement, key: [3; 32], signature: [4; 64] };
        let bytes = receipt.to_bytes();
        assert_eq!(Receipt::from_bytes(&bytes), Ok(receipt));
        for len in 0..bytes.len() {
            assert!(Receipt::from_bytes(&bytes[..len]).is_err());
        }
        assert!(Receipt::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
        let signed = statement.signed_bytes();
        assert!(Receipt::from_bytes(&signed).is_err());
        assert_ne!(Statement { head_height: 8, ..statement }.signed_bytes(), signed);
    }
}
