//! A store of an earlier format, migrated, equals a freshly indexed one: its log byte for byte, its
//! index entry by entry.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use weir_integration_tests::chain_dir;
use weir_integration_tests::programs::Program;
use weir_integration_tests::random::Xorshift;
use weir_migrations::{Database, META_KEY, Mode, version_entry, write_folder_version};
use weir_server::indexer::Indexer;
use weir_server::source::ChainFolder;
use weir_server::store::{OpenError, Store, StoreOptions};
use weir_server::upgrade::{UpgradeError, upgrade};

const CHAIN: &str = "happy-epochs";
const DATABASE: &[u8] = include_bytes!("../data/format-3/db.zst");
const SETTINGS: &[u8] = include_bytes!("../data/format-3/conf");
const SEED: u64 = 0x5eed_0015;
const KILLS: u32 = 30;

/// A store as an earlier version left it.
fn old_store(data: &Path, version: u32) {
    fs::create_dir(data).unwrap();
    fs::write(data.join("db"), zstd::decode_all(DATABASE).unwrap()).unwrap();
    fs::write(data.join("conf"), SETTINGS).unwrap();
    if version < 3 {
        downgrade(data, 2, 0x0d);
    }
    if version < 2 {
        assert!(downgrade(data, 1, 0x0c) > 50, "the chain has results");
    }
    write_folder_version(data, version).unwrap();
}

/// Removes what the format did not have, and says how many entries that were.
fn downgrade(data: &Path, version: u32, prefix: u8) -> usize {
    let database = Database::open(data, 1 << 24).unwrap();
    let keys: Vec<_> = database.tree().scan_prefix([prefix]).keys().map(Result::unwrap).collect();
    for key in &keys {
        database.tree().remove(key).unwrap();
    }
    database.tree().insert(META_KEY, version_entry(version)).unwrap();
    database.flush().unwrap();
    keys.len()
}

fn index(data: &Path) {
    let folder = ChainFolder::open(chain_dir(CHAIN)).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut indexer = Indexer::open(data, StoreOptions::default(), &folder, stop).unwrap();
    indexer.run(|_| ()).unwrap();
}

/// The log's files and the index's entries.
fn content(data: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let database = Database::open(&data.join("index"), 1 << 24).unwrap();
    let entries = database.tree().iter().map(|entry| entry.unwrap());
    let mut content: BTreeMap<_, _> =
        entries.map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
    for entry in fs::read_dir(data.join("log")).unwrap().map(Result::unwrap) {
        if entry.path().is_file() && entry.file_name() != "announced" {
            let name = entry.file_name().into_encoded_bytes();
            content.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    content
}

fn names(data: &Path) -> Vec<String> {
    let names = fs::read_dir(data).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[bounded::test]
fn earlier_formats_become_what_is_indexed_today() {
    let folder = tempfile::tempdir().unwrap();
    let fresh = folder.path().join("fresh");
    index(&fresh);
    let fresh = content(&fresh);
    for version in 1..=3 {
        let data = folder.path().join(version.to_string());
        old_store(&data, version);
        let older = Store::open(&data, StoreOptions::default()).unwrap_err();
        assert!(matches!(older, OpenError::Older { found, .. } if found == version), "{older}");
        let before = names(&data);
        let plan = upgrade(&data, Mode::DryRun, |_, _, _| ()).unwrap();
        assert_eq!((plan.version, plan.steps.len()), (version, 4 - version as usize));
        assert_eq!(names(&data), before, "a dry run changes nothing");
        upgrade(&data, Mode::Apply, |_, _, _| ()).unwrap();
        assert!(content(&data) == fresh, "format {version}: other content than a fresh store has");
        assert_eq!(names(&data), ["index", "log", "weir.format", "weir.lock"]);
        let again = upgrade(&data, Mode::Apply, |_, _, _| ()).unwrap();
        assert!(again.steps.is_empty());
    }
}

#[bounded::test]
async fn a_migration_killed_at_any_instant_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (fresh, data) = (folder.path().join("fresh"), folder.path().join("data"));
    index(&fresh);
    old_store(&data, 1);
    let mut random = Xorshift::new(SEED);
    let arguments = ["migrate".as_ref(), "--data".as_ref(), data.as_os_str()];
    for _ in 0..KILLS {
        let started = Program::Server.start(arguments);
        // The moment of the kill is the input of this test.
        tokio::time::sleep(Duration::from_micros(random.below(150_000))).await;
        started.kill().await;
    }
    Program::Server.run(arguments).await.expect(0, &[]);
    println!("seed {SEED:#x}");
    assert!(content(&data) == content(&fresh));
    assert_eq!(names(&data), ["index", "log", "weir.format", "weir.lock"]);
}

#[bounded::test]
fn a_damaged_or_pruned_payload_stops_the_migration_by_name_and_keeps_the_old_store() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    old_store(&data, 3);
    let database = Database::open(&data, 1 << 24).unwrap();
    let (key, value) = database.tree().scan_prefix([0x03]).next().unwrap().unwrap();
    let mut damaged = value.to_vec();
    damaged[20] ^= 1;
    database.tree().insert(&key, damaged).unwrap();
    database.flush().unwrap();
    drop(database);
    let run = || upgrade(&data, Mode::Apply, |_, _, _| ());
    let error = run().unwrap_err();
    assert!(error.to_string().contains("entry 030000000000000000 is damaged"), "{error}");
    let database = Database::open(&data, 1 << 24).unwrap();
    database.tree().remove(&key).unwrap();
    database.flush().unwrap();
    drop(database);
    let error = run().unwrap_err();
    assert!(error.to_string().contains("block 0: its payload was pruned"), "{error}");
    assert!(matches!(error, UpgradeError::Source(_) | UpgradeError::Index(_)));
    // Repaired, it goes on.
    let database = Database::open(&data, 1 << 24).unwrap();
    database.tree().insert(&key, value).unwrap();
    database.flush().unwrap();
    drop(database);
    run().unwrap();
    assert!(Store::open(&data, StoreOptions::default()).is_ok());
}
