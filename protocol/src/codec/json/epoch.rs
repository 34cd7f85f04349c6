//! JSON of epoch events and the other service events (flow-go `model/flow/service_event.go`).
//!
//! A field that is left out or `null` has its zero value and an unknown one is passed over, as Go
//! reads them: an execution node decides what is in an event, and flow-go includes whatever it can
//! decode and hash. A name given twice is refused: no flow-go node writes that.

use super::{
    Hex, Object, ReadJson, Write, WriteJson, base64_bytes, nullable_id_pairs, nullable_key,
    reads_as, reads_or_default, scalar, shaped, writes_as,
};
use crate::model::{
    BlsPublicKey, ClusterQcVoteData, Clusters, EpochCommit, EpochRecover, EpochSetup, Identifier,
    IdentitySkeleton, NetworkKey, Participants, Role, VersionBeacon, VersionBoundary,
};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use serde::de::{Deserializer, Error as _};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(remote = "IdentitySkeleton")]
pub(in super::super) struct IdentitySkeletonJson {
    #[serde(rename = "NodeID", default, with = "shaped")]
    node_id: Identifier,
    #[serde(
        rename = "Address",
        default,
        with = "scalar",
        skip_serializing_if = "String::is_empty"
    )]
    address: String,
    // Go reads a role left out as 0, and cannot write it again: no access node hands it on.
    #[serde(rename = "Role", with = "shaped")]
    role: Role,
    #[serde(rename = "InitialWeight", default, with = "scalar")]
    initial_weight: u64,
    #[serde(rename = "StakingPubKey", default, with = "nullable_key")]
    staking_key: Option<BlsPublicKey>,
    #[serde(rename = "NetworkPubKey", default, with = "nullable_key")]
    network_key: Option<NetworkKey>,
}
reads_as!(IdentitySkeleton, IdentitySkeletonJson);
writes_as!(IdentitySkeleton, IdentitySkeletonJson);

#[derive(Serialize, Deserialize)]
#[serde(remote = "EpochSetup")]
struct EpochSetupJson {
    #[serde(rename = "Counter", default, with = "scalar")]
    counter: u64,
    #[serde(rename = "FirstView", default, with = "scalar")]
    first_view: u64,
    #[serde(rename = "DKGPhase1FinalView", default, with = "scalar")]
    dkg_phase1_final_view: u64,
    #[serde(rename = "DKGPhase2FinalView", default, with = "scalar")]
    dkg_phase2_final_view: u64,
    #[serde(rename = "DKGPhase3FinalView", default, with = "scalar")]
    dkg_phase3_final_view: u64,
    #[serde(rename = "FinalView", default, with = "scalar")]
    final_view: u64,
    #[serde(rename = "Participants", default, with = "shaped")]
    participants: Participants,
    #[serde(rename = "Assignments", default, with = "shaped")]
    assignments: Clusters,
    #[serde(rename = "RandomSource", default, with = "base64_bytes")]
    random_source: Vec<u8>,
    #[serde(rename = "TargetDuration", default, with = "scalar")]
    target_duration: u64,
    #[serde(rename = "TargetEndTime", default, with = "scalar")]
    target_end_time: u64,
}
reads_or_default!(EpochSetup, EpochSetupJson);
writes_as!(EpochSetup, EpochSetupJson);

#[derive(Serialize, Deserialize)]
#[serde(remote = "ClusterQcVoteData")]
struct ClusterQcVoteDataJson {
    #[serde(rename = "SigData", default, with = "base64_bytes")]
    sig_data: Vec<u8>,
    #[serde(rename = "VoterIDs", default, with = "shaped")]
    voter_ids: Vec<Identifier>,
}
reads_or_default!(ClusterQcVoteData, ClusterQcVoteDataJson);
writes_as!(ClusterQcVoteData, ClusterQcVoteDataJson);

#[derive(Serialize)]
#[serde(remote = "EpochCommit")]
struct EpochCommitJson {
    #[serde(rename = "Counter")]
    counter: u64,
    #[serde(rename = "ClusterQCs", with = "shaped")]
    cluster_qcs: Vec<ClusterQcVoteData>,
    #[serde(rename = "DKGGroupKey", with = "hex_key")]
    dkg_group_key: BlsPublicKey,
    #[serde(rename = "DKGParticipantKeys", with = "hex_keys")]
    dkg_participant_keys: Vec<BlsPublicKey>,
    #[serde(rename = "DKGIndexMap", with = "index_map")]
    dkg_member_ids: Vec<Identifier>,
}
writes_as!(EpochCommit, EpochCommitJson);

#[derive(Deserialize)]
struct UntrustedEpochCommitJson {
    #[serde(rename = "Counter", default, with = "scalar")]
    counter: u64,
    #[serde(rename = "ClusterQCs", default, with = "shaped")]
    cluster_qcs: Vec<ClusterQcVoteData>,
    #[serde(rename = "DKGGroupKey", with = "hex_key")]
    dkg_group_key: BlsPublicKey,
    #[serde(rename = "DKGParticipantKeys", default, with = "hex_keys")]
    dkg_participant_keys: Vec<BlsPublicKey>,
    #[serde(rename = "DKGIndexMap", default, deserialize_with = "index_map::deserialize")]
    dkg_index_map: Option<Vec<Identifier>>,
}

