//! From the snapshot to flow-go's JSON.
//!
//! The structs mirror flow-go's, field by field in its order; IDs that flow-go writes beside a
//! value's fields are computed here.

use super::{Params, ProtocolStateEntry, SealedVersionBeacon, Snapshot};
use crate::codec::Entity;
use crate::codec::json::{Write, WriteJson, base64_bytes, nullable_bytes, shaped};
use crate::codec::service_event::escape_as_go;
use crate::model::{
    Block, ByteStrings, Chunk, EpochCommit, EpochSetup, EpochStateContainer, ExecutionReceiptStub,
    ExecutionResult, Identifier, Payload, QuorumCertificate, Seal, TimeoutCertificate,
    VersionBoundary,
};
use alloc::vec::Vec;
use serde::ser::{Serialize, Serializer};

/// The snapshot's JSON.
pub(super) fn snapshot(snapshot: &Snapshot) -> Vec<u8> {
    let json = serde_json::to_string(&SnapshotJson {
        sealing_segment: segment(snapshot),
        quorum_certificate: &snapshot.quorum_certificate,
        params: ParamsJson::of(&snapshot.params),
        sealed_version_beacon: snapshot.sealed_version_beacon.as_ref().map(beacon),
    });
    escape_as_go(json.expect("these shapes have text keys and no failing part")).into_bytes()
}

fn segment(snapshot: &Snapshot) -> SealingSegmentJson<'_> {
    let segment = &snapshot.sealing_segment;
    SealingSegmentJson {
        blocks: segment.blocks.iter().map(proposal).collect(),
        extra_blocks: segment.extra_blocks.iter().map(proposal).collect(),
        execution_results: Nullable(segment.execution_results.iter().map(result).collect()),
        latest_seals: IdMap(
            segment.latest_seals.iter().map(|(id, seal)| (id, Write(seal))).collect(),
        ),
        first_seal: segment.first_seal.as_ref(),
        protocol_state_entries: IdMap(
            segment.protocol_state_entries.iter().map(|(id, entry)| (id, state(entry))).collect(),
        ),
        spork_root_block: block(&segment.spork_root_block),
    }
}

fn proposal(proposal: &Block) -> ProposalJson<'_> {
    ProposalJson { block: block(proposal), proposer_sig_data: &proposal.proposer_sig_data }
}

fn block(block: &Block) -> BlockJson<'_> {
    let header = &block.header;
    BlockJson {
        chain_id: &header.chain_id,
        parent_id: &header.parent_id,
        height: header.height,
        timestamp_ms: header.timestamp_ms,
        view: header.view,
        parent_view: header.parent_view,
        parent_voter_indices: &header.parent_voter_indices,
        parent_voter_sig_data: &header.parent_voter_sig_data,
        proposer_id: &header.proposer_id,
        last_view_tc: &block.last_view_tc,
        payload: payload(&block.payload),
        id: header.id(),
    }
}

fn payload(payload: &Payload) -> PayloadJson<'_> {
    PayloadJson {
        guarantees: Nullable(payload.guarantees.iter().map(Write).collect()),
        seals: Nullable(payload.seals.iter().map(Write).collect()),
        receipts: Nullable(payload.receipts.iter().map(receipt).collect()),
        results: Nullable(payload.results.iter().map(result).collect()),
        protocol_state_id: &payload.protocol_state_id,
    }
}

fn receipt(receipt: &ExecutionReceiptStub) -> ReceiptJson<'_> {
    ReceiptJson {
        executor_id: &receipt.executor_id,
        result_id: &receipt.result_id,
        spocks: &receipt.spocks,
        executor_signature: &receipt.executor_signature,
        id: receipt.id(),
    }
}

fn result(result: &ExecutionResult) -> ResultJson<'_> {
    ResultJson {
        previous_result_id: &result.previous_result_id,
        block_id: &result.block_id,
        chunks: &result.chunks,
        service_events: Nullable(result.service_events.iter().map(Write).collect()),
        execution_data_id: &result.execution_data_id,
        id: result.id(),
    }
}

fn state(entry: &ProtocolStateEntry) -> ProtocolStateEntryJson<'_> {
    let epochs = &entry.epoch_entry;
    ProtocolStateEntryJson {
        kv_store: KvStoreJson {
            version: entry.kv_store.version,
            data: entry.kv_store.to_msgpack(),
        },
        epoch_entry: EpochEntryJson {
            previous_epoch: &epochs.previous_epoch,
            current_epoch: &epochs.current_epoch,
            next_epoch: &epochs.next_epoch,
            epoch_fallback_triggered: epochs.epoch_fallback_triggered,
            previous_epoch_setup: &entry.previous_epoch_setup,
            previous_epoch_commit: &entry.previous_epoch_commit,
            current_epoch_setup: &entry.current_epoch_setup,
            current_epoch_commit: &entry.current_epoch_commit,
            next_epoch_setup: &entry.next_epoch_setup,
            next_epoch_commit: &entry.next_epoch_commit,
            current_epoch_identity_table: &entry.current_epoch_identity_table,
            next_epoch_identity_table: &entry.next_epoch_identity_table,
        },
    }
}

