//! What a host sees: options, tasks and steps. Answers of a server are tested in the other languages.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use weir_host::{Client, HostError, Moment, Options, Step};

const CHECKPOINT: &str = "19c5d97f4574a3279c67d7d60e50862b93c909f734d0f4f7df93ea5d5a2f07ad";

fn start(options: &Value) -> Result<Client, HostError> {
    Client::start(&Options::read(options)?)
}

fn begun() -> Client {
    let servers = ["http://one", "http://two"];
    start(&json!({ "servers": servers, "checkpoint": CHECKPOINT })).unwrap()
}

fn path(step: Step) -> (usize, &'static str) {
    match step {
        Step::Call { server, path, .. } => (server, path),
        other => panic!("{other:?}"),
    }
}

#[bounded::test]
fn options_that_make_no_sense_are_refused() {
    let key = format!("http://one#{}", "0".repeat(63));
    for wrong in [
        json!(null),
        json!([]),
        json!({ "checkpoint": CHECKPOINT }),
        json!({ "servers": "http://one", "checkpoint": CHECKPOINT }),
        json!({ "servers": [5], "checkpoint": CHECKPOINT }),
        json!({ "servers": [key], "checkpoint": CHECKPOINT }),
        json!({ "servers": ["http://one"], "checkpoint": &CHECKPOINT[1..] }),
        json!({ "servers": ["http://one"], "checkpoint": CHECKPOINT, "evidence": true }),
        json!({ "servers": ["http://one"], "checkpoint": CHECKPOINT, "keep_evidence": "yes" }),
        json!({ "servers": ["http://one"], "checkpoint": CHECKPOINT, "clock": { "now": 1 } }),
        json!({ "servers": ["http://one"], "checkpoint": CHECKPOINT, "clock": { "now_ms": -1 } }),
        json!({
            "servers": ["http://one"],
            "checkpoint": CHECKPOINT,
            "clock": { "trusting_period_ms": 1 },
        }),
    ] {
        let error = start(&wrong).map(|_| ()).unwrap_err();
        assert_eq!((error.kind, &*error.rule), ("usage", "Argument"), "{wrong}");
    }
}

#[bounded::test]
fn a_start_asks_each_server_for_the_checkpoint() {
    let mut client = begun();
    let now = Moment::default();
    assert_eq!(path(client.step(now)), (0, "/weir.v1.SnapshotAPI/GetCheckpoint"));
    client.hear_nothing(0, "silence");
    assert_eq!(path(client.step(now)), (1, "/weir.v1.SnapshotAPI/GetCheckpoint"));
    client.hear_refusal(1, 5, "no such block", &[]);
    assert_eq!(client.step(now), Step::Done);
    let error = client.take().unwrap_err();
    assert_eq!((error.kind, error.url.as_deref()), ("transport", Some("http://two")));
    assert_eq!(client.trusted(), Value::Null);
    // It never began, so it has nothing to go on from.
    assert_eq!(client.sync().unwrap_err().kind, "usage");
}

#[bounded::test]
fn a_cancelled_start_calls_nobody() {
    let mut client = begun();
    path(client.step(Moment::default()));
    client.cancel();
    assert_eq!(client.step(Moment::default()), Step::Done);
    assert_eq!(client.take().unwrap_err().rule, "Cancelled");
}

#[bounded::test]
fn what_is_no_message_is_no_answer() {
    let mut client = begun();
    path(client.step(Moment::default()));
    client.hear(0, vec![0xff; 3], None);
    assert_eq!(path(client.step(Moment::default())).0, 1);
}
