//! `weir-server devnet` as its user runs it: chain folders, and what it refuses.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use weir_integration_tests::programs::{Program, Ran};

async fn devnet(arguments: &[&str]) -> Ran {
    let all: Vec<&str> = ["devnet"].into_iter().chain(arguments.iter().copied()).collect();
    Program::Server.run(all).await
}

async fn write(dir: &Path, arguments: &[&str]) -> Vec<u8> {
    let mut all: Vec<&OsStr> = vec!["devnet".as_ref(), "--out".as_ref(), dir.as_ref()];
    all.extend(arguments.iter().map(OsStr::new));
    Program::Server.run(all).await.expect(0, &[]);
    fs::read(dir.join("blocks.pb")).unwrap()
}

#[bounded::test]
async fn chain_folders_follow_from_the_seed_and_pass_a_replay() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let short = ["--blocks", "60", "--epoch-views", "60", "--seed"];
    let seed = |seed| [&short[..], &[seed]].concat();
    let first = write(&path("first"), &seed("5")).await;
    assert!(first == write(&path("same"), &seed("5")).await, "another chain from the same seed");
    assert!(first != write(&path("other"), &seed("6")).await, "the same chain from another seed");
    let roles = ["--blocks", "20", "--nodes", "consensus=7,access=1"];
    write(&path("roles"), &roles).await;
    write(&path("epochs"), &["--epochs", "2", "--epoch-views", "60"]).await;
    for (name, blocks) in [("first", Some(61)), ("roles", Some(21)), ("epochs", None)] {
        let folder = path(name);
        let arguments = ["replay".as_ref(), folder.as_os_str(), "--json".as_ref()];
        let ran = Program::Server.run(arguments).await;
        ran.expect(0, &[]);
        let lines = ran.stdout.lines().count();
        assert!(blocks.is_none_or(|blocks| lines == blocks), "{lines} lines");
    }
}

#[bounded::test]
async fn wrong_usage_is_explained() {
    for (arguments, message) in [
        (&["--at", "height:5=dance"][..], "dance"),
        (&["--at", "eject"], "--at"),
        (&["--blocks", "5"], "--out"),
        (&["--out", "dir"], "--blocks"),
        (&["--out", "dir", "--blocks", "5", "--epochs", "5"], "--epochs"),
        (&["--seed", "minus one"], "--seed"),
        (&["--nodes", "consensus=many"], "ROLE=N"),
        (&["--nodes", "miner=3"], "miner=3"),
    ] {
        devnet(arguments).await.expect(2, &[message]);
    }
    // What cannot be a network is refused before anything is written.
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("chain");
    let out = out.to_str().unwrap();
    let ran = devnet(&["--out", out, "--blocks", "5", "--epoch-views", "1"]).await;
    assert_ne!(ran.code, Some(0), "{ran:?}");
    assert!(!ran.stderr.is_empty() && !ran.stderr.contains("panicked"), "{ran:?}");
}
