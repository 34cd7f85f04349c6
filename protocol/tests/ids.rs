//! Identifiers and encodings of epoch states, service events and older data.

mod common;

use common::{chains, lines};
use proptest::prelude::*;
use serde_json::{Value, json};
use weir_protocol::codec::rlp::{Decoder, Encoder, RlpError};
use weir_protocol::codec::service_event::ServiceEventError;
use weir_protocol::codec::{Entity, entity_id, payload_hash};
use weir_protocol::merkle;
use weir_protocol::model::{
    AggregatedSignature, Chunk, DynamicIdentityEntry, EpochExtension, EpochStateContainer,
    EpochStateEntry, ExecutionResult, Header, Identifier, KvStore, PayloadRoots, Role, Seal,
    ServiceEvent, VersionBeacon, VersionBoundary,
};

#[bounded::test]
fn epoch_states_of_every_chain_are_flow_gos() {
    for chain in chains() {
        for line in lines(&format!("{chain}/epoch_states.jsonl.gz")) {
            let entry = epoch_state(&line["entry"]);
            assert_eq!(entry.id(), id(&line["epoch_state_id"]));
            assert_eq!(entry.phase().name(), text(&line["phase"]));
            let containers =
                [("current", Some(&entry.current_epoch)), ("next", entry.next_epoch.as_ref())];
            for (which, container) in containers {
                let expected = &line[format!("{which}_epoch_state_id")];
                let found = container.map_or(Value::Null, |epoch| epoch.id().to_hex().into());
                assert_eq!(found, *expected, "{which} of {chain}");
            }
            assert_eq!(again(&entry, EpochStateEntry::decode), Ok(entry));
        }
    }
}

#[bounded::test]
fn service_events_of_every_chain_are_flow_gos() {
    for chain in chains() {
        for line in lines(&format!("{chain}/service_events.jsonl.gz")) {
            let type_name = text(&line["type"]);
            let payload = serde_json::to_vec(&line["event"]).unwrap();
            let event = ServiceEvent::from_json(type_name, &payload).unwrap();
            assert_eq!(event.type_name(), type_name);
            assert_eq!(event.id(), id(&line["id"]));
            if let Some(rlp) = line["rlp"].as_str() {
                assert_eq!(hex::encode(event.to_rlp()), rlp);
            }
            assert_eq!(again(&event, |d| ServiceEvent::decode(type_name, d)), Ok(event));
        }
    }
}

#[bounded::test]
fn service_events_in_blocks_are_written_as_flow_go_does() {
    let mut types = std::collections::BTreeSet::new();
    for chain in chains() {
        let file = common::read(&format!("{chain}/blocks.pb.gz"));
        let mut rest = file.as_slice();
        while let Some((len, after)) = rest.split_first_chunk::<4>() {
            let (block, after) = after.split_at(u32::from_be_bytes(*len) as usize);
            for (type_name, payload) in event_payloads(block) {
                let event = ServiceEvent::from_json(&type_name, payload).unwrap();
                assert_eq!(event.to_json(), payload, "{type_name} of {chain}");
                types.insert(type_name);
            }
            rest = after;
        }
    }
    assert_eq!(types.len(), 6, "{types:?}");
}

/// Types and payloads of the service events in a `flow.entities.Block` message.
fn event_payloads(block: &[u8]) -> Vec<(String, &[u8])> {
    let mut events = Vec::new();
    for result in fields(block, 9) {
        for event in fields(result, 4) {
            let type_name = String::from_utf8(fields(event, 1)[0].to_vec()).expect("is text");
            events.push((type_name, fields(event, 2)[0]));
        }
    }
    events
}

/// The length-delimited protobuf fields of a number.
fn fields(mut message: &[u8], number: u64) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message);
        match tag & 7 {
            0 => drop(varint(&mut message)),
            1 => message = &message[8..],
            2 => {
                let len = usize::try_from(varint(&mut message)).expect("is short");
                let (content, rest) = message.split_at(len);
                message = rest;
                if tag >> 3 == number {
                    found.push(content);
                }
            }
            5 => message = &message[4..],
            other => panic!("unknown wire type {other}"),
        }
    }
    found
}

