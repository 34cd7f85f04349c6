//! From flow-go's JSON to the snapshot, checking the IDs that the JSON repeats.

use super::{
    Params, ProtocolStateEntry, SealedVersionBeacon, SealingSegment, Snapshot, SnapshotError,
};
use crate::codec::json::block::{BlockJson, Claimed, PayloadJson, ProposalJson};
use crate::codec::json::room::bounded;
use crate::codec::json::state::ProtocolStateEntryJson;
use crate::codec::json::{id_pairs, shaped};
use crate::codec::{Entity, entity_ids, payload_hash, payload_roots};
use crate::model::{
    Block, EpochStateEntry, ExecutionResult, Header, Identifier, KvStore, Payload,
    QuorumCertificate, Seal, VersionBeacon, VersionBoundary,
};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::marker::PhantomData;
use serde::Deserialize;

/// Reads a snapshot whose parts need not fit together yet.
pub(super) fn snapshot(json: &[u8]) -> Result<Snapshot, SnapshotError> {
    let SnapshotJson { sealing_segment, quorum_certificate, params, sealed_version_beacon } =
        read_bounded(json)?;
    Ok(Snapshot {
        sealing_segment: segment(sealing_segment)?,
        quorum_certificate,
        params: Params {
            chain_id: params.chain_id,
            spork_id: params.spork_id,
            spork_root_block_height: params.spork_root_block_height,
            spork_root_block_view: params.spork_root_block_view,
        },
        sealed_version_beacon: sealed_version_beacon.map(|sealed| SealedVersionBeacon {
            beacon: VersionBeacon {
                version_boundaries: sealed.version_boundaries,
                sequence: sealed.sequence,
            },
            seal_height: sealed.seal_height,
        }),
    })
}

fn read_bounded(json: &[u8]) -> Result<SnapshotJson, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let snapshot = bounded(json.len(), PhantomData, &mut deserializer)?;
    deserializer.end()?;
    Ok(snapshot)
}

/// Fails unless `value` hashes to the ID it is given under.
pub(super) fn check_id(
    entity: &'static str,
    expected: &Identifier,
    value: &impl Entity,
) -> Result<(), SnapshotError> {
    let found = value.id();
    if found == *expected {
        return Ok(());
    }
    Err(SnapshotError::Id { entity, expected: *expected, found })
}

fn segment(json: SealingSegmentJson) -> Result<SealingSegment, SnapshotError> {
    let results = json.execution_results.into_iter().map(result);
    let states =
        json.protocol_state_entries.into_iter().map(|(id, json)| Ok((id, state(id, json)?)));
    Ok(SealingSegment {
        blocks: json.blocks.into_iter().map(proposal).collect::<Result<_, _>>()?,
        extra_blocks: json.extra_blocks.into_iter().map(proposal).collect::<Result<_, _>>()?,
        execution_results: results.collect::<Result<_, _>>()?,
        latest_seals: unique("latest seal of block", json.latest_seals.into_iter().map(Ok))?,
        first_seal: json.first_seal,
        protocol_state_entries: unique("protocol state", states)?,
        spork_root_block: block(json.spork_root_block)?,
    })
}

fn unique<T>(
    entity: &'static str,
    pairs: impl Iterator<Item = Result<(Identifier, T), SnapshotError>>,
) -> Result<BTreeMap<Identifier, T>, SnapshotError> {
    let mut map = BTreeMap::new();
    for pair in pairs {
        let (id, value) = pair?;
        if map.insert(id, value).is_some() {
            return Err(SnapshotError::Repeated { entity, id });
        }
    }
    Ok(map)
}

fn proposal(json: ProposalJson) -> Result<Block, SnapshotError> {
    Ok(Block { proposer_sig_data: json.proposer_sig_data, ..block(json.block)? })
}

/// The JSON has no payload hash; the block ID stands for it.
fn block(json: BlockJson) -> Result<Block, SnapshotError> {
    let payload = payload(json.payload)?;
    let header = Header {
        chain_id: json.chain_id,
        parent_id: json.parent_id,
        height: json.height,
        payload_hash: payload_hash(&payload_roots(&payload, &entity_ids(&payload.results))),
        timestamp_ms: json.timestamp_ms,
        view: json.view,
        parent_view: json.parent_view,
        parent_voter_indices: json.parent_voter_indices,
        parent_voter_sig_data: json.parent_voter_sig_data,
        proposer_id: json.proposer_id,
        last_view_tc_id: json.last_view_tc.as_ref().map_or(Identifier::ZERO, Entity::id),
    };
    check_id("block", &json.id, &header)?;
    let last_view_tc = json.last_view_tc;
    Ok(Block { header, last_view_tc, payload, proposer_sig_data: Vec::new() })
}

