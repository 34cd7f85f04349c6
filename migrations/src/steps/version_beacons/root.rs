//! The version beacons in a root snapshot's execution results, from flow-go's JSON of 2026.

use std::collections::HashMap;

use serde_json::Value;

use super::{Id, damaged};
use crate::registry::StepError;
use crate::steps::frozen::{ROOT_SNAPSHOT, content};

/// What a root snapshot has of blocks that may be sealed above it.
pub(super) struct Root {
    /// RLP of the last version beacon of each result that has one.
    pub(super) beacons: HashMap<Id, Vec<u8>>,
    /// The blocks up to the root, numbered from the lowest.
    pub(super) places: HashMap<Id, u64>,
}

pub(super) fn read(tree: &sled::Tree) -> Result<Root, StepError> {
    let key = [ROOT_SNAPSHOT];
    let value = tree.get(key)?.ok_or_else(|| damaged(&key))?;
    let json = content(&key, &value).and_then(|json| serde_json::from_slice::<Value>(&json).ok());
    json.as_ref().and_then(parse).ok_or_else(|| damaged(&key))
}

fn parse(snapshot: &Value) -> Option<Root> {
    let segment = &snapshot["SealingSegment"];
    let blocks = || list(&segment["Blocks"]).map(|block| &block["Block"]);
    let places = blocks().map(|block| id(&block["ID"])).zip(0..);
    let included = blocks().flat_map(|block| list(&block["Payload"]["Results"]));
    let mut beacons = HashMap::new();
    for result in list(&segment["ExecutionResults"]).chain(included) {
        let events = list(&result["ServiceEvents"]);
        let event = events.filter(|event| event["Type"] == "version-beacon").last();
        if let Some(event) = event {
            beacons.insert(id(&result["ID"])?, beacon_rlp(&event["Event"])?);
        }
    }
    let places = places.map(|(id, place)| Some((id?, place))).collect::<Option<_>>()?;
    Some(Root { beacons, places })
}

/// A list, which flow-go writes as null when it is empty.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn id(value: &Value) -> Option<Id> {
    let digits = value.as_str()?.as_bytes();
    let mut id = Id::default();
    if digits.len() != 2 * id.len() {
        return None;
    }
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(id)
}

/// `[[[block height, version], …], sequence]`.
fn beacon_rlp(event: &Value) -> Option<Vec<u8>> {
    let mut boundaries = Vec::new();
    for boundary in list(&event["VersionBoundaries"]) {
        let height = uint(boundary["BlockHeight"].as_u64()?);
        let version = string(boundary["Version"].as_str()?.as_bytes());
        boundaries.extend(rlp_list(&[height, version].concat()));
    }
    let sequence = uint(event["Sequence"].as_u64()?);
    Some(rlp_list(&[rlp_list(&boundaries), sequence].concat()))
}

fn uint(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    string(&bytes[zeros..])
}

fn string(bytes: &[u8]) -> Vec<u8> {
    match bytes {
        [byte] if *byte < 0x80 => vec![*byte],
        _ => [&head(0x80, bytes.len())[..], bytes].concat(),
    }
}

fn rlp_list(body: &[u8]) -> Vec<u8> {
    [&head(0xc0, body.len())[..], body].concat()
}

/// The head of a string or list of a length.
fn head(kind: u8, len: usize) -> Vec<u8> {
    let bytes = len.to_be_bytes();
    let digits: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
    match u8::try_from(len) {
        Ok(short) if short <= SHORT_MAX => vec![kind + short],
        _ => {
            let count = u8::try_from(digits.len()).expect("a length has at most 8 digits");
            [&[kind + SHORT_MAX + count][..], &digits].concat()
        }
    }
}

/// Longest body whose length fits into the first byte.
const SHORT_MAX: u8 = 55;
