//! Service events as flow-go reads and hashes them.
//!
//! `vectors/primitives/service_events.jsonl.gz` has edited events, with what flow-go's
//! `MessageToServiceEvent` and `ExecutionResult.ID` made of each.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "these vectors are no chains")]
mod common;

use weir_protocol::codec::Entity as _;
use weir_protocol::codec::rlp::Decoder;
use weir_protocol::model::{ExecutionResult, Identifier, ServiceEvent};

/// One edited event.
struct Case {
    name: String,
    kind: String,
    payload: String,
    /// ID of a result with this event alone; none where flow-go does not decode or hash it.
    id: Option<String>,
    /// The event as flow-go writes it again; none where it panics.
    json: Option<String>,
}

fn cases() -> Vec<Case> {
    let lines = common::lines("primitives/service_events.jsonl.gz");
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let case = |value: &serde_json::Value| Case {
        name: text(&value["name"]).unwrap(),
        kind: text(&value["type"]).unwrap(),
        payload: text(&value["payload"]).unwrap(),
        id: text(&value["id"]),
        json: text(&value["json"]),
    };
    lines.iter().map(case).collect()
}

fn result(event: ServiceEvent) -> ExecutionResult {
    ExecutionResult {
        previous_result_id: Identifier::ZERO,
        block_id: Identifier::ZERO,
        chunks: Vec::new(),
        service_events: vec![event],
        execution_data_id: Identifier::ZERO,
    }
}

/// Forms that flow-go reads and no flow-go node writes: the access node's doing, not the network's.
const STRICTER: [&str; 3] = ["random base64 with newline", "random trailing bits", "random array"];

#[bounded::test]
fn accepts_the_events_that_flow_go_decodes_and_hashes_and_no_others() {
    let mut accepted = 0;
    for Case { name, kind, payload, id, json } in cases() {
        let found = ServiceEvent::from_json(&kind, payload.as_bytes());
        if json.is_none() || STRICTER.contains(&name.as_str()) {
            // Without a role flow-go cannot write the event, so that nobody can ask for its block.
            assert!(found.is_err(), "{kind}: {name}");
            continue;
        }
        match (found, id) {
            (Ok(event), Some(expected)) => {
                accepted += 1;
                assert_eq!(result(event).id().to_hex(), expected, "{kind}: {name}");
            }
            (Err(_), None) => {}
            (found, expected) => panic!("{kind}: {name}: expected {expected:?}, found {found:?}"),
        }
    }
    assert!(accepted > 80, "{accepted}");
}

#[bounded::test]
fn reads_again_what_flow_go_and_it_itself_write() {
    for Case { name, kind, id, json, .. } in cases() {
        let (Some(id), Some(json)) = (id, json) else { continue };
        let event = ServiceEvent::from_json(&kind, json.as_bytes()).unwrap();
        assert_eq!(result(event.clone()).id().to_hex(), id, "{kind}: {name}");
        let written = ServiceEvent::from_json(&kind, &event.to_json()).unwrap();
        assert_eq!(written, event, "{kind}: {name}");
        let rlp = event.to_rlp();
        let mut decoder = Decoder::new(&rlp);
        assert_eq!(ServiceEvent::decode(&kind, &mut decoder).unwrap(), event, "{kind}: {name}");
        decoder.finish().unwrap();
        // What was null, a nil list in Go, is written as an empty list.
        if name == "unchanged" {
            assert_eq!(event.to_json(), json.as_bytes(), "{kind}: {name}");
        }
    }
}
