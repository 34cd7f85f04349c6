//! Receipts: a server's signed word that it gave an answer to a request (`docs/servers.md`).
//!
//! This module has what is signed; ed25519 itself is left to whoever signs or checks.

use super::{Held, Question};
use crate::codec::rlp::{Decoder, Encoder, RlpError};
use crate::codec::sha3_256;
use crate::model::Identifier;
use alloc::vec::Vec;

/// What a client asks for, as a receipt names it.
#[derive(Clone, Copy, Debug)]
pub enum ReceiptRequest<'a> {
    /// Evidence for a checkpoint.
    Checkpoint(Identifier),
    /// A page of epoch hops.
    EpochHops {
        /// Newest epoch that the client knows.
        epoch_counter: u64,
        /// What the client holds.
        held: &'a Held,
        /// Most hops wanted; 0 leaves it to the server.
        max_hops: u64,
    },
    /// Evidence for the answer to a question.
    Question {
        /// The question.
        question: &'a Question,
        /// What the client holds.
        held: &'a Held,
        /// How much to prove: the number that `weir.v1.Proof` has.
        proof: u64,
    },
}

impl ReceiptRequest<'_> {
    /// The request's ID: SHA3-256 of its RLP.
    #[must_use]
    pub fn id(&self) -> Identifier {
        let mut encoder = Encoder::new();
        encoder.list(|e| match *self {
            Self::Checkpoint(block_id) => {
                e.uint(0);
                e.bytes(&block_id.0);
            }
            Self::EpochHops { epoch_counter, held, max_hops } => {
                e.uint(1);
                e.uint(epoch_counter);
                encode_held(held, e);
                e.uint(max_hops);
            }
            Self::Question { question, held, proof } => {
                e.uint(2);
                question.encode(e);
                encode_held(held, e);
                e.uint(proof);
            }
        });
        sha3_256(&[&encoder.finish()])
    }
}

fn encode_held(held: &Held, encoder: &mut Encoder) {
    encoder.list(|e| {
        for id in [held.checkpoint_id, held.head_id] {
            e.bytes(id.as_ref().map_or(&[], |id| &id.0[..]));
        }
        e.uint(held.newest_epoch_counter);
        e.list(|e| held.preimage_ids.iter().for_each(|id| e.bytes(&id.0)));
    });
}

/// What a receipt says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// ID of the request ([`ReceiptRequest::id`]).
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
    use super::super::{Selector, Topic};
    use super::*;
    use alloc::collections::BTreeSet;

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

    #[bounded::test]
    fn requests_that_differ_have_different_ids() {
        let id = |byte| Identifier([byte; 32]);
        let held = Held { checkpoint_id: Some(id(1)), ..Held::default() };
        let as_head = Held { head_id: Some(id(1)), ..Held::default() };
        let with = Held { preimage_ids: BTreeSet::from([id(2)]), ..held.clone() };
        let question =
            |height| Question { block: Selector::Height(height), topic: Topic::Snapshot };
        let mut ids = BTreeSet::from([ReceiptRequest::Checkpoint(id(1)).id()]);
        let mut count = 1;
        for held in [&held, &as_head, &with, &Held::default()] {
            for number in [0, 1] {
                for question in [&question(5), &question(6)] {
                    ids.insert(ReceiptRequest::Question { question, held, proof: number }.id());
                }
                let (epoch_counter, max_hops) = (number, 1 - number);
                ids.insert(ReceiptRequest::EpochHops { epoch_counter, held, max_hops }.id());
                count += 3;
            }
        }
        assert_eq!(ids.len(), count);
    }
}