fn varint(message: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (byte, rest) = message.split_first().expect("is not cut short");
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

#[bounded::test]
fn version_beacons_survive_json() {
    let beacon = VersionBeacon {
        version_boundaries: vec![VersionBoundary { block_height: 7, version: "<v1&>".into() }],
        sequence: 2,
    };
    let event = ServiceEvent::VersionBeacon(beacon);
    let json = event.to_json();
    let expected = br#"{"VersionBoundaries":[{"BlockHeight":7,"Version":"\u003cv1\u0026\u003e"}],"Sequence":2}"#;
    assert_eq!(json, expected);
    assert_eq!(ServiceEvent::from_json("version-beacon", &json).unwrap(), event);
}

#[bounded::test]
fn rejects_malformed_service_events() {
    let check = |type_name, payload: &str| {
        ServiceEvent::from_json(type_name, payload.as_bytes()).unwrap_err()
    };
    let unknown = check("version-control", "{}");
    assert!(
        matches!(unknown, ServiceEventError::UnknownType { found } if found == "version-control")
    );
    for payload in [
        r#"{"Value":1.0}"#,
        r#"{"Value":-1}"#,
        r#"{"Value":18446744073709551616}"#,
        r#"{"Value":"1"}"#,
        r#"{"Value":1,"Value":1}"#,
        r#"{"Value":1,"value":1}"#,
        r#"{"Value":1} {}"#,
        "[1]",
        "nul",
        "",
    ] {
        let error = check("set-epoch-extension-view-count", payload);
        assert!(matches!(error, ServiceEventError::Json(_)), "{payload}");
    }
}

#[bounded::test]
fn rejects_a_dkg_index_map_that_is_no_permutation() {
    let member = |byte: &str| byte.repeat(32);
    // The point at infinity, a key as any other.
    let key = format!("c0{}", "00".repeat(95));
    let check = |map: Value| {
        let commit = json!({
            "Counter": 1, "ClusterQCs": [{}], "DKGGroupKey": key, "DKGParticipantKeys": [key, key],
            "DKGIndexMap": map,
        });
        ServiceEvent::from_json("commit", commit.to_string().as_bytes())
    };
    let Ok(ServiceEvent::EpochCommit(commit)) = check(json!({member("0a"): 1, member("0b"): 0}))
    else {
        panic!("a permutation is accepted");
    };
    assert_eq!(commit.dkg_member_ids, [Identifier([0x0b; 32]), Identifier([0x0a; 32])]);
    assert!(check(json!(null)).is_ok());
    assert!(check(json!({})).is_err());
    assert!(check(json!({member("0a"): 0})).is_err());
    assert!(check(json!({member("0a"): 1, member("0b"): 1})).is_err());
    assert!(check(json!({member("0a"): 0, member("0b"): 2})).is_err());
    assert!(check(json!({member("0a"): -1, member("0b"): 0})).is_err());
    // The same member in two ways of writing it.
    assert!(check(json!({member("0a"): 0, member("0A"): 1})).is_err());
}

/// A snapshot made by flow-go in May 2025, when chunks had no service event count.
#[bounded::test]
fn ids_of_the_2025_fixture_are_flow_gos() {
    let path = common::folder().join("real/flow-go-fixture-2025/snapshot-fixture1.json");
    let json: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let segment = &json["SealingSegment"];
    let (state_id, entry) =
        segment["ProtocolStateEntries"].as_object().unwrap().iter().next().unwrap();
    let epochs = &entry["EpochEntry"];
    let setup = fixture_setup(&epochs["CurrentEpochSetup"]);
    assert_eq!(entity_id(&setup), id(&epochs["CurrentEpoch"]["SetupID"]));
    let commit = epochs["CurrentEpochCommit"].to_string();
    let commit = ServiceEvent::from_json("commit", commit.as_bytes()).unwrap();
    assert_eq!(commit.id(), id(&epochs["CurrentEpoch"]["CommitID"]));

    let version = number(&entry["KVStore"]["Version"]);
    let store = KvStore::from_msgpack(version, &base64(&entry["KVStore"]["Data"])).unwrap();
    assert_eq!(store.epoch_state_id, epoch_state(epochs).id());
    assert_eq!(store.id().to_hex(), *state_id);

    let header = fixture_header(&segment["Blocks"][0]["Block"]);
    assert_eq!(header.id(), id(&json["Params"]["SporkID"]));
    let events = [("setup", setup), ("commit", commit.to_rlp())];
    let result = with_events(&fixture_result(&segment["ExecutionResults"][0]), &events);
    assert_eq!(entity_id(&result), id(&segment["FirstSeal"]["ResultID"]));
    let seal = fixture_seal(&segment["FirstSeal"]);
    let latest = segment["LatestSeals"].as_object().unwrap().values().next().unwrap();
    assert_eq!(seal.id(), id(latest));
}

fn fixture_header(block: &Value) -> Header {
    let header = &block["Header"];
    let protocol_state_id = id(&block["Payload"]["ProtocolStateID"]);
    let none = merkle::root(&[]);
    let roots = PayloadRoots {
        guarantees_root: none,
        seals_root: none,
        receipts_root: none,
        results_root: none,
        protocol_state_id,
    };
    Header {
        chain_id: text(&header["ChainID"]).into(),
        parent_id: id(&header["ParentID"]),
        height: number(&header["Height"]),
        payload_hash: payload_hash(&roots),
        timestamp_ms: number(&header["Timestamp"]),
        view: number(&header["View"]),
        parent_view: number(&header["ParentView"]),
        parent_voter_indices: base64(&header["ParentVoterIndices"]),
        parent_voter_sig_data: base64(&header["ParentVoterSigData"]),
        proposer_id: id(&header["ProposerID"]),
        last_view_tc_id: Identifier::ZERO,
    }
}

/// RLP of the fixture's setup, whose nodes have no network key, which the model does not allow.
fn fixture_setup(setup: &Value) -> Vec<u8> {
    let list = |value: &Value| value.as_array().expect("is a list").clone();
    let mut encoder = Encoder::new();
    encoder.list(|e| {
        let phases = ["DKGPhase1FinalView", "DKGPhase2FinalView", "DKGPhase3FinalView"];
        for field in ["Counter", "FirstView"].iter().chain(&phases).chain(&["FinalView"]) {
            e.uint(number(&setup[*field]));
        }
        e.list_of(&list(&setup["Participants"]), |e, node| {
            e.list(|e| {
                e.bytes(&id(&node["NodeID"]).0);
                e.bytes(text(&node["Address"]).as_bytes());
                let role: Role = text(&node["Role"]).parse().expect("is a role");
                e.uint(u64::from(role.number()));
                e.uint(number(&node["InitialWeight"]));
                e.bytes(&base64(&node["StakingPubKey"]));
                e.bytes(&base64(&node["NetworkPubKey"]));
            });
        });
        e.list_of(&list(&setup["Assignments"]), |e, cluster| {
            e.list_of(&list(cluster), |e, node| e.bytes(&id(node).0));
        });
        e.bytes(&base64(&setup["RandomSource"]));
        e.uint(number(&setup["TargetDuration"]));
        e.uint(number(&setup["TargetEndTime"]));
    });
    encoder.finish()
}

/// RLP of a result, its service events replaced by these.
fn with_events(result: &ExecutionResult, events: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let rlp = result.to_rlp();
    let items = Decoder::new(&rlp).list(|d| Ok([d.raw()?, d.raw()?, d.raw()?, d.raw()?, d.raw()?]));
    let [previous, block, chunks, _, data] = items.expect("is a result");
    let mut encoder = Encoder::new();
    encoder.list(|e| {
        [previous, block, chunks].into_iter().for_each(|item| e.raw(item));
        e.list_of(events, |e, (type_name, event)| {
            e.list(|e| {
                e.bytes(type_name.as_bytes());
                e.raw(event);
            });
        });
        e.raw(data);
    });
    encoder.finish()
}

/// The fixture's result, without its service events.
fn fixture_result(result: &Value) -> ExecutionResult {
    let chunk = |chunk: &Value| {
        assert_eq!(chunk["ServiceEventCount"], Value::Null);
        Chunk {
            collection_index: number(&chunk["CollectionIndex"]),
            start_state: id(&chunk["StartState"]),
            event_collection: id(&chunk["EventCollection"]),
            service_event_count: None,
            block_id: id(&chunk["BlockID"]),
            total_computation_used: number(&chunk["TotalComputationUsed"]),
            number_of_transactions: number(&chunk["NumberOfTransactions"]),
            index: number(&chunk["Index"]),
            end_state: id(&chunk["EndState"]),
        }
    };
    let events = result["ServiceEvents"].as_array().expect("is a list");
    let types: Vec<_> = events.iter().map(|event| text(&event["Type"])).collect();
    assert_eq!(types, ["setup", "commit"]);
    ExecutionResult {
        previous_result_id: id(&result["PreviousResultID"]),
        block_id: id(&result["BlockID"]),
        chunks: result["Chunks"].as_array().expect("is a list").iter().map(chunk).collect(),
        service_events: Vec::new(),
        execution_data_id: id(&result["ExecutionDataID"]),
    }
}

fn fixture_seal(seal: &Value) -> Seal {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let signatures = list(&seal["AggregatedApprovalSigs"]);
    let signatures = signatures.iter().map(|chunk| AggregatedSignature {
        verifier_signatures: list(&chunk["VerifierSignatures"]).iter().map(base64).collect(),
        signer_ids: list(&chunk["SignerIDs"]).iter().map(id).collect(),
    });
    Seal {
        block_id: id(&seal["BlockID"]),
        result_id: id(&seal["ResultID"]),
        final_state: id(&seal["FinalState"]),
        aggregated_approval_sigs: signatures.collect(),
    }
}

fn epoch_state(value: &Value) -> EpochStateEntry {
    EpochStateEntry {
        previous_epoch: epoch(&value["PreviousEpoch"]),
        current_epoch: epoch(&value["CurrentEpoch"]).expect("there is a current epoch"),
        next_epoch: epoch(&value["NextEpoch"]),
        epoch_fallback_triggered: value["EpochFallbackTriggered"].as_bool().expect("is a boolean"),
    }
}

fn epoch(value: &Value) -> Option<EpochStateContainer> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let identity = |value: &Value| DynamicIdentityEntry {
        node_id: id(&value["NodeID"]),
        ejected: value["Ejected"].as_bool().expect("is a boolean"),
    };
    let extension = |value: &Value| EpochExtension {
        first_view: number(&value["FirstView"]),
        final_view: number(&value["FinalView"]),
    };
    (!value.is_null()).then(|| EpochStateContainer {
        setup_id: id(&value["SetupID"]),
        commit_id: id(&value["CommitID"]),
        active_identities: list(&value["ActiveIdentities"]).iter().map(identity).collect(),
        epoch_extensions: list(&value["EpochExtensions"]).iter().map(extension).collect(),
    })
}