fn beacon(sealed: &SealedVersionBeacon) -> SealedVersionBeaconJson<'_> {
    SealedVersionBeaconJson {
        version_boundaries: &sealed.beacon.version_boundaries,
        sequence: sealed.beacon.sequence,
        seal_height: sealed.seal_height,
    }
}

impl<'a> ParamsJson<'a> {
    fn of(params: &'a Params) -> Self {
        Self {
            chain_id: &params.chain_id,
            spork_id: &params.spork_id,
            spork_root_block_height: params.spork_root_block_height,
            spork_root_block_view: params.spork_root_block_view,
        }
    }
}

#[derive(serde::Serialize)]
struct SnapshotJson<'a> {
    #[serde(rename = "SealingSegment")]
    sealing_segment: SealingSegmentJson<'a>,
    #[serde(rename = "QuorumCertificate", serialize_with = "by_reference")]
    quorum_certificate: &'a QuorumCertificate,
    #[serde(rename = "Params")]
    params: ParamsJson<'a>,
    #[serde(rename = "SealedVersionBeacon")]
    sealed_version_beacon: Option<SealedVersionBeaconJson<'a>>,
}

#[derive(serde::Serialize)]
struct SealingSegmentJson<'a> {
    #[serde(rename = "Blocks")]
    blocks: Vec<ProposalJson<'a>>,
    #[serde(rename = "ExtraBlocks")]
    extra_blocks: Vec<ProposalJson<'a>>,
    #[serde(rename = "ExecutionResults")]
    execution_results: Nullable<ResultJson<'a>>,
    #[serde(rename = "LatestSeals")]
    latest_seals: IdMap<'a, Write<&'a Identifier>>,
    #[serde(rename = "FirstSeal", serialize_with = "optional")]
    first_seal: Option<&'a Seal>,
    #[serde(rename = "ProtocolStateEntries")]
    protocol_state_entries: IdMap<'a, ProtocolStateEntryJson<'a>>,
    #[serde(rename = "SporkRootBlock")]
    spork_root_block: BlockJson<'a>,
}

#[derive(serde::Serialize)]
struct ProposalJson<'a> {
    #[serde(rename = "Block")]
    block: BlockJson<'a>,
    #[serde(rename = "ProposerSigData", serialize_with = "nullable_bytes::serialize")]
    proposer_sig_data: &'a [u8],
}

#[derive(serde::Serialize)]
struct BlockJson<'a> {
    #[serde(rename = "ChainID")]
    chain_id: &'a str,
    #[serde(rename = "ParentID", serialize_with = "by_reference")]
    parent_id: &'a Identifier,
    #[serde(rename = "Height")]
    height: u64,
    #[serde(rename = "Timestamp")]
    timestamp_ms: u64,
    #[serde(rename = "View")]
    view: u64,
    #[serde(rename = "ParentView")]
    parent_view: u64,
    #[serde(rename = "ParentVoterIndices", serialize_with = "nullable_bytes::serialize")]
    parent_voter_indices: &'a [u8],
    #[serde(rename = "ParentVoterSigData", serialize_with = "nullable_bytes::serialize")]
    parent_voter_sig_data: &'a [u8],
    #[serde(rename = "ProposerID", serialize_with = "by_reference")]
    proposer_id: &'a Identifier,
    #[serde(rename = "LastViewTC", serialize_with = "by_reference")]
    last_view_tc: &'a Option<TimeoutCertificate>,
    #[serde(rename = "Payload")]
    payload: PayloadJson<'a>,
    #[serde(rename = "ID", serialize_with = "shaped::serialize")]
    id: Identifier,
}

#[derive(serde::Serialize)]
struct PayloadJson<'a> {
    #[serde(rename = "Guarantees")]
    guarantees: Nullable<Write<&'a crate::model::CollectionGuarantee>>,
    #[serde(rename = "Seals")]
    seals: Nullable<Write<&'a Seal>>,
    #[serde(rename = "Receipts")]
    receipts: Nullable<ReceiptJson<'a>>,
    #[serde(rename = "Results")]
    results: Nullable<ResultJson<'a>>,
    #[serde(rename = "ProtocolStateID", serialize_with = "by_reference")]
    protocol_state_id: &'a Identifier,
}

#[derive(serde::Serialize)]
struct ReceiptJson<'a> {
    #[serde(rename = "ExecutorID", serialize_with = "by_reference")]
    executor_id: &'a Identifier,
    #[serde(rename = "ResultID", serialize_with = "by_reference")]
    result_id: &'a Identifier,
    #[serde(rename = "Spocks", serialize_with = "shaped::serialize")]
    spocks: &'a ByteStrings,
    #[serde(rename = "ExecutorSignature", serialize_with = "nullable_bytes::serialize")]
    executor_signature: &'a [u8],
    #[serde(rename = "ID", serialize_with = "shaped::serialize")]
    id: Identifier,
}