/// A commit, under the rules of flow-go's `NewEpochCommit`, which its decoder runs.
impl ReadJson for EpochCommit {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let UntrustedEpochCommitJson {
            counter,
            cluster_qcs,
            dkg_group_key,
            dkg_participant_keys,
            dkg_index_map,
        } = UntrustedEpochCommitJson::deserialize(Object(deserializer))?;
        if cluster_qcs.is_empty() {
            return Err(D::Error::custom("expected at least one cluster qc, found none"));
        }
        let keys = dkg_participant_keys.len();
        // Without a map there is no rule; a commit like that is invalid where it is applied.
        if let Some(members) =
            dkg_index_map.as_ref().map(Vec::len).filter(|members| *members != keys)
        {
            let text = format_args!("expected {members} DKG participant keys, found {keys}");
            return Err(D::Error::custom(text));
        }
        let dkg_member_ids = dkg_index_map.unwrap_or_default();
        Ok(Self { counter, cluster_qcs, dkg_group_key, dkg_participant_keys, dkg_member_ids })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "EpochRecover")]
struct EpochRecoverJson {
    #[serde(rename = "EpochSetup", default, with = "shaped")]
    setup: EpochSetup,
    #[serde(rename = "EpochCommit", with = "shaped")]
    commit: EpochCommit,
}
reads_as!(EpochRecover, EpochRecoverJson);
writes_as!(EpochRecover, EpochRecoverJson);

#[derive(Serialize, Deserialize)]
#[serde(remote = "VersionBeacon")]
struct VersionBeaconJson {
    #[serde(rename = "VersionBoundaries", default, with = "shaped")]
    version_boundaries: Vec<VersionBoundary>,
    #[serde(rename = "Sequence", default, with = "scalar")]
    sequence: u64,
}
reads_as!(VersionBeacon, VersionBeaconJson);
writes_as!(VersionBeacon, VersionBeaconJson);

#[derive(Serialize, Deserialize)]
#[serde(remote = "VersionBoundary")]
struct VersionBoundaryJson {
    #[serde(rename = "BlockHeight", default, with = "scalar")]
    block_height: u64,
    #[serde(rename = "Version", default, with = "scalar")]
    version: String,
}
reads_or_default!(VersionBoundary, VersionBoundaryJson);
writes_as!(VersionBoundary, VersionBoundaryJson);

/// `eject-node`.
#[derive(Serialize, Deserialize)]
pub(in super::super) struct EjectNodeJson {
    #[serde(rename = "NodeID", default, with = "shaped")]
    pub(in super::super) node_id: Identifier,
}

/// `protocol-state-version-upgrade`.
#[derive(Serialize, Deserialize)]
pub(in super::super) struct VersionUpgradeJson {
    #[serde(rename = "NewProtocolStateVersion", default, with = "scalar")]
    pub(in super::super) new_protocol_state_version: u64,
    #[serde(rename = "ActiveView", default, with = "scalar")]
    pub(in super::super) active_view: u64,
}

/// `set-epoch-extension-view-count`.
#[derive(Serialize, Deserialize)]
pub(in super::super) struct ExtensionViewCountJson {
    #[serde(rename = "Value", default, with = "scalar")]
    pub(in super::super) value: u64,
}

mod hex_key {
    use super::{BlsPublicKey, Deserializer, Hex, ReadJson, Serializer, WriteJson};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BlsPublicKey, D::Error> {
        Hex::read(deserializer).map(|hex| hex.0)
    }

    pub(super) fn serialize<S: Serializer>(
        key: &BlsPublicKey,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        Hex(*key).write(serializer)
    }
}

mod hex_keys {
    use super::{BlsPublicKey, Deserializer, Hex, ReadJson, Serializer, Vec, Write};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<BlsPublicKey>, D::Error> {
        Ok(Vec::<Hex<96>>::read(deserializer)?.into_iter().map(|hex| hex.0).collect())
    }

    pub(super) fn serialize<S: Serializer>(
        keys: &[BlsPublicKey],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let keys: Vec<_> = keys.iter().map(|key| Hex(*key)).collect();
        serializer.collect_seq(keys.iter().map(Write))
    }
}

/// The map from member to index, which has every index from 0 up once; kept as members by index.
///
/// No map and an empty one have the same ID. Written is none: flow-go would refuse an empty one
/// beside keys.
mod index_map {
    use super::{
        Deserializer, Identifier, Index, Serializer, Vec, members_by_index, nullable_id_pairs,
    };

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<Identifier>>, D::Error> {
        nullable_id_pairs::<Index, D>(deserializer)?.map(members_by_index).transpose()
    }

    pub(super) fn serialize<S: Serializer>(
        members: &[Identifier],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if members.is_empty() {
            return serializer.serialize_none();
        }
        // Go writes a map's keys in ascending order.
        let mut pairs: Vec<(&Identifier, usize)> = members.iter().zip(0..).collect();
        pairs.sort_unstable();
        serializer.collect_map(pairs.into_iter().map(|(id, index)| (id.to_hex(), index)))
    }
}

struct Index(u64);

impl ReadJson for Index {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self)
    }
}

fn members_by_index<E: serde::de::Error>(
    pairs: Vec<(Identifier, Index)>,
) -> Result<Vec<Identifier>, E> {
    let count = pairs.len();
    let mut members = vec![None; count];
    let mut sorted = Vec::with_capacity(count);
    for (id, Index(index)) in pairs {
        let slot = usize::try_from(index).ok().and_then(|index| members.get_mut(index));
        match slot {
            Some(slot @ None) => *slot = Some(id),
            _ => {
                return Err(E::custom(format_args!("DKG index {index} is not one of {count}")));
            }
        }
        sorted.push(id);
    }
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(E::custom("a DKG member is given twice"));
    }
    Ok(members.into_iter().flatten().collect())
}