prop_compose! {
    fn an_id()(bytes: [u8; 32]) -> Identifier {
        Identifier(bytes)
    }
}

prop_compose! {
    fn header()(
        chain_id in "[a-z-]{0,60}",
        ids in prop::array::uniform4(an_id()),
        height: u64, timestamp_ms: u64, view: u64, parent_view in 0u64..300,
        parent_voter_indices in prop::collection::vec(any::<u8>(), 0..60),
        parent_voter_sig_data in prop::collection::vec(any::<u8>(), 0..300),
    ) -> Header {
        let [parent_id, payload_hash, proposer_id, last_view_tc_id] = ids;
        Header {
            chain_id, parent_id, height, payload_hash, timestamp_ms, view, parent_view,
            parent_voter_indices, parent_voter_sig_data, proposer_id, last_view_tc_id,
        }
    }
}

prop_compose! {
    fn seal()(
        ids in prop::array::uniform3(an_id()),
        signatures in prop::collection::vec(
            (
                prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..4),
                prop::collection::vec(an_id(), 0..4),
            ),
            0..4,
        ),
    ) -> Seal {
        let [block_id, result_id, final_state] = ids;
        let signatures = signatures.into_iter().map(|(signatures, signer_ids)| {
            let verifier_signatures = signatures.iter().collect();
            AggregatedSignature { verifier_signatures, signer_ids }
        });
        Seal { block_id, result_id, final_state, aggregated_approval_sigs: signatures.collect() }
    }
}

