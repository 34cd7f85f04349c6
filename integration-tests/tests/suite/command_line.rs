//! `weir` against a running `weir-server`: every question, and every way it can end.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use weir_integration_tests::programs::{Program, Ran, ServerProcess};
use weir_integration_tests::{chain_dir, expected, json_lines};

/// A running server, and what flow-go says about its chain.
struct Case {
    server: ServerProcess,
    blocks: Vec<Value>,
    root_id: String,
    folder: TempDir,
}

impl Case {
    async fn new(chain: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut server = ServerProcess::start(&data, &chain_dir(chain)).await.unwrap();
        server.indexed().await;
        let blocks = expected(chain).unwrap();
        let root_id = text(&blocks[0], "block_id").to_owned();
        Self { server, blocks, root_id, folder }
    }

    /// Runs `weir` with the server and the root block as checkpoint.
    async fn weir(&self, arguments: &str) -> Ran {
        weir(&format!("--server {} --checkpoint {} {arguments}", self.server.url, self.root_id))
            .await
    }

    async fn json(&self, arguments: &str) -> Value {
        self.weir(&format!("--json {arguments}")).await.json()
    }

    /// What flow-go says about a finalized height.
    fn finalized(&self, height: u64) -> &Value {
        let at = |block: &&Value| block["finalized"] == true && block["height"] == height;
        self.blocks.iter().find(at).unwrap()
    }

    fn heights(&self) -> std::ops::RangeInclusive<u64> {
        let finalized = self.blocks.iter().filter(|block| block["finalized"] == true);
        let heights: Vec<_> = finalized.map(|block| block["height"].as_u64().unwrap()).collect();
        *heights.iter().min().unwrap()..=*heights.iter().max().unwrap()
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }
}

