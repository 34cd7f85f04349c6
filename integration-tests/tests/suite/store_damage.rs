//! Whatever happens to the files of a data folder, the store is equal in the end, or names what is
//! wrong, and `fsck --repair` mends that. Flips and cuts at random: `server/tests/living/flip.rs`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tempfile::TempDir;
use weir_integration_tests::chain_dir;
use weir_integration_tests::follower::check_same;
use weir_integration_tests::programs::{Program, Ran, ServerProcess};
use weir_integration_tests::random::Xorshift;
use weir_log::testing::{copy_folder, files};
use weir_server::check::{Mend, RepairSource, check, repair};
use weir_server::indexer::{IndexError, Indexer};
use weir_server::prover::Prover;
use weir_server::source::ChainFolder;
use weir_server::store::StoreOptions;

const CHAIN: &str = "happy-epochs";
const SEED: u64 = 0x5eed_0016;

/// Small segments, so that a short chain has several.
fn options() -> StoreOptions {
    StoreOptions { segment_bytes: 32 << 10, reserve_bytes: 0, ..StoreOptions::default() }
}

fn open(data: &Path) -> Result<Indexer, IndexError> {
    let folder = ChainFolder::open(chain_dir(CHAIN)).unwrap();
    Indexer::open(data, options(), &folder, Arc::new(AtomicBool::new(false)))
}

/// A store of the whole chain, and a view of it.
fn undisturbed() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    open(&data).unwrap().run(|_| ()).unwrap();
    (folder, data)
}

fn same(data: &Path, expected: &Path) {
    let (found, expected) = (open(data).unwrap(), open(expected).unwrap());
    check_same(&Prover::new(found.reader()), &Prover::new(expected.reader()));
}

#[bounded::test]
fn a_lost_or_damaged_index_is_made_again_and_answers_the_same() {
    let (folder, data) = undisturbed();
    for damage in [0, 1, 2] {
        let copy = folder.path().join(damage.to_string());
        copy_folder(&data, &copy);
        let index = copy.join("index");
        match damage {
            0 => fs::remove_dir_all(&index).unwrap(),
            1 => fs::write(index.join("conf"), "segment_size: none").unwrap(),
            _ => {
                let database = weir_migrations::Database::open(&index, 1 << 20).unwrap();
                let entry = weir_migrations::version_entry(99);
                database.tree().insert(weir_migrations::META_KEY, entry).unwrap();
                database.flush().unwrap();
            }
        }
        let found = check(&copy).unwrap();
        assert!(found.findings.iter().all(|found| found.mend == Mend::Repair), "{found:?}");
        assert_eq!((found.findings.len(), &*found.findings[0].place), (1, "index"));
        same(&copy, &data);
        let clean = check(&copy).unwrap();
        assert!(clean.is_clean(), "{clean:?}");
        assert!(!copy.join("index.aside.1").exists());
    }
}

#[bounded::test]
fn a_damaged_block_is_named_and_fetched_again_from_either_kind_of_folder() {
    let (folder, data) = undisturbed();
    let segments = files(&data.join("log"));
    let segment = segments.iter().find(|path| path.extension().is_some_and(|e| e == "segment"));
    let segment = segment.unwrap().file_name().unwrap();
    for (name, source) in [("from a chain", chain_dir(CHAIN)), ("from a log", data.clone())] {
        let copy = folder.path().join(name);
        copy_folder(&data, &copy);
        let path = copy.join("log").join(segment);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
        let found = check(&copy).unwrap();
        assert_eq!(found.findings[0].mend, Mend::Fetch, "{found:?}");
        let error = repair(&copy, None).unwrap_err();
        assert!(error.to_string().contains("--source"), "{error}");
        let source = RepairSource::Folder(ChainFolder::open(source).unwrap());
        let repaired = repair(&copy, Some(&source)).unwrap();
        assert_eq!(repaired.log.records.len(), 1, "{repaired:?}");
        assert!(!repaired.log.quarantined.is_empty() && check(&copy).unwrap().is_clean());
        same(&copy, &data);
    }
}

/// A data folder's log is a source, also for a new store.
#[bounded::test]
fn a_store_indexed_from_a_log_equals_the_one_it_is_from() {
    let (folder, data) = undisturbed();
    let copy = folder.path().join("copy");
    let source = ChainFolder::open(&data).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    Indexer::open(&copy, options(), &source, stop).unwrap().run(|_| ()).unwrap();
    same(&copy, &data);
}

#[bounded::test]
async fn a_server_killed_while_it_makes_its_index_again_ends_as_without() {
    let (folder, data) = undisturbed();
    let killed = folder.path().join("killed");
    copy_folder(&data, &killed);
    let mut random = Xorshift::new(SEED);
    println!("seed {SEED:#x}");
    for _ in 0..8 {
        if random.below(2) == 0 && killed.join("index").exists() {
            fs::remove_dir_all(killed.join("index")).unwrap();
        }
        let source = format!("replay:{}", chain_dir(CHAIN).display());
        let path = killed.to_str().unwrap();
        let arguments = ["serve", "--data", path, "--source", &source, "--listen", "127.0.0.1:0"];
        let started = Program::Server.start(arguments);
        // The moment of the kill is the input of this test.
        tokio::time::sleep(Duration::from_micros(random.below(200_000))).await;
        started.kill().await;
    }
    let mut server = ServerProcess::start(&killed, &chain_dir(CHAIN)).await.unwrap();
    server.indexed().await;
    server.terminate().await.expect(0, &[]);
    fsck(&killed, &[]).await.expect(0, &[]);
    same(&killed, &data);
}

#[bounded::test]
async fn the_command_says_what_mends_what_it_finds() {
    let (_folder, data) = undisturbed();
    fs::remove_dir_all(data.join("index")).unwrap();
    let before = files(&data);
    let ran = fsck(&data, &[]).await;
    ran.expect(1, &["1 findings; mend them with weir-server fsck --data", "--repair"]);
    assert!(ran.stdout.contains("index: it is missing"), "{ran:?}");
    assert_eq!(files(&data), before, "a check writes nothing");
    let ran = fsck(&data, &["--json"]).await;
    assert!(ran.stdout.contains(r#""clean":false"#), "{ran:?}");
    let ran = fsck(&data, &["--repair"]).await;
    ran.expect(0, &["made the index again"]);
    assert!(ran.stdout.ends_with("no findings\n"), "{ran:?}");
}

async fn fsck(data: &Path, more: &[&str]) -> Ran {
    let path = data.to_str().unwrap();
    Program::Server.run([&["fsck", "--data", path], more].concat()).await
}
