//! Key-value store: flow-go's identifiers and msgpack, both ways.

mod common;

use serde_json::Value;
use std::collections::BTreeMap;
use weir_protocol::codec::Entity;
use weir_protocol::codec::msgpack::MsgpackError;
use weir_protocol::codec::rlp::Decoder;
use weir_protocol::model::{
    ExecutionMeteringParameters, ExecutionParameters, FUTURE_KV_STORE_VERSION, Identifier, KvStore,
    MagnitudeVersion, SIMULATED_KV_STORE_VERSION, UpdatableField, ViewBasedActivator,
};

#[bounded::test]
fn primitives_are_flow_gos() {
    let mut versions = [0; 4];
    for vector in common::lines("primitives/kv_store.jsonl.gz") {
        check(&vector, "id");
        versions[usize::try_from(number(&vector["version"])).unwrap()] += 1;
    }
    assert!(versions.iter().all(|count| *count > 0), "{versions:?}");
}

#[bounded::test]
fn states_of_every_chain_are_flow_gos() {
    for chain in common::chains() {
        for vector in common::lines(&format!("{chain}/kv_states.jsonl.gz")) {
            check(&vector, "protocol_state_id");
        }
    }
}

fn check(vector: &Value, id_field: &str) {
    let expected = store(vector);
    let version = expected.version;
    let data = hex::decode(text(&vector["data"])).expect("is hexadecimal");
    assert_eq!(KvStore::from_msgpack(version, &data).as_ref(), Ok(&expected));
    assert_eq!(hex::encode(expected.to_msgpack()), hex::encode(&data));
    assert_eq!(expected.id(), id(&vector[id_field]));
    let rlp = expected.to_rlp();
    let mut decoder = Decoder::new(&rlp);
    assert_eq!(KvStore::decode(&mut decoder).as_ref(), Ok(&expected));
    assert_eq!(decoder.finish(), Ok(()));
    let other = if version == 3 { 2 } else { 3 };
    assert!(KvStore::from_msgpack(other, &data).is_err());
    for at in 0..data.len() {
        assert!(KvStore::from_msgpack(version, &data[..at]).is_err());
        let mut altered = data.clone();
        altered[at] ^= 1;
        if let Ok(store) = KvStore::from_msgpack(version, &altered) {
            assert_eq!(store.to_msgpack(), altered);
            assert_ne!(store, expected);
        }
    }
}

#[bounded::test]
fn rejects_unknown_versions_and_trailing_bytes() {
    let vector = &common::lines("primitives/kv_store.jsonl.gz")[0];
    let store = store(vector);
    let mut data = store.to_msgpack();
    assert_eq!(KvStore::from_msgpack(5, &data), Err(MsgpackError::Version { max: 3, found: 5 }));
    data.push(0);
    assert_eq!(
        KvStore::from_msgpack(store.version, &data),
        Err(MsgpackError::TrailingBytes { found: 1 })
    );
}

#[bounded::test]
fn reads_weights_in_any_order_and_writes_them_ascending() {
    let weights: BTreeMap<u32, u64> = (0..40).map(|kind| (kind, u64::from(kind) * 3)).collect();
    let store = with_weights(weights);
    let data = store.to_msgpack();
    assert_eq!(KvStore::from_msgpack(3, &data).as_ref(), Ok(&store));
    let first = find(&data, &[0xce, 0, 0, 0, 0, 0xcf]);
    let mut swapped = data.clone();
    swapped[first..first + 28].rotate_left(14);
    assert_ne!(swapped, data);
    assert_eq!(KvStore::from_msgpack(3, &swapped).as_ref(), Ok(&store));
    let mut repeated = data.clone();
    repeated.copy_within(first..first + 5, first + 14);
    assert_eq!(KvStore::from_msgpack(3, &repeated), Err(MsgpackError::RepeatedWeight { kind: 0 }));
}

#[bounded::test]
fn reads_absent_weights_as_none() {
    let store = with_weights(BTreeMap::new());
    let mut data = store.to_msgpack();
    let name = b"ExecutionEffortWeights";
    let at = find(&data, name) + name.len();
    assert_eq!(data[at], 0x80);
    data[at] = 0xc0;
    assert_eq!(KvStore::from_msgpack(3, &data), Ok(store));
}

/// What `docs/proposals/snapshot-tree-in-kv-store.md` says, against the bytes of Flow's version 3.
#[bounded::test]
fn the_version_to_come_wraps_flows() {
    let flow = with_weights(BTreeMap::from([(1, 2)]));
    let store = KvStore { version: FUTURE_KV_STORE_VERSION, ..flow.clone() };
    assert!(store.has_fields_of_version());
    assert_eq!(store.to_msgpack(), flow.to_msgpack());
    let (rlp, version) = (store.to_rlp(), FUTURE_KV_STORE_VERSION);
    assert_eq!(KvStore::decode(&mut Decoder::new(&rlp)).as_ref(), Ok(&store));
    assert_eq!(KvStore::from_msgpack(version, &store.to_msgpack()).as_ref(), Ok(&store));
    // Whoever does not know the version reads it all the same, and nothing else.
    for (bytes, version) in [(&rlp, version), (&flow.to_rlp(), flow.version)] {
        assert_eq!(KvStore::decode_version(&mut Decoder::new(bytes)), Ok(version));
    }
    let rlp_of_9 = KvStore { version: 9, ..flow }.to_rlp();
    assert_eq!(KvStore::decode_version(&mut Decoder::new(&rlp_of_9)), Ok(9));
    assert!(KvStore::decode(&mut Decoder::new(&rlp_of_9)).is_err());
}