prop_compose! {
    fn chunk()(
        ids in prop::array::uniform4(an_id()),
        numbers: [u64; 4],
        service_event_count: Option<u16>,
    ) -> Chunk {
        let [start_state, event_collection, block_id, end_state] = ids;
        let [collection_index, total_computation_used, number_of_transactions, index] = numbers;
        Chunk {
            collection_index, start_state, event_collection, service_event_count, block_id,
            total_computation_used, number_of_transactions, index, end_state,
        }
    }
}

fn small_event() -> impl Strategy<Value = ServiceEvent> {
    prop_oneof![
        an_id().prop_map(|node_id| ServiceEvent::EjectNode { node_id }),
        any::<u64>().prop_map(|value| ServiceEvent::SetEpochExtensionViewCount { value }),
        any::<[u64; 2]>().prop_map(|[new_protocol_state_version, active_view]| {
            ServiceEvent::ProtocolStateVersionUpgrade { new_protocol_state_version, active_view }
        }),
        (any::<u64>(), ".{0,20}").prop_map(|(number, version)| {
            let version_boundaries = vec![VersionBoundary { block_height: number, version }];
            ServiceEvent::VersionBeacon(VersionBeacon { version_boundaries, sequence: number })
        }),
    ]
}

prop_compose! {
    fn result()(
        ids in prop::array::uniform3(an_id()),
        chunks in prop::collection::vec(chunk(), 0..4),
        service_events in prop::collection::vec(small_event(), 0..4),
    ) -> ExecutionResult {
        let [previous_result_id, block_id, execution_data_id] = ids;
        ExecutionResult { previous_result_id, block_id, chunks, service_events, execution_data_id }
    }
}

