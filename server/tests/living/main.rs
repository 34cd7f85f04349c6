//! Living with a data folder: backup, export, prune, on a simulated chain and with the real program.
#![cfg(feature = "devnet")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backup;
mod export;
mod flip;
mod kill;
mod long;
#[cfg(target_os = "linux")]
mod output;
mod prune;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use tempfile::TempDir;
use weir_devnet::Config;
use weir_devnet::archive::{self, Amount};
use weir_protocol::request::{AnswerRequest, Depth, Held, Question, Selector, Topic};
use weir_server::indexer::{Indexer, open_whole};
use weir_server::prover::{Prover, ProverError};
use weir_server::source::ChainFolder;
use weir_server::store::StoreOptions;

/// Blocks of the chain, the root not counted: some epochs.
const BLOCKS: u64 = 1500;

/// A chain folder that all tests share.
fn chain() -> &'static Path {
    static CHAIN: OnceLock<PathBuf> = OnceLock::new();
    CHAIN.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap().keep();
        let config = Config { seed: 15, ..Config::default() };
        archive::write(config, &dir, Amount::Blocks(BLOCKS), |_| ()).unwrap();
        dir
    })
}

/// Segments of some dozens of blocks.
fn options() -> StoreOptions {
    StoreOptions { segment_bytes: 100_000, reserve_bytes: 0, ..StoreOptions::default() }
}

/// A data folder with all blocks of a source.
fn indexed(source: &Path) -> TempDir {
    let data = tempfile::tempdir().unwrap();
    let mut indexer = indexer(data.path(), source);
    indexer.run(|_| ()).unwrap();
    data
}

fn indexer(data: &Path, source: &Path) -> Indexer {
    let folder = ChainFolder::open(source).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    Indexer::open(data, options(), &folder, stop).unwrap()
}

/// A prover over a data folder, whose index is made if it lacks one.
fn prover(data: &Path) -> Prover {
    Prover::new(open_whole(data, options()).unwrap().reader())
}

fn ask(
    prover: &Prover,
    block: Selector,
    topic: Topic,
    depth: Depth,
) -> Result<Vec<u8>, ProverError> {
    let question = Question { block, topic };
    let asked = AnswerRequest { question, held: Held::default(), depth };
    prover.answer(&asked).map(|answer| answer.evidence.to_bytes())
}

/// Checks that two provers answer the same about all final blocks from a height on.
fn same_answers(found: &Prover, expected: &Prover, from: u64) {
    let (head, other) = (expected.head(), found.head());
    assert_eq!((other.finalized, other.sealed), (head.finalized, head.sealed));
    assert_eq!((other.blocks, other.epoch_counter), (head.blocks, head.epoch_counter));
    for height in from..=head.finalized.height {
        for (topic, depth) in [(Topic::Snapshot, Depth::Finality), (Topic::Seal, Depth::Seal)] {
            let ask = |prover| {
                let answer = ask(prover, Selector::Height(height), topic.clone(), depth);
                answer.map_err(|error| format!("{error}"))
            };
            // Blocks above the sealed one are refused alike.
            let (found, expected) = (ask(found), ask(expected));
            let names_first = |answer: &Result<Vec<u8>, String>| answer.is_err();
            assert!(
                found == expected || names_first(&found) && names_first(&expected),
                "height {height}: {found:?} {expected:?}"
            );
        }
    }
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_weir-server"))
}

/// Runs the program to its end.
fn server<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    let mut command = program();
    command.args(arguments).stdin(Stdio::null());
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{command:?}: {stderr}");
    output
}

/// Runs a command on a data folder, and holds its end to an exit code and words of what it says.
#[track_caller]
fn says(arguments: &[&OsStr], code: i32, words: &[&str]) {
    let output = server(arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    for word in words {
        assert!(said.contains(word), "no `{word}` in {said}");
    }
}

/// Checks a data folder with the program.
#[track_caller]
fn is_good(data: &Path) {
    says(&["fsck".as_ref(), "--data".as_ref(), data.as_ref()], 0, &["no findings"]);
}

fn lose_index(data: &Path) {
    std::fs::remove_dir_all(data.join("index")).unwrap();
}
