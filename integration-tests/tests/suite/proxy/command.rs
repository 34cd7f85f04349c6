//! `weir` through proxies: the same words and exit codes as from the server itself.

use serde_json::Value;
use weir_integration_tests::expected;
use weir_integration_tests::programs::{Program, Ran};
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
            Value::Object(fields).to_string()
        }
        _ => {
            let lines = ran.stdout.lines();
            let varies = ["bytes received", "elapsed ms", "peak memory bytes", "bytes_received"];
            let same = lines.filter(|line| !varies.iter().any(|word| line.contains(word)));
            same.map(|line| format!("{line}\n")).collect()
        }
    };
    (ran.code, stdout, ran.stderr.replace(url, "URL"))
}

/// A run with a folder of its own for its state.
async fn weir(url: &str, root: Identifier, arguments: &str) -> Ran {
    let all = format!("--server {url} --checkpoint {root} {arguments}");
    Program::Client.run(all.split_whitespace()).await
}

#[tokio::test]
async fn every_question_has_the_same_answer_through_proxies() {
    let (server, near, far) = chain_of_two(CHAIN).await;
    let blocks = expected(CHAIN).unwrap();
    let node = {
        let state = server.prover.block_at(0).unwrap().record.roots.protocol_state_id;
        let state = server.prover.states().load(&state).unwrap();
        state.current_setup().participants[3].node_id
    };
    let orphan = blocks.iter().find(|block| block["finalized"] == false).unwrap();
    let orphan = orphan["block_id"].as_str().unwrap();
    let last = blocks.last().unwrap()["block_id"].as_str().unwrap();
    let absent = "09".repeat(32);
    let mut commands = vec![format!("snapshot --block {orphan}"), format!("status --block {last}")];
    for block in ["--latest", "--sealed", "--height 1010", "--height 1080"] {
        for question in ["epoch", "status", "identities", "snapshot", "seal", "result"] {
            commands.push(format!("{question} {block}"));
        }
        commands.push(format!("identity {node} {block}"));
        commands.push(format!("identity {absent} {block}"));
        commands.push(format!("tree root {block}"));
        commands.push(format!("tree identity {node} {block}"));
    }
    for refused in ["status --height 5", "epoch --height 999999", "identities --role access"] {
        commands.push(refused.to_owned());
    }
    commands.extend([format!("epoch --block {absent}"), "sync".into()]);
    let mut codes = std::collections::BTreeSet::new();
    for command in commands {
        for json in ["", "--json "] {
            let command = format!("{json}{command}");
            let direct = weir(&server.url(), server.root_id, &command).await;
            let direct = said(&direct, &server.url());
            // Text and JSON are made from the same answer, so each goes one of the two ways.
            let url = if json.is_empty() { near.url() } else { far.url() };
            {
                let relayed = weir(&url, server.root_id, &command).await;
                assert_eq!(said(&relayed, &url), direct, "{command}");
            }
            codes.insert(direct.0);
        }
    }
    for code in [0, 4, 5, 6] {
        assert!(codes.contains(&Some(code)), "no command ends with {code}: {codes:?}");
    }
}
