//! A store of an earlier format, migrated, equals a freshly indexed one, entry by entry.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use weir_integration_tests::chain_dir;
use weir_migrations::{
    Database, META_KEY, MigrateError, Mode, Registry, migrate, version_entry, write_folder_version,
};
use weir_server::indexer::Indexer;
use weir_server::source::ChainFolder;
use weir_server::store::{FORMAT_VERSION, OpenError, Store, StoreOptions};

fn index(chain: &str, data: &Path) {
    let folder = ChainFolder::open(chain_dir(chain)).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut indexer = Indexer::open(data, StoreOptions::default(), &folder, stop).unwrap();
    indexer.run(|_| ()).unwrap();
}

fn entries(data: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let database = Database::open(data, 1 << 24).unwrap();
    let entries = database.tree().iter().map(|entry| entry.unwrap());
    entries.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

/// Makes a store what format 1 had: no index of results.
fn downgrade_to_format_1(data: &Path) {
    let database = Database::open(data, 1 << 24).unwrap();
    let keys: Vec<_> = database.tree().scan_prefix([0x0c]).keys().map(Result::unwrap).collect();
    assert!(keys.len() > 50, "the chain has results");
    for key in keys {
        database.tree().remove(key).unwrap();
    }
    database.tree().insert(META_KEY, version_entry(1)).unwrap();
    database.flush().unwrap();
    write_folder_version(data, 1).unwrap();
}

#[test]
fn format_1_becomes_what_is_indexed_today() {
    for chain in ["happy-epochs", "random-2"] {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        index(chain, &data);
        let fresh = entries(&data);
        downgrade_to_format_1(&data);
        let older = Store::open(&data, StoreOptions::default()).unwrap_err();
        assert!(matches!(older, OpenError::Older { found: 1, .. }), "{older}");
        let old = entries(&data);
        let run = |mode| migrate(&data, &Registry::production(), FORMAT_VERSION, mode, |_| ());
        let names: Vec<_> = run(Mode::DryRun).unwrap().steps.iter().map(|s| s.name).collect();
        assert_eq!(names, ["index results by id"]);
        assert!(entries(&data) == old, "a dry run changes nothing");
        run(Mode::Apply).unwrap();
        assert!(entries(&data) == fresh, "{chain}: other entries than a fresh store has");
    }
}

#[test]
fn a_damaged_payload_stops_the_migration_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    index("happy-epochs", &data);
    downgrade_to_format_1(&data);
    let database = Database::open(&data, 1 << 24).unwrap();
    let (key, value) = database.tree().scan_prefix([0x03]).next().unwrap().unwrap();
    let mut damaged = value.to_vec();
    damaged[20] ^= 1;
    database.tree().insert(&key, damaged).unwrap();
    database.flush().unwrap();
    drop(database);
    let run = || migrate(&data, &Registry::production(), FORMAT_VERSION, Mode::Apply, |_| ());
    let MigrateError::Step { source, .. } = run().unwrap_err() else { panic!("another error") };
    assert!(source.to_string().contains("entry 030000000000000000 is damaged"), "{source}");
    // Repaired, it goes on.
    let database = Database::open(&data, 1 << 24).unwrap();
    database.tree().insert(&key, value).unwrap();
    database.flush().unwrap();
    drop(database);
    run().unwrap();
    assert!(Store::open(&data, StoreOptions::default()).is_ok());
}
