//! JSON of blocks, results and certificates as snapshots hold them (flow-go `model/flow`).
//!
//! Blocks, receipts and results repeat their ID beside their fields; it is kept as claimed.

use super::{ReadJson, base64_bytes, lists, nullable, nullable_bytes, reads_as, shaped, writes_as};
use crate::model::{
    AggregatedSignature, ByteStrings, Chunk, CollectionGuarantee, ExecutionReceiptStub,
    ExecutionResult, Identifier, QuorumCertificate, Seal, ServiceEvent, TimeoutCertificate,
};
use alloc::string::String;
use alloc::vec::Vec;
use serde::de::Deserializer;
use serde::{Deserialize, Serialize};

/// A block with its proposer's signature.
#[derive(Deserialize)]
pub(in super::super) struct ProposalJson {
    #[serde(rename = "Block")]
    pub(in super::super) block: BlockJson,
    #[serde(rename = "ProposerSigData", with = "base64_bytes")]
    pub(in super::super) proposer_sig_data: Vec<u8>,
}

impl ReadJson for ProposalJson {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }
}

/// A block: the header's fields, the payload and the claimed ID.
#[derive(Deserialize)]
pub(in super::super) struct BlockJson {
    #[serde(rename = "ChainID")]
    pub(in super::super) chain_id: String,
    #[serde(rename = "ParentID", with = "shaped")]
    pub(in super::super) parent_id: Identifier,
    #[serde(rename = "Height")]
    pub(in super::super) height: u64,
    #[serde(rename = "Timestamp")]
    pub(in super::super) timestamp_ms: u64,
    #[serde(rename = "View")]
    pub(in super::super) view: u64,
    #[serde(rename = "ParentView")]
    pub(in super::super) parent_view: u64,
    #[serde(rename = "ParentVoterIndices", with = "base64_bytes")]
    pub(in super::super) parent_voter_indices: Vec<u8>,
    #[serde(rename = "ParentVoterSigData", with = "base64_bytes")]
    pub(in super::super) parent_voter_sig_data: Vec<u8>,
    #[serde(rename = "ProposerID", with = "shaped")]
    pub(in super::super) proposer_id: Identifier,
    #[serde(rename = "LastViewTC", deserialize_with = "shaped::deserialize")]
    pub(in super::super) last_view_tc: Option<TimeoutCertificate>,
    #[serde(rename = "Payload")]
    pub(in super::super) payload: PayloadJson,
    #[serde(rename = "ID", with = "shaped")]
    pub(in super::super) id: Identifier,
}

/// A payload; receipts and results with their claimed IDs.
#[derive(Deserialize)]
pub(in super::super) struct PayloadJson {
    #[serde(rename = "Guarantees", deserialize_with = "shaped::deserialize")]
    pub(in super::super) guarantees: Vec<CollectionGuarantee>,
    #[serde(rename = "Seals", deserialize_with = "shaped::deserialize")]
    pub(in super::super) seals: Vec<Seal>,
    #[serde(rename = "Receipts", deserialize_with = "shaped::deserialize")]
    pub(in super::super) receipts: Vec<Claimed<ExecutionReceiptStub>>,
    #[serde(rename = "Results", deserialize_with = "shaped::deserialize")]
    pub(in super::super) results: Vec<Claimed<ExecutionResult>>,
    #[serde(rename = "ProtocolStateID", with = "shaped")]
    pub(in super::super) protocol_state_id: Identifier,
}

/// A value and the ID written beside its fields.
pub(in super::super) struct Claimed<T> {
    pub(in super::super) value: T,
    pub(in super::super) id: Identifier,
}

#[derive(Deserialize)]
struct ReceiptJson {
    #[serde(rename = "ExecutorID", with = "shaped")]
    executor_id: Identifier,
    #[serde(rename = "ResultID", with = "shaped")]
    result_id: Identifier,
    #[serde(rename = "Spocks", deserialize_with = "shaped::deserialize")]
    spocks: ByteStrings,
    #[serde(rename = "ExecutorSignature", with = "base64_bytes")]
    executor_signature: Vec<u8>,
    #[serde(rename = "ID", with = "shaped")]
    id: Identifier,
}

impl ReadJson for Claimed<ExecutionReceiptStub> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ReceiptJson { executor_id, result_id, spocks, executor_signature, id } =
            ReceiptJson::deserialize(deserializer)?;
        let value = ExecutionReceiptStub { executor_id, result_id, spocks, executor_signature };
        Ok(Self { value, id })
    }
}

#[derive(Deserialize)]
struct ResultJson {
    #[serde(rename = "PreviousResultID", with = "shaped")]
    previous_result_id: Identifier,
    #[serde(rename = "BlockID", with = "shaped")]
    block_id: Identifier,
    #[serde(rename = "Chunks", deserialize_with = "shaped::deserialize")]
    chunks: Vec<Chunk>,
    #[serde(rename = "ServiceEvents", deserialize_with = "shaped::deserialize")]
    service_events: Vec<ServiceEvent>,
    #[serde(rename = "ExecutionDataID", with = "shaped")]
    execution_data_id: Identifier,
    #[serde(rename = "ID", with = "shaped")]
    id: Identifier,
}