#[derive(serde::Serialize)]
struct ResultJson<'a> {
    #[serde(rename = "PreviousResultID", serialize_with = "by_reference")]
    previous_result_id: &'a Identifier,
    #[serde(rename = "BlockID", serialize_with = "by_reference")]
    block_id: &'a Identifier,
    #[serde(rename = "Chunks", serialize_with = "by_reference")]
    chunks: &'a Vec<Chunk>,
    #[serde(rename = "ServiceEvents")]
    service_events: Nullable<Write<&'a crate::model::ServiceEvent>>,
    #[serde(rename = "ExecutionDataID", serialize_with = "by_reference")]
    execution_data_id: &'a Identifier,
    #[serde(rename = "ID", serialize_with = "shaped::serialize")]
    id: Identifier,
}

#[derive(serde::Serialize)]
struct ProtocolStateEntryJson<'a> {
    #[serde(rename = "KVStore")]
    kv_store: KvStoreJson,
    #[serde(rename = "EpochEntry")]
    epoch_entry: EpochEntryJson<'a>,
}

#[derive(serde::Serialize)]
struct KvStoreJson {
    #[serde(rename = "Version")]
    version: u64,
    #[serde(rename = "Data", serialize_with = "base64_bytes::serialize")]
    data: Vec<u8>,
}

#[derive(serde::Serialize)]
struct EpochEntryJson<'a> {
    #[serde(rename = "PreviousEpoch", serialize_with = "by_reference")]
    previous_epoch: &'a Option<EpochStateContainer>,
    #[serde(rename = "CurrentEpoch", serialize_with = "by_reference")]
    current_epoch: &'a EpochStateContainer,
    #[serde(rename = "NextEpoch", serialize_with = "by_reference")]
    next_epoch: &'a Option<EpochStateContainer>,
    #[serde(rename = "EpochFallbackTriggered")]
    epoch_fallback_triggered: bool,
    #[serde(rename = "PreviousEpochSetup", serialize_with = "by_reference")]
    previous_epoch_setup: &'a Option<EpochSetup>,
    #[serde(rename = "PreviousEpochCommit", serialize_with = "by_reference")]
    previous_epoch_commit: &'a Option<EpochCommit>,
    #[serde(rename = "CurrentEpochSetup", serialize_with = "by_reference")]
    current_epoch_setup: &'a EpochSetup,
    #[serde(rename = "CurrentEpochCommit", serialize_with = "by_reference")]
    current_epoch_commit: &'a EpochCommit,
    #[serde(rename = "NextEpochSetup", serialize_with = "by_reference")]
    next_epoch_setup: &'a Option<EpochSetup>,
    #[serde(rename = "NextEpochCommit", serialize_with = "by_reference")]
    next_epoch_commit: &'a Option<EpochCommit>,
    #[serde(rename = "CurrentEpochIdentityTable", serialize_with = "by_reference")]
    current_epoch_identity_table: &'a Vec<super::EpochIdentity>,
    #[serde(rename = "NextEpochIdentityTable", serialize_with = "by_reference")]
    next_epoch_identity_table: &'a Vec<super::EpochIdentity>,
}

#[derive(serde::Serialize)]
struct ParamsJson<'a> {
    #[serde(rename = "ChainID")]
    chain_id: &'a str,
    #[serde(rename = "SporkID", serialize_with = "by_reference")]
    spork_id: &'a Identifier,
    #[serde(rename = "SporkRootBlockHeight")]
    spork_root_block_height: u64,
    #[serde(rename = "SporkRootBlockView")]
    spork_root_block_view: u64,
}

#[derive(serde::Serialize)]
struct SealedVersionBeaconJson<'a> {
    #[serde(rename = "VersionBoundaries", serialize_with = "by_reference")]
    version_boundaries: &'a Vec<VersionBoundary>,
    #[serde(rename = "Sequence")]
    sequence: u64,
    #[serde(rename = "SealHeight")]
    seal_height: u64,
}

/// A list that flow-go leaves `nil` when it is empty.
struct Nullable<T>(Vec<T>);

impl<T: Serialize> Serialize for Nullable<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_empty() { serializer.serialize_none() } else { self.0.serialize(serializer) }
    }
}

/// A map whose keys are identifiers, in ascending order as Go writes them.
struct IdMap<'a, T>(Vec<(&'a Identifier, T)>);

impl<T: Serialize> Serialize for IdMap<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(id, value)| (id.to_hex(), value)))
    }
}

fn by_reference<T: WriteJson, S: Serializer>(value: &&T, serializer: S) -> Result<S::Ok, S::Error> {
    value.write(serializer)
}

fn optional<T: WriteJson, S: Serializer>(
    value: &Option<&T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => value.write(serializer),
        None => serializer.serialize_none(),
    }
}