#[bounded::test]
fn the_simulated_version_nests_flows_and_appends_the_root() {
    let flow = with_weights(BTreeMap::from([(1, 2)]));
    let root = Identifier([0x7e; 32]);
    let store = KvStore {
        version: SIMULATED_KV_STORE_VERSION,
        snapshot_tree_root: Some(root),
        ..flow.clone()
    };
    assert!(store.has_fields_of_version() && flow.has_fields_of_version());
    // [version, model] with a version of 3 bytes and the model as it is, in a list with the root.
    let (inner, rlp) = (flow.to_rlp(), store.to_rlp());
    let start = inner.iter().position(|byte| *byte == 3).unwrap();
    let model = &inner[start + 1..];
    let mut expected = vec![0x83, 0x0f, 0x42, 0x44, 0xf8, u8::try_from(model.len() + 33).unwrap()];
    expected.extend_from_slice(model);
    expected.push(0xa0);
    expected.extend_from_slice(&root.0);
    let mut list = vec![0xf8, u8::try_from(expected.len()).unwrap()];
    list.extend(expected);
    assert_eq!(hex::encode(&rlp), hex::encode(list));
    let mut msgpack = flow.to_msgpack();
    msgpack[0] += 1;
    msgpack.extend_from_slice(b"\xb0SnapshotTreeRoot\xc4\x20");
    msgpack.extend_from_slice(&root.0);
    assert_eq!(hex::encode(store.to_msgpack()), hex::encode(&msgpack));
    let version = SIMULATED_KV_STORE_VERSION;
    assert_eq!(KvStore::from_msgpack(version, &msgpack).as_ref(), Ok(&store));
    assert_eq!(KvStore::decode(&mut Decoder::new(&rlp)).as_ref(), Ok(&store));
    for other in [3, 4, version - 1, version + 1] {
        assert!(KvStore::from_msgpack(other, &msgpack).is_err(), "{other}");
    }
    msgpack.pop();
    assert!(KvStore::from_msgpack(version, &msgpack).is_err());
    assert!(KvStore::decode(&mut Decoder::new(&rlp[..rlp.len() - 1])).is_err());
    assert!(KvStore::from_msgpack(version, &flow.to_msgpack()).is_err());
}

fn with_weights(weights: BTreeMap<u32, u64>) -> KvStore {
    let version = UpdatableField { current_value: MagnitudeVersion::default(), update: None };
    KvStore {
        version: 3,
        version_upgrade: None,
        epoch_state_id: Identifier([3; 32]),
        epoch_extension_view_count: 100,
        finalization_safety_threshold: 10,
        execution: Some(ExecutionParameters {
            metering: UpdatableField {
                current_value: ExecutionMeteringParameters {
                    execution_effort_weights: weights,
                    ..ExecutionMeteringParameters::default()
                },
                update: None,
            },
            execution_component_version: version.clone(),
            cadence_component_version: version,
        }),
        snapshot_tree_root: None,
    }
}

fn find(data: &[u8], pattern: &[u8]) -> usize {
    data.windows(pattern.len()).position(|window| window == pattern).expect("is there")
}

fn store(vector: &Value) -> KvStore {
    let fields = &vector["fields"];
    let version = number(&vector["version"]);
    KvStore {
        version,
        version_upgrade: activator(&fields["VersionUpgrade"], number),
        epoch_state_id: id(&fields["EpochStateID"]),
        epoch_extension_view_count: number(&fields["EpochExtensionViewCount"]),
        finalization_safety_threshold: number(&fields["FinalizationSafetyThreshold"]),
        execution: (version == 3).then(|| ExecutionParameters {
            metering: updatable(&fields["ExecutionMeteringParameters"], metering),
            execution_component_version: updatable(&fields["ExecutionComponentVersion"], magnitude),
            cadence_component_version: updatable(&fields["CadenceComponentVersion"], magnitude),
        }),
        snapshot_tree_root: None,
    }
}

fn activator<T>(value: &Value, data: impl Fn(&Value) -> T) -> Option<ViewBasedActivator<T>> {
    (!value.is_null()).then(|| ViewBasedActivator {
        data: data(&value["Data"]),
        activation_view: number(&value["ActivationView"]),
    })
}

fn updatable<T>(value: &Value, data: impl Fn(&Value) -> T) -> UpdatableField<T> {
    UpdatableField {
        current_value: data(&value["CurrentValue"]),
        update: activator(&value["Update"], data),
    }
}

fn magnitude(value: &Value) -> MagnitudeVersion {
    MagnitudeVersion { major: number(&value["Major"]), minor: number(&value["Minor"]) }
}

fn metering(value: &Value) -> ExecutionMeteringParameters {
    let weights = |value: &Value| {
        let pairs = value.as_object().expect("is an object").iter();
        pairs.map(|(kind, weight)| (kind.parse().expect("is a kind"), number(weight))).collect()
    };
    ExecutionMeteringParameters {
        execution_effort_weights: weights(&value["ExecutionEffortWeights"]),
        execution_memory_weights: weights(&value["ExecutionMemoryWeights"]),
        execution_memory_limit: number(&value["ExecutionMemoryLimit"]),
    }
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