impl ReadJson for Claimed<ExecutionResult> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ResultJson {
            previous_result_id,
            block_id,
            chunks,
            service_events,
            execution_data_id,
            id,
        } = ResultJson::deserialize(deserializer)?;
        let value = ExecutionResult {
            previous_result_id,
            block_id,
            chunks,
            service_events,
            execution_data_id,
        };
        Ok(Self { value, id })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Chunk")]
struct ChunkJson {
    #[serde(rename = "CollectionIndex")]
    collection_index: u64,
    #[serde(rename = "StartState", with = "shaped")]
    start_state: Identifier,
    #[serde(rename = "EventCollection", with = "shaped")]
    event_collection: Identifier,
    #[serde(rename = "ServiceEventCount")]
    service_event_count: Option<u16>,
    #[serde(rename = "BlockID", with = "shaped")]
    block_id: Identifier,
    #[serde(rename = "TotalComputationUsed")]
    total_computation_used: u64,
    #[serde(rename = "NumberOfTransactions")]
    number_of_transactions: u64,
    #[serde(rename = "Index")]
    index: u64,
    #[serde(rename = "EndState", with = "shaped")]
    end_state: Identifier,
}
reads_as!(Chunk, ChunkJson);
writes_as!(Chunk, ChunkJson);

#[derive(Serialize, Deserialize)]
#[serde(remote = "CollectionGuarantee")]
struct CollectionGuaranteeJson {
    #[serde(rename = "CollectionID", with = "shaped")]
    collection_id: Identifier,
    #[serde(rename = "ReferenceBlockID", with = "shaped")]
    reference_block_id: Identifier,
    #[serde(rename = "ClusterChainID")]
    cluster_chain_id: String,
    #[serde(rename = "SignerIndices", with = "nullable_bytes")]
    signer_indices: Vec<u8>,
    #[serde(rename = "Signature", with = "nullable_bytes")]
    signature: Vec<u8>,
}
reads_as!(CollectionGuarantee, CollectionGuaranteeJson);
writes_as!(CollectionGuarantee, CollectionGuaranteeJson);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Seal")]
struct SealJson {
    #[serde(rename = "BlockID", with = "shaped")]
    block_id: Identifier,
    #[serde(rename = "ResultID", with = "shaped")]
    result_id: Identifier,
    #[serde(rename = "FinalState", with = "shaped")]
    final_state: Identifier,
    #[serde(rename = "AggregatedApprovalSigs", with = "nullable")]
    aggregated_approval_sigs: Vec<AggregatedSignature>,
}
reads_as!(Seal, SealJson);
writes_as!(Seal, SealJson);

#[derive(Serialize, Deserialize)]
#[serde(remote = "AggregatedSignature")]
struct AggregatedSignatureJson {
    #[serde(rename = "VerifierSignatures", with = "shaped")]
    verifier_signatures: ByteStrings,
    #[serde(rename = "SignerIDs", with = "shaped")]
    signer_ids: Vec<Identifier>,
}
reads_as!(AggregatedSignature, AggregatedSignatureJson);
writes_as!(AggregatedSignature, AggregatedSignatureJson);

#[derive(Serialize, Deserialize)]
#[serde(remote = "QuorumCertificate")]
struct QuorumCertificateJson {
    #[serde(rename = "View")]
    view: u64,
    #[serde(rename = "BlockID", with = "shaped")]
    block_id: Identifier,
    #[serde(rename = "SignerIndices", with = "nullable_bytes")]
    signer_indices: Vec<u8>,
    #[serde(rename = "SigData", with = "nullable_bytes")]
    sig_data: Vec<u8>,
}
reads_as!(QuorumCertificate, QuorumCertificateJson);
writes_as!(QuorumCertificate, QuorumCertificateJson);

#[derive(Serialize, Deserialize)]
#[serde(remote = "TimeoutCertificate")]
struct TimeoutCertificateJson {
    #[serde(rename = "View")]
    view: u64,
    #[serde(rename = "NewestQCViews", deserialize_with = "lists::numbers")]
    newest_qc_views: Vec<u64>,
    #[serde(rename = "NewestQC", with = "shaped")]
    newest_qc: QuorumCertificate,
    #[serde(rename = "SignerIndices", with = "nullable_bytes")]
    signer_indices: Vec<u8>,
    #[serde(rename = "SigData", with = "nullable_bytes")]
    sig_data: Vec<u8>,
}
reads_as!(TimeoutCertificate, TimeoutCertificateJson);
writes_as!(TimeoutCertificate, TimeoutCertificateJson);
