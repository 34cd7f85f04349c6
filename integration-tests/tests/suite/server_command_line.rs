//! `weir-server` as its operator runs it: replay, serve, fsck, and every way they can fail.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use weir_integration_tests::programs::{Program, Ran, ServerProcess};
use weir_integration_tests::{chain_dir, expected, gunzip};

async fn server<const N: usize>(arguments: [&str; N]) -> Ran {
    Program::Server.run(arguments).await
}

async fn replay(dir: &Path, more: &[&str]) -> Ran {
    let mut arguments = vec![OsString::from("replay"), dir.into()];
    arguments.extend(more.iter().map(OsString::from));
    Program::Server.run(arguments).await
}

/// Runs `serve` where it must fail.
async fn serve(data: &Path, source: &str, listen: &str) -> Ran {
    let mut arguments: Vec<OsString> = vec!["serve".into(), "--data".into(), data.into()];
    arguments.extend(["--source", source, "--listen", listen].map(OsString::from));
    Program::Server.run(arguments).await
}

fn source(chain: &str) -> String {
    format!("replay:{}", chain_dir(chain).display())
}

/// A chain folder of plain files, with its blocks changed.
fn changed(chain: &str, change: impl FnOnce(&mut Vec<u8>)) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = gunzip(chain, "root-protocol-state-snapshot.json.gz").unwrap();
    fs::write(dir.path().join("root-protocol-state-snapshot.json"), snapshot).unwrap();
    let mut blocks = gunzip(chain, "blocks.pb.gz").unwrap();
    change(&mut blocks);
    fs::write(dir.path().join("blocks.pb"), blocks).unwrap();
    dir
}

/// Where the frame of a block begins.
fn frame(blocks: &[u8], index: usize) -> usize {
    (0..index).fold(0, |at, _| {
        let length: [u8; 4] = blocks[at..at + 4].try_into().unwrap();
        at + 4 + usize::try_from(u32::from_be_bytes(length)).unwrap()
    })
}

const ANY_PORT: &str = "127.0.0.1:0";

#[bounded::test]
async fn replay_of_a_consistent_chain_ends_with_0() {
    for dir in [chain_dir("ejection"), changed("ejection", |_| ()).keep()] {
        let ran = replay(&dir, &["--json"]).await;
        ran.expect(0, &[]);
        assert_eq!(ran.stderr, "");
        let expected = expected("ejection").unwrap();
        assert_eq!(ran.stdout.lines().count(), expected.len());
        for (line, block) in ran.stdout.lines().zip(expected) {
            let found: Value = serde_json::from_str(line).unwrap();
            assert_eq!(found["block_id"], block["block_id"]);
            assert_eq!(found["protocol_state_id"], block["protocol_state_id"]);
        }
        let again = replay(&dir, &["--json", "--all-signatures"]).await;
        assert_eq!((again.code, again.stdout), (Some(0), ran.stdout));
        let text = replay(&dir, &[]).await;
        assert!(text.stdout.starts_with("52 blocks, every one consistent"), "{text:?}");
    }
}

#[bounded::test]
async fn replay_of_conflicting_certificates_ends_with_3_and_the_evidence() {
    let ran = replay(&chain_dir("conflicting-finality"), &["--json"]).await;
    ran.expect(3, &["conflicting certificates"]);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), expected("conflicting-finality").unwrap().len() + 1);
    let last = lines[lines.len() - 1];
    assert!(last.starts_with("{\"evidence\":[{"), "{last}");
    let evidence: Value = serde_json::from_str(last).unwrap();
    assert_eq!(evidence["evidence"][0]["kind"], "conflicting_finality");
    assert!(lines[..lines.len() - 1].iter().all(|line| !line.contains("evidence")));
}