async fn weir(arguments: &str) -> Ran {
    Program::Client.run(arguments.split_whitespace()).await
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

/// The fields that both have, of which there must be `count`, agree.
fn agree(found: &Value, expected: &Value, count: usize) {
    let both = |field: &&String| expected.get(field).is_some();
    let fields: Vec<_> = found.as_object().unwrap().keys().filter(both).collect();
    assert_eq!(fields.len(), count, "{fields:?}");
    for field in fields {
        assert_eq!(found[field], expected[field], "{field}");
    }
}

#[bounded::test]
async fn every_question_is_answered_as_flow_go_has_it() {
    let case = Case::new("happy-epochs").await;
    let (first, last) = case.heights().into_inner();
    let sealed = text(case.finalized(last), "last_sealed_block_id").to_owned();
    let sealed = case.blocks.iter().find(|block| block["block_id"] == sealed).unwrap();
    for height in [first, first + 1, (first + last) / 2, last] {
        let mut block = case.finalized(height).clone();
        if block["last_sealed_block_id"] == *case.root_id {
            // The root was sealed before the chain began, which no block of it proves.
            block["last_sealed_block_id"] = Value::Null;
        }
        let found = case.json(&format!("epoch --height {height}")).await;
        agree(&found, &block, 6);
        let is_sealed = first < height && height <= sealed["height"].as_u64().unwrap();
        assert_eq!(found["trust"], if is_sealed { "sealed" } else { "finalized" }, "{height}");
        for field in ["first_view", "final_view", "views_left"] {
            assert!(found[field].is_u64(), "{field}: {found}");
        }
        assert!(found["extensions"].is_array(), "{found}");
        let found = case.json(&format!("snapshot --block {}", text(&block, "block_id"))).await;
        agree(&found, &block, 11);
        let found = case.json(&format!("status --height {height}")).await;
        assert_eq!((&found["certified"], &found["finalized"]), (&true.into(), &true.into()));
        assert_eq!(found["sealed"], found["trust"] == "sealed");
        assert_eq!(found["sealed"], found["sealed_by_block_id"].is_string());
        assert_eq!(found["last_sealed_block_id"], block["last_sealed_block_id"]);
    }
}

#[bounded::test]
async fn selectors_name_the_block_they_say() {
    let case = Case::new("happy-epochs").await;
    let (_, last) = case.heights().into_inner();
    let latest = case.json("status --latest").await;
    assert_eq!(latest["height"], last);
    assert_eq!(latest["block_id"], case.finalized(last)["block_id"]);
    assert_eq!(case.json("status").await, latest, "the latest is the default");
    let sealed = case.json("status --sealed").await;
    assert_eq!(sealed["trust"], "sealed");
    assert_eq!(sealed["block_id"], case.finalized(last)["last_sealed_block_id"]);
    for arguments in [
        format!("status --height {}", sealed["height"]),
        format!("status --block {}", text(&sealed, "block_id")),
    ] {
        assert_eq!(case.json(&arguments).await, sealed);
    }
    // A certified block without the quorum of its own children: certified, and no more.
    let is_parent = |id: &Value| case.blocks.iter().any(|block| block["parent_id"] == *id);
    let orphan = case
        .blocks
        .iter()
        .find(|block| block["finalized"] == false && is_parent(&block["block_id"]));
    let orphan = case.json(&format!("status --block {}", text(orphan.unwrap(), "block_id"))).await;
    assert_eq!((&orphan["trust"], &orphan["finalized"]), (&"certified".into(), &false.into()));
}

#[bounded::test]
async fn identities_are_those_of_flow_go() {
    let case = Case::new("ejection").await;
    let states = json_lines("ejection", "epoch_states.jsonl.gz").unwrap();
    let last = *case.heights().end();
    let state_id = &case.finalized(last)["epoch_state_id"];
    let table = states.iter().find(|state| state["epoch_state_id"] == *state_id).unwrap();
    let table = table["identity_table"].as_array().unwrap();
    let ids = |nodes: &Value| -> Vec<String> {
        nodes["identities"].as_array().unwrap().iter().map(|n| text(n, "node_id").into()).collect()
    };
    let all = case.json("identities --latest").await;
    let expected: Vec<String> = table.iter().map(node_id).collect();
    assert_eq!(ids(&all), expected);
    let nodes = all["identities"].as_array().unwrap();
    let mut counted = [0, 0];
    for (count, filter, field, values) in [
        (
            0,
            "--role",
            "role",
            &["collection", "consensus", "execution", "verification", "access"][..],
        ),
        (1, "--status", "status", &["active", "joining", "leaving", "ejected"]),
    ] {
        for value in values {
            let some = case.json(&format!("identities {filter} {value}")).await;
            let matching: Vec<_> = nodes.iter().filter(|node| node[field] == *value).collect();
            assert_eq!(some["identities"].as_array().unwrap().iter().collect::<Vec<_>>(), matching);
            counted[count] += matching.len();
        }
    }
    assert_eq!(counted, [nodes.len(); 2]);
    let both = case.json("identities --role access --role consensus --status ejected").await;
    assert!(ids(&both).len() < nodes.len());

    let node = nodes.iter().find(|node| node["status"] == "ejected").unwrap();
    let fields =
        ["address", "initial_weight", "network_key", "node_id", "role", "staking_key", "status"];
    assert_eq!(node.as_object().unwrap().keys().collect::<Vec<_>>(), fields);
    let one = case.json(&format!("identity {}", text(node, "node_id"))).await;
    assert_eq!(one["identities"], serde_json::json!([node]));
    let before = case.json(&format!("identity {} --height 1000", text(node, "node_id"))).await;
    assert_eq!(before["identities"][0]["status"], "active");
}

#[bounded::test]
async fn seals_and_results_are_those_of_flow_go() {
    let case = Case::new("happy-epochs").await;
    let block_of = |id: &Value| case.blocks.iter().find(|block| block["block_id"] == *id).unwrap();
    for (question, ids) in [("seal", "seal_ids"), ("result", "result_ids")] {
        let found = case.json(question).await;
        assert_eq!(found["block_id"], case.json("status --sealed").await["block_id"]);
        assert_eq!(
            found["result_id"],
            block_of(&found["block_id"])["execution_result_id"],
            "{ids}"
        );
    }
    let seal = case.json("seal").await;
    let sealing = block_of(&seal["sealed_by_block_id"]);
    assert!(sealing["seal_ids"].as_array().unwrap().contains(&seal["seal_id"]), "{seal}");
    assert_eq!(sealing["height"], seal["sealed_by_height"]);

    let mut events = json_lines("happy-epochs", "service_events.jsonl.gz").unwrap();
    // The root was sealed before the chain began.
    events.retain(|event| event["emitted_by_block"] != *case.root_id);
    assert!(!events.is_empty());
    for event in &events {
        let block = block_of(&event["emitted_by_block"]);
        let ran = case.json(&format!("result --block {}", text(block, "block_id"))).await;
        assert_eq!(ran["result_id"], block["execution_result_id"]);
        let counter = &event["event"]["Counter"];
        let found = ran["service_events"].as_array().unwrap();
        assert!(found.iter().any(|event| event["epoch_counter"] == *counter), "{ran}");
    }
    let block = text(&events[0], "emitted_by_block");
    let ran = case.weir(&format!("result --block {block}")).await;
    assert!(
        ran.stdout.contains("  service event ") && ran.stdout.contains("type setup"),
        "{ran:?}"
    );
    assert!(!ran.stdout.contains("  rlp "), "{ran:?}");
    case.weir("seal --latest").await.expect(5, &["is not sealed"]);
    case.weir("result --latest").await.expect(5, &["is not sealed"]);
}

fn node_id(node: &Value) -> String {
    let id = node.get("node_id").or_else(|| node.get("NodeID")).unwrap();
    id.as_str().unwrap().to_owned()
}

#[bounded::test]
async fn an_absent_node_is_proved_absent() {
    let case = Case::new("ejection").await;
    let ran = case.weir(&format!("identity {}", "09".repeat(32))).await;
    ran.expect(6, &["no such node"]);
    let file = case.file("absent");
    let ran = case.weir(&format!("--json --save {file} identity {}", "09".repeat(32))).await;
    assert_eq!(ran.code, Some(6), "{ran:?}");
    let answer: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(answer["identities"], serde_json::json!([]));
    weir(&format!("verify {file} --checkpoint {}", case.root_id))
        .await
        .expect(6, &["no such node"]);
}

#[bounded::test]
async fn people_get_tables_and_machines_one_line() {
    let case = Case::new("ejection").await;
    for question in ["epoch", "status", "snapshot", "identities"] {
        let ran = case.weir(question).await;
        ran.expect(0, &[]);
        let first = ran.stdout.lines().next().unwrap();
        assert!(first.starts_with("block ") && first.contains(" at height "), "{first}");
        assert_eq!(ran.stderr, "", "{question}");
        let json = case.weir(&format!("{question} --json")).await;
        assert_eq!(json.stdout.lines().count(), 1);
        let fields = json.json();
        for field in ["block_id", "height", "view", "trust"] {
            assert!(!fields[field].is_null(), "{question}: {field}");
        }
        assert!(first.contains(text(&fields, "block_id")), "{first}");
    }
}

#[bounded::test]
async fn saved_evidence_verifies_without_a_server_and_not_when_changed() {
    let case = Case::new("happy-epochs").await;
    let file = case.file("evidence");
    let online = case.json(&format!("snapshot --latest --save {file}")).await;
    let verify = format!("verify {file} --checkpoint {}", case.root_id);
    assert_eq!(weir(&format!("{verify} --json")).await.json(), online);

    weir(&format!("verify {file}")).await.expect(1, &["--checkpoint BLOCK_ID"]);
    let missing = case.file("missing");
    let ran = weir(&format!("verify {missing} --checkpoint {}", case.root_id)).await;
    ran.expect(1, &["cannot read", &missing]);
    let other = weir(&format!("verify {file} --checkpoint {}", "00".repeat(32))).await;
    other.expect(3, &["checkpoint: expected block 0000", &case.root_id]);

    let honest = fs::read(&file).unwrap();
    let flipped = case.file("flipped");
    let mut bytes = honest.clone();
    bytes[honest.len() / 2] ^= 1;
    fs::write(&flipped, bytes).unwrap();
    let verify_flipped = format!("verify {flipped} --checkpoint {}", case.root_id);
    weir(&verify_flipped).await.expect(3, &[&flipped, "invalid evidence"]);
    for garbage in [&honest[..100], b"", b"hello"] {
        fs::write(&flipped, garbage).unwrap();
        weir(&verify_flipped).await.expect(3, &["invalid evidence"]);
    }
    assert_eq!(weir(&verify).await.code, Some(0));
    let unwritable = Path::new(&file).join("below-a-file");
    let ran = case.weir(&format!("epoch --save {}", unwritable.display())).await;
    ran.expect(1, &["cannot write"]);
    assert_eq!(ran.stdout, "");
}

#[bounded::test]
async fn what_the_server_refuses_says_what_exists() {
    let case = Case::new("happy-epochs").await;
    let (first, last) = case.heights().into_inner();
    for height in [0, first - 1, last + 1, u64::MAX] {
        let ran = case.weir(&format!("epoch --height {height}")).await;
        let served = format!("finalized heights are {first} to {last}");
        ran.expect(5, &[&format!("height {height} is not served"), &served]);
    }
    let unknown = "ab".repeat(32);
    let ran = case.weir(&format!("epoch --block {unknown}")).await;
    ran.expect(5, &[&format!("block {unknown} is not known")]);
    let other = expected("ejection").unwrap()[0]["block_id"].as_str().unwrap().to_owned();
    let ran = weir(&format!("--server {} --checkpoint {other} epoch", case.server.url)).await;
    ran.expect(5, &[&format!("block {other} is not known")]);
    // Served, but certified by nobody.
    let is_parent = |id: &Value| case.blocks.iter().any(|block| block["parent_id"] == *id);
    let leaf = case.blocks.iter().rev().find(|block| !is_parent(&block["block_id"])).unwrap();
    let ran = case.weir(&format!("epoch --block {}", text(leaf, "block_id"))).await;
    ran.expect(7, &["not proved", "is not certified", text(leaf, "block_id")]);
    assert_eq!(ran.stdout, "");
    case.weir(&format!("epoch --height {last}")).await.expect(0, &[]);
}

#[bounded::test]
async fn wrong_usage_is_explained() {
    let id = "09".repeat(32);
    for (arguments, message) in [
        ("--flag epoch".to_owned(), "unexpected argument '--flag'"),
        ("identity 0909".to_owned(), "64 hex"),
        (format!("identity {id}00"), "64 hex"),
        (format!("identity {}zz", &id[2..]), "hex"),
        ("--checkpoint nonsense epoch".to_owned(), "64 hex"),
        ("epoch --height minus".to_owned(), "invalid digit"),
        (format!("epoch --height 1 --block {id}"), "cannot be used with"),
        ("identities --role minister".to_owned(), "minister"),
        ("identities --status asleep".to_owned(), "asleep"),
        ("frobnicate".to_owned(), "unrecognized subcommand 'frobnicate'"),
        (String::new(), "Usage: weir"),
    ] {
        weir(&arguments).await.expect(2, &[message]);
    }
    weir("epoch").await.expect(1, &["no server given", "--server URL"]);
    weir("--help").await.expect(0, &[]);
    weir("--version").await.expect(0, &[]);
}

#[bounded::test]
async fn what_is_no_weir_server_is_named() {
    let ask = |url: &str| format!("--server {url} --checkpoint {} epoch", "09".repeat(32));
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let message = format!("cannot connect to {closed}: is a weir-server running there?");
    weir(&ask(&closed)).await.expect(5, &[&message]);
    weir(&ask("http://no such host")).await.expect(2, &[]);
    weir(&ask("ftp://")).await.expect(2, &["`ftp://` is not the address of a server"]);

    let html = answering(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
    let ran = weir(&ask(&html)).await;
    ran.expect(5, &[&format!("{html} gave no answer: this port speaks HTTP/1.1")]);
    let silent = answering(b"").await;
    let ran = weir(&ask(&silent)).await;
    ran.expect(5, &[&format!("{silent} is not a weir server")]);
}

/// Listens, and answers whoever speaks with these bytes, then closes.
async fn answering(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer_and_close(stream, bytes));
        }
    });
    url
}

async fn answer_and_close(mut stream: TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    let mut request = [0; 1024];
    if stream.read(&mut request).await? > 0 {
        stream.write_all(bytes).await?;
    }
    stream.shutdown().await
}