proptest! {
    #[bounded::test]
    fn headers_survive_rlp(header in header(), flip in 1u8..) {
        survives(&header, flip, Header::decode)?;
    }

    #[bounded::test]
    fn seals_survive_rlp(seal in seal(), flip in 1u8..) {
        survives(&seal, flip, Seal::decode)?;
    }

    #[bounded::test]
    fn results_survive_rlp(result in result(), flip in 1u8..) {
        survives(&result, flip, ExecutionResult::decode)?;
    }

    #[bounded::test]
    fn small_events_survive_json(event in small_event()) {
        let json = event.to_json();
        prop_assert!(!json.contains(&b'<') && !json.contains(&b'&'));
        prop_assert_eq!(ServiceEvent::from_json(event.type_name(), &json).unwrap(), event);
    }
}

/// The value decodes to itself; with a byte altered it does not decode, or to another value that
/// encodes to the altered bytes.
fn survives<T: Entity + PartialEq + std::fmt::Debug>(
    value: &T,
    flip: u8,
    decode: fn(&mut Decoder<'_>) -> Result<T, RlpError>,
) -> Result<(), TestCaseError> {
    let rlp = value.to_rlp();
    let decoded = again(value, decode);
    prop_assert_eq!(decoded.as_ref(), Ok(value));
    for at in 0..rlp.len() {
        let mut altered = rlp.clone();
        altered[at] ^= flip;
        let mut decoder = Decoder::new(&altered);
        if let Ok(other) = decode(&mut decoder)
            && decoder.is_empty()
        {
            prop_assert_eq!(other.to_rlp(), altered);
            prop_assert_ne!(&other, value);
        }
    }
    Ok(())
}

/// The value, encoded and decoded to the end.
fn again<T: Entity>(
    value: &T,
    decode: impl Fn(&mut Decoder<'_>) -> Result<T, RlpError>,
) -> Result<T, RlpError> {
    let rlp = value.to_rlp();
    let mut decoder = Decoder::new(&rlp);
    let value = decode(&mut decoder)?;
    decoder.finish().map(|()| value)
}

fn base64(value: &Value) -> Vec<u8> {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    BASE64_STANDARD.decode(value.as_str().unwrap_or_default()).expect("is base64")
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("is an unsigned integer")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("is text")
}

fn id(value: &Value) -> Identifier {
    text(value).parse().expect("is an identifier")
}
