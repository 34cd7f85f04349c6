//! RLP and identifiers of blocks and everything in them but service events.
//!
//! `ID(x) = SHA3-256(RLP(x))` (flow-go `model/flow`, `MakeID`).

use super::rlp::{Decoder, Encoder, RlpError};
use crate::merkle;
use crate::model::{
    AggregatedSignature, ByteStrings, Chunk, CollectionGuarantee, ExecutionReceiptStub,
    ExecutionResult, Header, Identifier, Payload, PayloadRoots, QuorumCertificate, Seal,
    ServiceEvent, TimeoutCertificate,
};
use alloc::string::ToString;
use alloc::vec::Vec;
use sha3::{Digest, Sha3_256};

/// A value with an RLP form, whose hash is its identifier.
pub trait Entity {
    /// Appends the value's RLP.
    fn encode(&self, encoder: &mut Encoder);

    /// The value's RLP.
    fn to_rlp(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        self.encode(&mut encoder);
        encoder.finish()
    }

    /// The value's identifier.
    fn id(&self) -> Identifier {
        sha3_256(&[&self.to_rlp()])
    }
}

/// Identifier of an entity whose RLP is `rlp`.
#[must_use]
pub fn entity_id(rlp: &[u8]) -> Identifier {
    sha3_256(&[rlp])
}

/// SHA3-256 over the parts, one after the other.
#[must_use]
pub fn sha3_256(parts: &[&[u8]]) -> Identifier {
    let mut hasher = Sha3_256::new();
    for part in parts {
        hasher.update(part);
    }
    Identifier(hasher.finalize().into())
}

/// The payload hash a header commits to (flow-go `flow.PayloadHash`).
#[must_use]
pub fn payload_hash(roots: &PayloadRoots) -> Identifier {
    sha3_256(&[
        &roots.guarantees_root.0,
        &roots.seals_root.0,
        &roots.receipts_root.0,
        &roots.results_root.0,
        &roots.protocol_state_id.0,
    ])
}

/// Identifiers of entities, in their order.
#[must_use]
pub fn entity_ids<T: Entity>(entities: &[T]) -> Vec<Identifier> {
    entities.iter().map(Entity::id).collect()
}

/// What a payload's hash is made of; `result_ids` are the identifiers of its results.
#[must_use]
pub fn payload_roots(payload: &Payload, result_ids: &[Identifier]) -> PayloadRoots {
    PayloadRoots {
        guarantees_root: merkle::root(&entity_ids(&payload.guarantees)),
        seals_root: merkle::root(&entity_ids(&payload.seals)),
        receipts_root: merkle::root(&entity_ids(&payload.receipts)),
        results_root: merkle::root(result_ids),
        protocol_state_id: payload.protocol_state_id,
    }
}

pub(super) fn put_id(encoder: &mut Encoder, id: &Identifier) {
    encoder.bytes(&id.0);
}

pub(super) fn take_id(decoder: &mut Decoder<'_>) -> Result<Identifier, RlpError> {
    decoder.array().map(Identifier)
}

impl Entity for Header {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| {
            e.bytes(self.chain_id.as_bytes());
            put_id(e, &self.parent_id);
            e.uint(self.height);
            put_id(e, &self.payload_hash);
            e.uint(self.timestamp_ms);
            e.uint(self.view);
            e.uint(self.parent_view);
            e.bytes(&self.parent_voter_indices);
            e.bytes(&self.parent_voter_sig_data);
            put_id(e, &self.proposer_id);
            put_id(e, &self.last_view_tc_id);
        });
    }
}

impl Header {
    /// Reads a header's RLP.
    ///
    /// # Errors
    /// When the next item is not exactly a header's RLP.
    pub fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| {
            Ok(Self {
                chain_id: d.text()?.to_string(),
                parent_id: take_id(d)?,
                height: d.uint()?,
                payload_hash: take_id(d)?,
                timestamp_ms: d.uint()?,
                view: d.uint()?,
                parent_view: d.uint()?,
                parent_voter_indices: d.bytes()?.to_vec(),
                parent_voter_sig_data: d.bytes()?.to_vec(),
                proposer_id: take_id(d)?,
                last_view_tc_id: take_id(d)?,
            })
        })
    }
}

impl Entity for QuorumCertificate {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| {
            e.uint(self.view);
            put_id(e, &self.block_id);
            e.bytes(&self.signer_indices);
            e.bytes(&self.sig_data);
        });
    }
}

impl QuorumCertificate {
    /// Reads a quorum certificate's RLP.
    ///
    /// # Errors
    /// When the next item is not exactly a quorum certificate's RLP.
    pub fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| {
            Ok(Self {
                view: d.uint()?,
                block_id: take_id(d)?,
                signer_indices: d.bytes()?.to_vec(),
                sig_data: d.bytes()?.to_vec(),
            })
        })
    }
}

impl Entity for TimeoutCertificate {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| {
            e.uint(self.view);
            e.list_of(&self.newest_qc_views, |e, view| e.uint(*view));
            self.newest_qc.encode(e);
            e.bytes(&self.signer_indices);
            e.bytes(&self.sig_data);
        });
    }
}

impl TimeoutCertificate {
    /// Reads a timeout certificate's RLP.
    ///
    /// # Errors
    /// When the next item is not exactly a timeout certificate's RLP.
    pub fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| {
            Ok(Self {
                view: d.uint()?,
                newest_qc_views: d.list_of(Decoder::uint)?,
                newest_qc: QuorumCertificate::decode(d)?,
                signer_indices: d.bytes()?.to_vec(),
                sig_data: d.bytes()?.to_vec(),
            })
        })
    }
}

