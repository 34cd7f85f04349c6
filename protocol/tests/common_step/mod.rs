//! Reads the reference chains: just enough protobuf and JSON for blocks and service events.
//!
//! Kept apart from the crate's own decoders, so that a fault in them cannot hide one here.

#![allow(dead_code, unused_imports, reason = "every test crate uses a part of it")]

mod json;

use serde_json::Value;
use std::io::Read;
use std::path::PathBuf;
use weir_protocol::model::{ExecutionResult, Identifier, Seal, ServiceEvent};

pub(crate) use json::{commit, entry, id, kv, setup, text, uint};

/// Chains of the reference vectors.
pub(crate) const CHAINS: [&str; 13] = [
    "conflicting-finality",
    "efm-after-commit",
    "efm-bad-commit-and-readmission",
    "efm-invalid-setup-then-recovery",
    "efm-missed-commit",
    "ejection",
    "happy-epochs",
    "kv-version-upgrades",
    "random-1",
    "random-2",
    "random-3",
    "thirty-epochs",
    "wide-462-nodes",
];

/// One reference chain.
pub(crate) struct Chain {
    /// Its name.
    pub(crate) name: &'static str,
    /// All blocks, parents first.
    pub(crate) blocks: Vec<Block>,
    /// Distinct key-value stores.
    pub(crate) kv_states: Vec<Value>,
    /// Distinct epoch states.
    pub(crate) epoch_states: Vec<Value>,
    /// Epoch events.
    pub(crate) service_events: Vec<Value>,
}

/// What the step needs of a block, and what flow-go computed for it.
pub(crate) struct Block {
    /// Block ID.
    pub(crate) block_id: Identifier,
    /// Parent's ID.
    pub(crate) parent_id: Identifier,
    /// Height.
    pub(crate) height: u64,
    /// View.
    pub(crate) view: u64,
    /// Seals.
    pub(crate) seals: Vec<Seal>,
    /// Results, with their IDs.
    pub(crate) results: Vec<(Identifier, ExecutionResult)>,
    /// Line of `expected.jsonl`.
    pub(crate) expected: Value,
}

impl Chain {
    /// Reads a chain's folder.
    pub(crate) fn load(name: &'static str) -> Self {
        let expected = lines(name, "expected.jsonl.gz");
        let raw = gunzip(name, "blocks.pb.gz");
        let mut rest = &raw[..];
        let mut blocks = Vec::new();
        for line in expected {
            let (len, after) = rest.split_at(4);
            let len = u32::from_be_bytes(len.try_into().unwrap()) as usize;
            let (message, after) = after.split_at(len);
            blocks.push(read_block(message, line));
            rest = after;
        }
        assert!(rest.is_empty(), "{name}: as many blocks as lines");
        Self {
            name,
            blocks,
            kv_states: lines(name, "kv_states.jsonl.gz"),
            epoch_states: lines(name, "epoch_states.jsonl.gz"),
            service_events: lines(name, "service_events.jsonl.gz"),
        }
    }

    /// The line of an epoch state.
    pub(crate) fn epoch_state(&self, state_id: Identifier) -> &Value {
        find(&self.epoch_states, "epoch_state_id", state_id)
    }

    /// The line of a key-value store.
    pub(crate) fn kv_state(&self, state_id: Identifier) -> &Value {
        find(&self.kv_states, "protocol_state_id", state_id)
    }

    /// An epoch event by its ID.
    pub(crate) fn service_event(&self, event_id: Identifier) -> &Value {
        &find(&self.service_events, "id", event_id)["event"]
    }
}

fn find<'a>(lines: &'a [Value], key: &str, wanted: Identifier) -> &'a Value {
    lines.iter().find(|line| id(&line[key]) == wanted).expect("vectors are complete")
}

fn gunzip(chain: &str, file: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../integration-tests/vectors");
    let path = PathBuf::from(folder).join(chain).join(file);
    let packed = std::fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
    bytes
}

fn lines(chain: &str, file: &str) -> Vec<Value> {
    let text = String::from_utf8(gunzip(chain, file)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// `flow.entities.Block`.
fn read_block(message: &[u8], expected: Value) -> Block {
    let header = only(message, 10);
    let result_ids = expected["result_ids"].as_array().unwrap().iter().map(id);
    let results = all(message, 9).into_iter().map(read_result);
    Block {
        block_id: id(&expected["block_id"]),
        parent_id: identifier(only(header, 2)),
        height: number(header, 3),
        view: number(header, 6),
        seals: all(message, 6).into_iter().map(read_seal).collect(),
        results: result_ids.zip(results).collect(),
        expected,
    }
}

/// `flow.entities.BlockSeal`.
fn read_seal(message: &[u8]) -> Seal {
    Seal {
        block_id: identifier(only(message, 1)),
        result_id: identifier(only(message, 6)),
        final_state: identifier(only(message, 5)),
        aggregated_approval_sigs: Vec::new(),
    }
}

/// `flow.entities.ExecutionResult`, without its chunks.
fn read_result(message: &[u8]) -> ExecutionResult {
    ExecutionResult {
        previous_result_id: identifier(only(message, 1)),
        block_id: identifier(only(message, 2)),
        chunks: Vec::new(),
        service_events: all(message, 4).into_iter().map(read_event).collect(),
        execution_data_id: identifier(only(message, 5)),
    }
}

/// `flow.entities.ServiceEvent`.
fn read_event(message: &[u8]) -> ServiceEvent {
    let type_name = std::str::from_utf8(only(message, 1)).unwrap();
    json::service_event(type_name, &serde_json::from_slice(only(message, 2)).unwrap())
}

fn identifier(bytes: &[u8]) -> Identifier {
    Identifier::try_from(bytes).unwrap()
}

/// A field's value: an integer, or bytes.
enum Field<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
}

fn fields(mut message: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let field = match key & 7 {
            0 => Field::Varint(varint(&mut message)),
            2 => {
                let len = usize::try_from(varint(&mut message)).unwrap();
                let (bytes, rest) = message.split_at(len);
                message = rest;
                Field::Bytes(bytes)
            }
            wire_type => panic!("wire type {wire_type}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

fn varint(message: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = message.split_first().unwrap();
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return value;
        }
    }
    panic!("varint too long")
}

fn all(message: &[u8], wanted: u64) -> Vec<&[u8]> {
    let fields = fields(message).into_iter();
    fields
        .filter_map(|(field, value)| match value {
            Field::Bytes(bytes) if field == wanted => Some(bytes),
            _ => None,
        })
        .collect()
}

fn only(message: &[u8], wanted: u64) -> &[u8] {
    all(message, wanted).first().copied().unwrap_or_default()
}

fn number(message: &[u8], wanted: u64) -> u64 {
    let value = fields(message).into_iter().find_map(|(field, value)| match value {
        Field::Varint(value) if field == wanted => Some(value),
        _ => None,
    });
    value.unwrap_or_default()
}
