//! Encodings of the protocol: RLP, msgpack, JSON.

use std::sync::LazyLock;

use weir_protocol::codec::Entity;
use weir_protocol::codec::rlp::{Decoder, RlpError};
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::{
    CollectionGuarantee, EpochCommit, EpochSetup, EpochStateEntry, ExecutionReceiptStub,
    ExecutionResult, Header, Identifier, KvStore, QuorumCertificate, Role, Seal, ServiceEvent,
    TimeoutCertificate, VersionBeacon,
};
use weir_protocol::protocol_state::ParticipationStatus;
use weir_protocol::snapshot_tree::Field;

use crate::input::Input;
use crate::rlp_tree::Item;
use crate::{bytes_edit, files};

/// RLP of any shape: what is read is written again byte for byte, by items and whole.
pub fn rlp(bytes: &[u8]) {
    if let Ok(item) = Item::parse(bytes) {
        assert_eq!(item.to_bytes(), bytes, "another encoding of the same items");
    }
    let mut decoder = Decoder::new(bytes);
    let mut items = Vec::new();
    while let Ok(item) = decoder.raw() {
        items.extend_from_slice(item);
    }
    assert!(bytes.starts_with(&items), "items are not what was read");
    let number = |d: &mut Decoder<'_>| d.uint().map(|number| number.to_string());
    let boolean = |d: &mut Decoder<'_>| d.boolean().map(|value| value.to_string());
    if let (Ok(number), Ok(boolean)) = (whole(bytes, number), whole(bytes, boolean)) {
        assert_eq!(number == "1", boolean == "true", "a boolean is the number 0 or 1");
    }
    let _ = whole(bytes, |d| d.text().map(str::to_owned));
}

/// Values of the model in RLP: what is accepted is the value's one encoding.
pub fn model(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let kind = input.byte() % 13;
    let rlp = input.rest();
    match kind {
        0 => strict(rlp, Header::decode),
        1 => strict(rlp, QuorumCertificate::decode),
        2 => strict(rlp, TimeoutCertificate::decode),
        3 => strict(rlp, CollectionGuarantee::decode),
        4 => strict(rlp, Seal::decode),
        5 => strict(rlp, ExecutionReceiptStub::decode),
        6 => strict(rlp, ExecutionResult::decode),
        7 => strict(rlp, EpochSetup::decode),
        8 => strict(rlp, EpochCommit::decode),
        9 => strict(rlp, VersionBeacon::decode),
        10 => strict(rlp, EpochStateEntry::decode),
        11 => {
            strict(rlp, KvStore::decode);
            store_in_msgpack(rlp);
        }
        _ => {
            let type_name = EVENT_TYPES[rlp.first().map_or(0, |b| usize::from(*b)) % 7];
            strict(rlp.get(1..).unwrap_or_default(), |d| ServiceEvent::decode(type_name, d));
        }
    }
}

/// The key-value store's msgpack: the value survives being written, and its RLP agrees.
pub fn msgpack(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let version = u64::from(input.byte() % 5);
    let Ok(store) = KvStore::from_msgpack(version, input.rest()) else { return };
    let written = store.to_msgpack();
    assert_eq!(KvStore::from_msgpack(version, &written).as_ref(), Ok(&store));
    // Weights may come in any order, and then an absent map is an empty one; no byte more or less.
    if store.execution.is_none() {
        assert_eq!(written, input.rest(), "a store without weights has one form");
    }
    let read = whole(&store.to_rlp(), KvStore::decode);
    assert_eq!(read, Ok(store), "RLP and msgpack disagree");
}

/// JSON of service events: the event survives being written, and its RLP agrees.
pub fn service_event(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let type_name = *input.choose(&EVENT_TYPES);
    let Ok(event) = ServiceEvent::from_json(type_name, input.rest()) else { return };
    assert_eq!(event.type_name(), type_name);
    let again = ServiceEvent::from_json(type_name, &event.to_json());
    assert_eq!(again.as_ref().ok(), Some(&event), "the JSON written is of another event");
    let read = whole(&event.to_rlp(), |d| ServiceEvent::decode(type_name, d));
    assert_eq!(read, Ok(event), "RLP and JSON disagree");
}

/// JSON of snapshots, as it is or as edits of a real one: what is accepted survives being written.
pub fn snapshot(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let json = if !input.is_raw() {
        let mut json = SNAPSHOT.clone();
        bytes_edit::edit(&mut json, &mut input);
        json
    } else {
        input.rest().to_vec()
    };
    let Ok(snapshot) = Snapshot::from_json(&json) else { return };
    let again = Snapshot::from_json(&snapshot.to_json()).expect("what is written can be read");
    assert_eq!(again, snapshot, "the JSON written is of another snapshot");
}

/// Names: IDs, roles, statuses and fields are written as they were read.
pub fn names(bytes: &[u8]) {
    if let Ok(id) = Identifier::try_from(bytes) {
        assert_eq!(id.0, bytes);
    }
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(id) = text.parse::<Identifier>() {
        assert_eq!(id.to_hex(), text.to_lowercase(), "another ID than the text's");
    }
    if let Ok(role) = text.parse::<Role>() {
        assert_eq!(role.name(), text);
    }
    if let Ok(field) = text.parse::<Field>() {
        assert_eq!(field.name(), text);
    }
    if let Ok(status) = text.parse::<ParticipationStatus>() {
        assert_eq!(status.to_string(), text);
    }
}

fn store_in_msgpack(rlp: &[u8]) {
    let Ok(store) = whole(rlp, KvStore::decode) else { return };
    let read = KvStore::from_msgpack(store.version, &store.to_msgpack());
    assert_eq!(read, Ok(store), "RLP and msgpack disagree");
}

fn strict<T: Entity>(rlp: &[u8], decode: impl FnOnce(&mut Decoder<'_>) -> Result<T, RlpError>) {
    if let Ok(value) = whole(rlp, decode) {
        assert_eq!(value.to_rlp(), rlp, "another encoding of the same value");
    }
}

/// A value that is all of the bytes.
pub(crate) fn whole<T>(
    rlp: &[u8],
    decode: impl FnOnce(&mut Decoder<'_>) -> Result<T, RlpError>,
) -> Result<T, RlpError> {
    let mut decoder = Decoder::new(rlp);
    let value = decode(&mut decoder)?;
    decoder.finish()?;
    Ok(value)
}

static SNAPSHOT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    files::gunzip("vectors/conflicting-finality/root-protocol-state-snapshot.json.gz")
});

pub(crate) const EVENT_TYPES: [&str; 7] = [
    "setup",
    "commit",
    "recover",
    "eject-node",
    "protocol-state-version-upgrade",
    "set-epoch-extension-view-count",
    "version-beacon",
];