impl Entity for CollectionGuarantee {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| {
            put_id(e, &self.collection_id);
            put_id(e, &self.reference_block_id);
            e.bytes(self.cluster_chain_id.as_bytes());
            e.bytes(&self.signer_indices);
            e.bytes(&self.signature);
        });
    }
}

impl CollectionGuarantee {
    /// Reads a collection guarantee's RLP.
    ///
    /// # Errors
    /// When the next item is not exactly a collection guarantee's RLP.
    pub fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| {
            Ok(Self {
                collection_id: take_id(d)?,
                reference_block_id: take_id(d)?,
                cluster_chain_id: d.text()?.to_string(),
                signer_indices: d.bytes()?.to_vec(),
                signature: d.bytes()?.to_vec(),
            })
        })
    }
}

impl Entity for Seal {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| {
            put_id(e, &self.block_id);
            put_id(e, &self.result_id);
            put_id(e, &self.final_state);
            e.list_of(&self.aggregated_approval_sigs, |e, chunk| {
                e.list(|e| {
                    chunk.verifier_signatures.encode(e);
                    e.list_of(&chunk.signer_ids, put_id);
                });
            });
        });
    }
}

impl Seal {
    /// Reads a seal's RLP.
    ///
    /// # Errors
    /// When the next item is not exactly a seal's RLP.
    pub fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| {
            Ok(Self {
                block_id: take_id(d)?,
                result_id: take_id(d)?,
                final_state: take_id(d)?,
                aggregated_approval_sigs: d.list_of(|d| {
                    d.list(|d| {
                        Ok(AggregatedSignature {
                            verifier_signatures: ByteStrings::decode(d)?,
                            signer_ids: d.list_of(take_id)?,
                        })
                    })
                })?,
            })
        })
    }
}

impl Entity for ExecutionReceiptStub {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| {
            e.list(|e| {
                put_id(e, &self.executor_id);
                put_id(e, &self.result_id);
                self.spocks.encode(e);
            });
            e.bytes(&self.executor_signature);
        });
    }
}

impl ExecutionReceiptStub {
    /// Reads an execution receipt stub's RLP.
    ///
    /// # Errors
    /// When the next item is not exactly an execution receipt stub's RLP.
    pub fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| {
            let (executor_id, result_id, spocks) =
                d.list(|d| Ok((take_id(d)?, take_id(d)?, ByteStrings::decode(d)?)))?;
            let executor_signature = d.bytes()?.to_vec();
            Ok(Self { executor_id, result_id, spocks, executor_signature })
        })
    }
}

impl Entity for ExecutionResult {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| {
            put_id(e, &self.previous_result_id);
            put_id(e, &self.block_id);
            e.list_of(&self.chunks, encode_chunk);
            e.list_of(&self.service_events, |e, event| {
                e.list(|e| {
                    e.bytes(event.type_name().as_bytes());
                    event.encode(e);
                });
            });
            put_id(e, &self.execution_data_id);
        });
    }
}

impl ExecutionResult {
    /// Reads an execution result's RLP.
    ///
    /// # Errors
    /// When the next item is not exactly an execution result's RLP.
    pub fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| {
            Ok(Self {
                previous_result_id: take_id(d)?,
                block_id: take_id(d)?,
                chunks: d.list_of(decode_chunk)?,
                service_events: d.list_of(|d| {
                    d.list(|d| {
                        let type_name = d.text()?;
                        ServiceEvent::decode(type_name, d)
                    })
                })?,
                execution_data_id: take_id(d)?,
            })
        })
    }
}

fn encode_chunk(encoder: &mut Encoder, chunk: &Chunk) {
    encoder.list(|e| {
        e.list(|e| {
            e.uint(chunk.collection_index);
            put_id(e, &chunk.start_state);
            put_id(e, &chunk.event_collection);
            if let Some(count) = chunk.service_event_count {
                e.uint(u64::from(count));
            }
            put_id(e, &chunk.block_id);
            e.uint(chunk.total_computation_used);
            e.uint(chunk.number_of_transactions);
        });
        e.uint(chunk.index);
        put_id(e, &chunk.end_state);
    });
}

fn decode_chunk(decoder: &mut Decoder<'_>) -> Result<Chunk, RlpError> {
    decoder.list(|d| {
        let mut chunk = d.list(|d| {
            Ok(Chunk {
                collection_index: d.uint()?,
                start_state: take_id(d)?,
                event_collection: take_id(d)?,
                service_event_count: decode_service_event_count(d)?,
                block_id: take_id(d)?,
                total_computation_used: d.uint()?,
                number_of_transactions: d.uint()?,
                index: 0,
                end_state: Identifier::ZERO,
            })
        })?;
        chunk.index = d.uint()?;
        chunk.end_state = take_id(d)?;
        Ok(chunk)
    })
}

/// The count is an integer of at most two bytes; where it is left out, a 32-byte ID follows.
fn decode_service_event_count(decoder: &mut Decoder<'_>) -> Result<Option<u16>, RlpError> {
    let ahead = decoder.clone().bytes()?;
    if ahead.len() == Identifier::LEN {
        return Ok(None);
    }
    let count = decoder.uint()?;
    u16::try_from(count).map(Some).map_err(|_| RlpError::Overflow)
}
