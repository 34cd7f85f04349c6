//! `weir` through proxies: the same words and exit codes as from the server itself.

use serde_json::Value;
use weir_integration_tests::programs::{Program, Ran, ServerProcess};
use weir_integration_tests::{TestServer, expected};
use weir_protocol::model::Identifier;

use super::chain_of_two;

const CHAIN: &str = "happy-epochs";

/// What a run says, without what differs from run to run: URL, time, and bytes.
fn said(ran: &Ran, url: &str) -> (Option<i32>, String, String) {
    let stdout = match serde_json::from_str::<Value>(&ran.stdout) {
        Ok(Value::Object(mut fields)) => {
            for name in ["bytes_received", "elapsed_ms", "peak_memory_bytes"] {
                fields.remove(name);
            }
            Value::Object(fields).to_string().replace(url, "SERVER")
        }
        _ => {
            let lines = ran.stdout.lines();
            let varies = ["bytes received", "elapsed ms", "peak memory bytes", "bytes_received"];
            let same = lines.filter(|line| !varies.iter().any(|word| line.contains(word)));
            same.map(|line| format!("{}\n", line.replace(url, "SERVER"))).collect()
        }
    };
    (ran.code, stdout, ran.stderr.replace(url, "URL"))
}

/// A run with a folder of its own for its state.
async fn weir(url: &str, root: Identifier, arguments: &str) -> Ran {
    let all = format!("--server {url} --checkpoint {root} {arguments}");
    Program::Client.run(all.split_whitespace()).await
}

#[bounded::test]
async fn every_question_has_the_same_answer_through_proxies() {
    let (server, near, far) = chain_of_two(CHAIN).await;
    let blocks = expected(CHAIN).unwrap();
    let node = {
        let state = server.prover.block_at(0).unwrap().record.protocol_state_id;
        let state = server.prover.states().load(&state).unwrap();
        state.current_setup().participants[3].node_id
    };
    let orphan = blocks.iter().find(|block| block["finalized"] == false).unwrap();
    let orphan = orphan["block_id"].as_str().unwrap();
    let last = blocks.last().unwrap()["block_id"].as_str().unwrap();
    let absent = "09".repeat(32);
    let mut commands = vec![
        format!("snapshot --block {orphan}"),
        format!("--json status --block {last}"),
        format!("epoch --block {absent}"),
        "status --height 5".into(),
        "--json epoch --height 999999".into(),
        "identities --role access".into(),
        "sync".into(),
        "--json sync".into(),
    ];
    let blocks = [
        ("", "--latest"),
        ("--json ", "--sealed"),
        ("--json ", "--height 1010"),
        ("", "--height 1080"),
    ];
    for (json, block) in blocks {
        for question in ["epoch", "status", "identities", "snapshot", "seal", "result"] {
            commands.push(format!("{json}{question} {block}"));
        }
        commands.push(format!("{json}identity {node} {block}"));
        commands.push(format!("{json}identity {absent} {block}"));
        commands.push(format!("{json}tree root {block}"));
        commands.push(format!("{json}tree identity {node} {block}"));
    }
    let mut codes = std::collections::BTreeSet::new();
    for command in commands {
        let direct = weir(&server.url(), server.root_id, &command).await;
        let direct = said(&direct, &server.url());
        // Text and JSON are made from the same answer, so each goes one of the two ways.
        let url = if command.starts_with("--json") { far.url() } else { near.url() };
        let relayed = weir(&url, server.root_id, &command).await;
        assert_eq!(said(&relayed, &url), direct, "{command}");
        codes.insert(direct.0);
    }
    for code in [0, 5, 6, 7] {
        assert!(codes.contains(&Some(code)), "no command ends with {code}: {codes:?}");
    }
}

/// Evidence from behind two proxies stands alone, and is what the server would have given.
#[bounded::test]
async fn saved_evidence_verifies_without_a_server() {
    let (server, near, far) = chain_of_two(CHAIN).await;
    let folder = tempfile::tempdir().unwrap();
    for question in ["epoch --sealed", "identities --height 1080", "result --height 1010"] {
        let mut files = Vec::new();
        for (name, url) in [("direct", server.url()), ("near", near.url()), ("far", far.url())] {
            let path = folder.path().join(name);
            let saved = format!("--json --save {} {question}", path.display());
            let asked = weir(&url, server.root_id, &saved).await;
            let verified = format!("--json verify {}", path.display());
            if question.starts_with("epoch") {
                let verified = weir(&url, server.root_id, &format!("{verified} --as epoch")).await;
                assert_eq!(verified.json(), asked.json());
            } else {
                assert_eq!(weir(&url, server.root_id, &verified).await.json(), asked.json());
            }
            files.push(std::fs::read(path).unwrap());
        }
        assert!(files.iter().all(|file| *file == files[0]), "{question}");
        let elsewhere = format!("verify {}", folder.path().join("far").display());
        let other = "11".repeat(32).parse().unwrap();
        weir(&far.url(), other, &elsewhere).await.expect(3, &["checkpoint"]);
    }
}

/// The program itself: it serves, ends when it is asked to, and says why it does not begin.
#[bounded::test]
async fn the_proxy_is_a_command() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let root = server.root_id.to_string();
    let proxy = ServerProcess::proxy(&server.url(), &root).await.unwrap();
    weir(&proxy.url, server.root_id, "epoch --latest").await.expect(0, &[]);
    assert_eq!(proxy.terminate().await.code, Some(0));
    let strange = "11".repeat(32);
    let ran = ServerProcess::proxy(&server.url(), &strange).await.unwrap_err();
    ran.expect(1, &["cannot begin at the checkpoint", &format!("block {strange} is not known")]);
    let ran = ServerProcess::proxy("http://127.0.0.1:9", &root).await.unwrap_err();
    ran.expect(1, &["cannot begin at the checkpoint", "http://127.0.0.1:9 gave no answer"]);
    let wrong = async |arguments: &str| Program::Server.run(arguments.split_whitespace()).await;
    wrong(&format!("proxy --checkpoint {root}")).await.expect(2, &["--upstream"]);
    wrong("proxy --upstream http://127.0.0.1:9").await.expect(2, &["--checkpoint"]);
    wrong("proxy --upstream http://127.0.0.1:9 --checkpoint 11").await.expect(2, &["--checkpoint"]);
    wrong(&format!("proxy --upstream a:1 --checkpoint {root}")).await.expect(2, &["https://"]);
}
