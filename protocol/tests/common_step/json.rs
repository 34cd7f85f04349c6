//! From the vectors' JSON to the model.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use weir_protocol::model::{
    ClusterQcVoteData, DynamicIdentityEntry, EpochCommit, EpochExtension, EpochRecover, EpochSetup,
    EpochStateContainer, EpochStateEntry, Identifier, IdentitySkeleton, KvStore, ServiceEvent,
    ViewBasedActivator,
};

/// An integer.
pub(crate) fn uint(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("expected an integer, found {value}"))
}

/// A text.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("expected text, found {value}"))
}

/// An identifier.
pub(crate) fn id(value: &Value) -> Identifier {
    text(value).parse().unwrap()
}

fn list<T>(value: &Value, item: impl Fn(&Value) -> T) -> Vec<T> {
    value.as_array().map(|items| items.iter().map(item).collect()).unwrap_or_default()
}

fn base64(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap_or_default()).unwrap()
}

fn hex_key(value: &Value) -> [u8; 96] {
    hex::decode(text(value)).unwrap().try_into().unwrap()
}

/// A service event as result payloads carry it.
pub(crate) fn service_event(type_name: &str, value: &Value) -> ServiceEvent {
    match type_name {
        "setup" => ServiceEvent::EpochSetup(setup(value).into()),
        "commit" => ServiceEvent::EpochCommit(commit(value).into()),
        "recover" => {
            let (setup, commit) = (setup(&value["EpochSetup"]), commit(&value["EpochCommit"]));
            ServiceEvent::EpochRecover(EpochRecover { setup, commit }.into())
        }
        "eject-node" => ServiceEvent::EjectNode { node_id: id(&value["NodeID"]) },
        "protocol-state-version-upgrade" => ServiceEvent::ProtocolStateVersionUpgrade {
            new_protocol_state_version: uint(&value["NewProtocolStateVersion"]),
            active_view: uint(&value["ActiveView"]),
        },
        "set-epoch-extension-view-count" => {
            ServiceEvent::SetEpochExtensionViewCount { value: uint(&value["Value"]) }
        }
        other => panic!("unknown service event {other}"),
    }
}

/// An epoch setup.
pub(crate) fn setup(value: &Value) -> EpochSetup {
    EpochSetup {
        counter: uint(&value["Counter"]),
        first_view: uint(&value["FirstView"]),
        dkg_phase1_final_view: uint(&value["DKGPhase1FinalView"]),
        dkg_phase2_final_view: uint(&value["DKGPhase2FinalView"]),
        dkg_phase3_final_view: uint(&value["DKGPhase3FinalView"]),
        final_view: uint(&value["FinalView"]),
        participants: list(&value["Participants"], skeleton).into(),
        assignments: list(&value["Assignments"], |cluster| list(cluster, id)).into(),
        random_source: base64(&value["RandomSource"]),
        target_duration: uint(&value["TargetDuration"]),
        target_end_time: uint(&value["TargetEndTime"]),
    }
}

fn skeleton(value: &Value) -> IdentitySkeleton {
    IdentitySkeleton {
        node_id: id(&value["NodeID"]),
        address: text(&value["Address"]).into(),
        role: text(&value["Role"]).parse().unwrap(),
        initial_weight: uint(&value["InitialWeight"]),
        staking_key: Some(base64(&value["StakingPubKey"]).try_into().unwrap()),
        network_key: Some(base64(&value["NetworkPubKey"]).try_into().unwrap()),
    }
}

/// An epoch commit.
pub(crate) fn commit(value: &Value) -> EpochCommit {
    let members = value["DKGIndexMap"].as_object().unwrap();
    let mut dkg_member_ids = vec![Identifier::ZERO; members.len()];
    for (node_id, index) in members {
        dkg_member_ids[usize::try_from(uint(index)).unwrap()] = node_id.parse().unwrap();
    }
    EpochCommit {
        counter: uint(&value["Counter"]),
        cluster_qcs: list(&value["ClusterQCs"], |qc| ClusterQcVoteData {
            sig_data: base64(&qc["SigData"]),
            voter_ids: list(&qc["VoterIDs"], id),
        }),
        dkg_group_key: hex_key(&value["DKGGroupKey"]),
        dkg_participant_keys: list(&value["DKGParticipantKeys"], hex_key),
        dkg_member_ids,
    }
}

/// A line of `kv_states.jsonl`, versions 0 to 2.
pub(crate) fn kv(line: &Value) -> KvStore {
    let fields = &line["fields"];
    let upgrade = &fields["VersionUpgrade"];
    KvStore {
        version: uint(&line["version"]),
        version_upgrade: (!upgrade.is_null()).then(|| ViewBasedActivator {
            data: uint(&upgrade["Data"]),
            activation_view: uint(&upgrade["ActivationView"]),
        }),
        epoch_state_id: id(&fields["EpochStateID"]),
        epoch_extension_view_count: uint(&fields["EpochExtensionViewCount"]),
        finalization_safety_threshold: uint(&fields["FinalizationSafetyThreshold"]),
        execution: None,
        snapshot_tree_root: None,
    }
}

/// An epoch state.
pub(crate) fn entry(value: &Value) -> EpochStateEntry {
    EpochStateEntry {
        previous_epoch: container(&value["PreviousEpoch"]),
        current_epoch: container(&value["CurrentEpoch"]).unwrap(),
        next_epoch: container(&value["NextEpoch"]),
        epoch_fallback_triggered: value["EpochFallbackTriggered"].as_bool().unwrap(),
    }
}

/// One epoch of an epoch state.
pub(crate) fn container(value: &Value) -> Option<EpochStateContainer> {
    (!value.is_null()).then(|| EpochStateContainer {
        setup_id: id(&value["SetupID"]),
        commit_id: id(&value["CommitID"]),
        active_identities: list(&value["ActiveIdentities"], |node| DynamicIdentityEntry {
            node_id: id(&node["NodeID"]),
            ejected: node["Ejected"].as_bool().unwrap(),
        }),
        epoch_extensions: list(&value["EpochExtensions"], |extension| EpochExtension {
            first_view: uint(&extension["FirstView"]),
            final_view: uint(&extension["FinalView"]),
        }),
    })
}