#[bounded::test]
async fn replay_of_a_broken_chain_ends_with_1_and_names_the_block() {
    let truncated = changed("ejection", |blocks| blocks.truncate(frame(blocks, 5) + 100));
    let ran = replay(truncated.path(), &[]).await;
    ran.expect(1, &["blocks.pb", "block 5, at byte"]);
    let without = changed("ejection", |blocks| {
        let (start, end) = (frame(blocks, 1), frame(blocks, 2));
        blocks.drain(start..end);
    });
    let blocks = expected("ejection").unwrap();
    let (gone, next) = (blocks[1]["block_id"].as_str(), blocks[2]["block_id"].as_str());
    let (gone, next) = (gone.unwrap(), next.unwrap());
    let ran = replay(without.path(), &["--json"]).await;
    let rule = format!("parent: expected a block read before, found {gone}");
    ran.expect(1, &[&format!("block {next}"), "height", "view", &rule]);
    replay(changed("ejection", |_| ()).path(), &[]).await.expect(0, &[]);
}

#[bounded::test]
async fn replay_of_no_chain_ends_with_1_and_says_what_a_chain_is() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    replay(&missing, &[]).await.expect(1, &["missing is not a folder", "blocks.pb"]);
    replay(dir.path(), &[]).await.expect(1, &["holds neither root-protocol-state-snapshot.json"]);
    let empty = changed("ejection", Vec::clear);
    replay(empty.path(), &[]).await.expect(1, &["the folder has no blocks"]);
}

#[bounded::test]
async fn wrong_usage_is_explained() {
    server(["replay"]).await.expect(2, &["<DIR>"]);
    server(["replay", "a", "--frob"]).await.expect(2, &["unexpected argument '--frob'"]);
    server(["frob"]).await.expect(2, &["unrecognized subcommand 'frob'"]);
    server(["serve", "--data", "a"]).await.expect(2, &["--source"]);
    for source in ["a", "replay:", "https://example"] {
        let ran = server(["serve", "--data", "a", "--source", source]).await;
        ran.expect(2, &["a source is replay:DIR"]);
    }
    let ran = server(["serve", "--data", "a", "--source", "replay:a", "--listen", "here"]).await;
    ran.expect(2, &["--listen", "here"]);
    assert!(!Path::new("a").exists());
    server(["--help"]).await.expect(0, &[]);
}

#[bounded::test]
async fn serve_refuses_ports_and_folders_it_cannot_use() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let happy = source("happy-epochs");

    let taken = TcpListener::bind(ANY_PORT).await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let in_use = format!("cannot listen on {address}; is the port in use?");
    serve(&data, &happy, &address).await.expect(1, &[&in_use, "--listen"]);
    let file = dir.path().join("file");
    fs::write(&file, "mine").unwrap();
    serve(&file, &happy, ANY_PORT).await.expect(1, &["file is not a folder"]);
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    let below = file.join("below");
    serve(&below, &happy, ANY_PORT).await.expect(1, &["below is not a folder"]);
    let foreign = dir.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis"), "mine").unwrap();
    let ran = serve(&foreign, &happy, ANY_PORT).await;
    ran.expect(1, &["is not a weir store: it holds", "thesis"]);
    assert_eq!(fs::read_dir(&foreign).unwrap().count(), 1);
    let nowhere = format!("replay:{}", dir.path().join("nowhere").display());
    let ran = serve(&data, &nowhere, ANY_PORT).await;
    ran.expect(1, &["nowhere is not a folder; a chain folder holds"]);
    assert!(!data.exists());

    let first = ServerProcess::start(&data, &chain_dir("happy-epochs")).await.unwrap();
    let ran = serve(&data, &happy, ANY_PORT).await;
    ran.expect(1, &["data folder in use by another weir-server"]);
    fsck(&data).await.expect(5, &["data folder in use by another weir-server"]);
    first.kill().await;
    ServerProcess::start(&data, &chain_dir("happy-epochs")).await.unwrap().kill().await;
}

#[bounded::test]
async fn serve_refuses_the_source_of_another_chain() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    indexed(&data, chain_dir("happy-epochs")).await;
    let ran = serve(&data, &source("ejection"), ANY_PORT).await;
    ran.expect(1, &["the data folder holds spork", "the source is of", "another data folder"]);
    let shortened = changed("happy-epochs", |blocks| {
        let (start, end) = (frame(blocks, 30), frame(blocks, 31));
        blocks.drain(start..end);
    });
    let ran = serve(&data, &format!("replay:{}", shortened.path().display()), ANY_PORT).await;
    ran.expect(1, &["block 117 of the source is missing", "the source was changed"]);
    fsck(&data).await.expect(0, &[]);
    indexed(&data, chain_dir("happy-epochs")).await;
}

