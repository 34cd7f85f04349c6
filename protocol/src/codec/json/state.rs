//! JSON of protocol states as snapshots hold them (flow-go `model/flow/protocol_state.go`).

use super::{ReadJson, WriteJson, base64_bytes, nullable, reads_as, shaped, writes_as};
use crate::codec::snapshot::EpochIdentity;
use crate::model::{
    DynamicIdentityEntry, EpochCommit, EpochExtension, EpochSetup, EpochStateContainer, Identifier,
    IdentitySkeleton,
};
use crate::protocol_state::ParticipationStatus;
use alloc::borrow::Cow;
use alloc::vec::Vec;
use serde::de::{Deserializer, Error as _};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

/// A protocol state: the key-value store, the epoch state and what it refers to.
#[derive(Deserialize)]
pub(in super::super) struct ProtocolStateEntryJson {
    #[serde(rename = "KVStore")]
    pub(in super::super) kv_store: KvStoreJson,
    #[serde(rename = "EpochEntry")]
    pub(in super::super) epoch_entry: EpochEntryJson,
}

impl ReadJson for ProtocolStateEntryJson {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }
}

/// The key-value store's version and msgpack form.
#[derive(Deserialize)]
pub(in super::super) struct KvStoreJson {
    #[serde(rename = "Version")]
    pub(in super::super) version: u64,
    #[serde(rename = "Data", with = "base64_bytes")]
    pub(in super::super) data: Vec<u8>,
}

/// The epoch state, the events it names, and the identity tables that follow from them.
#[derive(Deserialize)]
pub(in super::super) struct EpochEntryJson {
    #[serde(rename = "PreviousEpoch", deserialize_with = "shaped::deserialize")]
    pub(in super::super) previous_epoch: Option<EpochStateContainer>,
    #[serde(rename = "CurrentEpoch", deserialize_with = "shaped::deserialize")]
    pub(in super::super) current_epoch: EpochStateContainer,
    #[serde(rename = "NextEpoch", deserialize_with = "shaped::deserialize")]
    pub(in super::super) next_epoch: Option<EpochStateContainer>,
    #[serde(rename = "EpochFallbackTriggered")]
    pub(in super::super) epoch_fallback_triggered: bool,
    #[serde(rename = "PreviousEpochSetup", deserialize_with = "shaped::deserialize")]
    pub(in super::super) previous_epoch_setup: Option<EpochSetup>,
    #[serde(rename = "PreviousEpochCommit", deserialize_with = "shaped::deserialize")]
    pub(in super::super) previous_epoch_commit: Option<EpochCommit>,
    #[serde(rename = "CurrentEpochSetup", deserialize_with = "shaped::deserialize")]
    pub(in super::super) current_epoch_setup: EpochSetup,
    #[serde(rename = "CurrentEpochCommit", deserialize_with = "shaped::deserialize")]
    pub(in super::super) current_epoch_commit: EpochCommit,
    #[serde(rename = "NextEpochSetup", deserialize_with = "shaped::deserialize")]
    pub(in super::super) next_epoch_setup: Option<EpochSetup>,
    #[serde(rename = "NextEpochCommit", deserialize_with = "shaped::deserialize")]
    pub(in super::super) next_epoch_commit: Option<EpochCommit>,
    #[serde(rename = "CurrentEpochIdentityTable", deserialize_with = "shaped::deserialize")]
    pub(in super::super) current_epoch_identity_table: Vec<EpochIdentity>,
    #[serde(rename = "NextEpochIdentityTable", deserialize_with = "shaped::deserialize")]
    pub(in super::super) next_epoch_identity_table: Vec<EpochIdentity>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "EpochStateContainer")]
struct EpochStateContainerJson {
    #[serde(rename = "SetupID", with = "shaped")]
    setup_id: Identifier,
    #[serde(rename = "CommitID", with = "shaped")]
    commit_id: Identifier,
    #[serde(rename = "ActiveIdentities", with = "shaped")]
    active_identities: Vec<DynamicIdentityEntry>,
    #[serde(rename = "EpochExtensions", with = "nullable")]
    epoch_extensions: Vec<EpochExtension>,
}
reads_as!(EpochStateContainer, EpochStateContainerJson);
writes_as!(EpochStateContainer, EpochStateContainerJson);

#[derive(Serialize, Deserialize)]
#[serde(remote = "DynamicIdentityEntry")]
struct DynamicIdentityEntryJson {
    #[serde(rename = "NodeID", with = "shaped")]
    node_id: Identifier,
    #[serde(rename = "Ejected")]
    ejected: bool,
}
reads_as!(DynamicIdentityEntry, DynamicIdentityEntryJson);
writes_as!(DynamicIdentityEntry, DynamicIdentityEntryJson);

#[derive(Serialize, Deserialize)]
#[serde(remote = "EpochExtension")]
struct EpochExtensionJson {
    #[serde(rename = "FirstView")]
    first_view: u64,
    #[serde(rename = "FinalView")]
    final_view: u64,
}
reads_as!(EpochExtension, EpochExtensionJson);
writes_as!(EpochExtension, EpochExtensionJson);

#[derive(Serialize, Deserialize)]
#[serde(remote = "EpochIdentity")]
struct EpochIdentityJson {
    #[serde(rename = "EncodableIdentitySkeleton", with = "shaped")]
    skeleton: IdentitySkeleton,
    #[serde(rename = "ParticipationStatus", with = "shaped")]
    status: ParticipationStatus,
}
reads_as!(EpochIdentity, EpochIdentityJson);
writes_as!(EpochIdentity, EpochIdentityJson);

impl ReadJson for ParticipationStatus {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let status = Self::ALL.into_iter().find(|status| status.flow_name() == text);
        status
            .ok_or_else(|| D::Error::custom(format_args!("unknown participation status {text:?}")))
    }
}

impl WriteJson for ParticipationStatus {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.flow_name())
    }
}
