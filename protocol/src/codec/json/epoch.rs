//! JSON of epoch events and the other service events (flow-go `model/flow/service_event.go`).

use super::{
    Hex, ReadJson, Write, WriteJson, base64_array, base64_bytes, id_pairs, reads_as, shaped,
    writes_as,
};
use crate::model::{
    BlsPublicKey, ClusterQcVoteData, EpochCommit, EpochRecover, EpochSetup, Identifier,
    IdentitySkeleton, NetworkKey, Role, VersionBeacon, VersionBoundary,
};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use serde::de::Deserializer;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(remote = "IdentitySkeleton", deny_unknown_fields)]
pub(in super::super) struct IdentitySkeletonJson {
    #[serde(rename = "NodeID", with = "shaped")]
    node_id: Identifier,
    #[serde(rename = "Address")]
    address: String,
    #[serde(rename = "Role", with = "shaped")]
    role: Role,
    #[serde(rename = "InitialWeight")]
    initial_weight: u64,
    #[serde(rename = "StakingPubKey", with = "base64_array")]
    staking_key: BlsPublicKey,
    #[serde(rename = "NetworkPubKey", with = "base64_array")]
    network_key: NetworkKey,
}
reads_as!(IdentitySkeleton, IdentitySkeletonJson);
writes_as!(IdentitySkeleton, IdentitySkeletonJson);

#[derive(Serialize, Deserialize)]
#[serde(remote = "EpochSetup", deny_unknown_fields)]
struct EpochSetupJson {
    #[serde(rename = "Counter")]
    counter: u64,
    #[serde(rename = "FirstView")]
    first_view: u64,
    #[serde(rename = "DKGPhase1FinalView")]
    dkg_phase1_final_view: u64,
    #[serde(rename = "DKGPhase2FinalView")]
    dkg_phase2_final_view: u64,
    #[serde(rename = "DKGPhase3FinalView")]
    dkg_phase3_final_view: u64,
    #[serde(rename = "FinalView")]
    final_view: u64,
    #[serde(rename = "Participants", with = "shaped")]
    participants: Vec<IdentitySkeleton>,
    #[serde(rename = "Assignments", with = "shaped")]
    assignments: Vec<Vec<Identifier>>,
    #[serde(rename = "RandomSource", with = "base64_bytes")]
    random_source: Vec<u8>,
    #[serde(rename = "TargetDuration")]
    target_duration: u64,
    #[serde(rename = "TargetEndTime")]
    target_end_time: u64,
}
reads_as!(EpochSetup, EpochSetupJson);
writes_as!(EpochSetup, EpochSetupJson);

#[derive(Serialize, Deserialize)]
#[serde(remote = "ClusterQcVoteData", deny_unknown_fields)]
struct ClusterQcVoteDataJson {
    #[serde(rename = "SigData", with = "base64_bytes")]
    sig_data: Vec<u8>,
    #[serde(rename = "VoterIDs", with = "shaped")]
    voter_ids: Vec<Identifier>,
}
reads_as!(ClusterQcVoteData, ClusterQcVoteDataJson);
writes_as!(ClusterQcVoteData, ClusterQcVoteDataJson);

#[derive(Serialize, Deserialize)]
#[serde(remote = "EpochCommit", deny_unknown_fields)]
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
reads_as!(EpochCommit, EpochCommitJson);
writes_as!(EpochCommit, EpochCommitJson);

#[derive(Serialize, Deserialize)]
#[serde(remote = "EpochRecover", deny_unknown_fields)]
struct EpochRecoverJson {
    #[serde(rename = "EpochSetup", with = "shaped")]
    setup: EpochSetup,
    #[serde(rename = "EpochCommit", with = "shaped")]
    commit: EpochCommit,
}
reads_as!(EpochRecover, EpochRecoverJson);
writes_as!(EpochRecover, EpochRecoverJson);

#[derive(Serialize, Deserialize)]
#[serde(remote = "VersionBeacon", deny_unknown_fields)]
struct VersionBeaconJson {
    #[serde(rename = "VersionBoundaries", with = "shaped")]
    version_boundaries: Vec<VersionBoundary>,
    #[serde(rename = "Sequence")]
    sequence: u64,
}
reads_as!(VersionBeacon, VersionBeaconJson);
writes_as!(VersionBeacon, VersionBeaconJson);

#[derive(Serialize, Deserialize)]
#[serde(remote = "VersionBoundary", deny_unknown_fields)]
struct VersionBoundaryJson {
    #[serde(rename = "BlockHeight")]
    block_height: u64,
    #[serde(rename = "Version")]
    version: String,
}
reads_as!(VersionBoundary, VersionBoundaryJson);
writes_as!(VersionBoundary, VersionBoundaryJson);

/// `eject-node`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct EjectNodeJson {
    #[serde(rename = "NodeID", with = "shaped")]
    pub(in super::super) node_id: Identifier,
}

/// `protocol-state-version-upgrade`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct VersionUpgradeJson {
    #[serde(rename = "NewProtocolStateVersion")]
    pub(in super::super) new_protocol_state_version: u64,
    #[serde(rename = "ActiveView")]
    pub(in super::super) active_view: u64,
}

/// `set-epoch-extension-view-count`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct ExtensionViewCountJson {
    #[serde(rename = "Value")]
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
mod index_map {
    use super::{Deserializer, Identifier, Index, Serializer, Vec, id_pairs, members_by_index};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Identifier>, D::Error> {
        members_by_index(id_pairs::<Index, D>(deserializer)?)
    }

    pub(super) fn serialize<S: Serializer>(
        members: &[Identifier],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
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