#[bounded::test]
async fn serve_announces_its_address_and_ends_when_told() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut first = ServerProcess::start(&data, &chain_dir("happy-epochs")).await.unwrap();
    assert!(first.url.starts_with("http://127.0.0.1:") && !first.url.ends_with(":0"));
    first.indexed().await;
    let ran = first.terminate().await;
    ran.expect(0, &[]);
    // Nobody watches, so there is no progress bar and no colour.
    assert!(!ran.stderr.contains('\u{1b}'), "{ran:?}");
    let ran = fsck(&data).await;
    ran.expect(0, &[]);
    assert!(ran.stdout.starts_with("118 blocks in 1 segments checked"), "{ran:?}");
    assert!(ran.stdout.contains("index: 118 blocks, 118 payloads"), "{ran:?}");
    assert!(ran.stdout.ends_with("no findings\n"), "{ran:?}");
    let ran = server(["migrate", "--dry-run", "--data", data.to_str().unwrap()]).await;
    ran.expect(0, &[]);
    assert!(ran.stdout.contains("is up to date"), "{ran:?}");
}

#[bounded::test]
async fn fsck_and_migrate_refuse_what_is_no_store() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let missing = format!("{path}/missing");
    fsck(Path::new(&missing)).await.expect(5, &["missing is not a folder"]);
    server(["migrate", "--data", &missing]).await.expect(1, &["missing"]);
    assert!(!Path::new(&missing).exists());
    fs::write(dir.path().join("thesis"), "mine").unwrap();
    fsck(dir.path()).await.expect(5, &["is not a weir store", "thesis"]);
    server(["migrate", "--data", path]).await.expect(1, &["is not a weir store"]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

/// Indexes a chain to its end.
async fn indexed(data: &Path, chain: PathBuf) {
    let mut process = ServerProcess::start(data, &chain).await.unwrap();
    process.indexed().await;
    process.terminate().await.expect(0, &[]);
}

async fn fsck(data: &Path) -> Ran {
    Program::Server.run(["fsck".as_ref(), "--data".as_ref(), data.as_os_str()]).await
}

#[bounded::test]
async fn access_nodes_need_urls_and_something_trusted() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path().join("data");
    for source in ["access:", "access:ftp://127.0.0.1:1", "access:http://127.0.0.1:1,nonsense"] {
        serve(&data, source, ANY_PORT).await.expect(2, &["is not the address of a server"]);
    }
    let ran = serve(&data, "access:http://127.0.0.1:1", ANY_PORT).await;
    ran.expect(1, &["access nodes are not trusted", "--checkpoint", "--root"]);
    let arguments = ["serve", "--data", data.to_str().unwrap(), "--listen", ANY_PORT];
    let with = |more: &[&str]| {
        let all: Vec<OsString> = arguments.iter().chain(more).map(OsString::from).collect();
        async move { Program::Server.run(all).await }
    };
    let id = "00".repeat(32);
    let access = ["--source", "access:http://127.0.0.1:1"];
    let ran = with(&[&access[..], &["--checkpoint", &id]].concat()).await;
    ran.expect(1, &[&format!("no snapshot of checkpoint {id}"), "http://127.0.0.1:1"]);
    let ran = with(&[&access[..], &["--checkpoint", "12ab"]].concat()).await;
    ran.expect(2, &["--checkpoint"]);
    let ran = with(&[&access[..], &["--root", "no-such-file"]].concat()).await;
    ran.expect(1, &["cannot read no-such-file"]);
    let replay = ["--source", &source("ejection"), "--checkpoint", &id];
    with(&replay).await.expect(1, &["are for access nodes"]);
    let replay = ["--source", &source("ejection"), "--spork", &id];
    with(&replay).await.expect(1, &["are for access nodes"]);
}