fn payload(json: PayloadJson) -> Result<Payload, SnapshotError> {
    let receipt = |claimed: Claimed<_>| {
        check_id("execution receipt", &claimed.id, &claimed.value).map(|()| claimed.value)
    };
    Ok(Payload {
        guarantees: json.guarantees,
        seals: json.seals,
        receipts: json.receipts.into_iter().map(receipt).collect::<Result<_, _>>()?,
        results: json.results.into_iter().map(result).collect::<Result<_, _>>()?,
        protocol_state_id: json.protocol_state_id,
    })
}

fn result(claimed: Claimed<ExecutionResult>) -> Result<ExecutionResult, SnapshotError> {
    check_id("execution result", &claimed.id, &claimed.value)?;
    Ok(claimed.value)
}

fn state(
    id: Identifier,
    json: ProtocolStateEntryJson,
) -> Result<ProtocolStateEntry, SnapshotError> {
    let kv_store = KvStore::from_msgpack(json.kv_store.version, &json.kv_store.data)
        .map_err(|source| SnapshotError::KvStore { id, source })?;
    let entry = json.epoch_entry;
    Ok(ProtocolStateEntry {
        kv_store,
        epoch_entry: EpochStateEntry {
            previous_epoch: entry.previous_epoch,
            current_epoch: entry.current_epoch,
            next_epoch: entry.next_epoch,
            epoch_fallback_triggered: entry.epoch_fallback_triggered,
        },
        previous_epoch_setup: entry.previous_epoch_setup,
        previous_epoch_commit: entry.previous_epoch_commit,
        current_epoch_setup: entry.current_epoch_setup,
        current_epoch_commit: entry.current_epoch_commit,
        next_epoch_setup: entry.next_epoch_setup,
        next_epoch_commit: entry.next_epoch_commit,
        current_epoch_identity_table: entry.current_epoch_identity_table,
        next_epoch_identity_table: entry.next_epoch_identity_table,
    })
}

#[derive(Deserialize)]
struct SnapshotJson {
    #[serde(rename = "SealingSegment")]
    sealing_segment: SealingSegmentJson,
    #[serde(rename = "QuorumCertificate", deserialize_with = "shaped::deserialize")]
    quorum_certificate: QuorumCertificate,
    #[serde(rename = "Params")]
    params: ParamsJson,
    #[serde(rename = "SealedVersionBeacon")]
    sealed_version_beacon: Option<SealedVersionBeaconJson>,
}

#[derive(Deserialize)]
struct SealingSegmentJson {
    #[serde(rename = "Blocks", deserialize_with = "shaped::deserialize")]
    blocks: Vec<ProposalJson>,
    #[serde(rename = "ExtraBlocks", deserialize_with = "shaped::deserialize")]
    extra_blocks: Vec<ProposalJson>,
    #[serde(rename = "ExecutionResults", deserialize_with = "shaped::deserialize")]
    execution_results: Vec<Claimed<ExecutionResult>>,
    #[serde(rename = "LatestSeals", deserialize_with = "id_pairs")]
    latest_seals: Vec<(Identifier, Identifier)>,
    #[serde(rename = "FirstSeal", deserialize_with = "shaped::deserialize")]
    first_seal: Option<Seal>,
    #[serde(rename = "ProtocolStateEntries", deserialize_with = "id_pairs")]
    protocol_state_entries: Vec<(Identifier, ProtocolStateEntryJson)>,
    #[serde(rename = "SporkRootBlock")]
    spork_root_block: BlockJson,
}

#[derive(Deserialize)]
struct ParamsJson {
    #[serde(rename = "ChainID")]
    chain_id: String,
    #[serde(rename = "SporkID", with = "shaped")]
    spork_id: Identifier,
    #[serde(rename = "SporkRootBlockHeight")]
    spork_root_block_height: u64,
    #[serde(rename = "SporkRootBlockView")]
    spork_root_block_view: u64,
}

#[derive(Deserialize)]
struct SealedVersionBeaconJson {
    #[serde(rename = "VersionBoundaries", with = "shaped")]
    version_boundaries: Vec<VersionBoundary>,
    #[serde(rename = "Sequence")]
    sequence: u64,
    #[serde(rename = "SealHeight")]
    seal_height: u64,
}
