//! A store of an earlier format, migrated, equals a freshly indexed one, entry by entry.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::beacons;
use weir_integration_tests::chain_dir;
use weir_migrations::{
    Database, META_KEY, MigrateError, Mode, Registry, migrate, version_entry, write_folder_version,
};
use weir_server::indexer::Indexer;
use weir_server::source::ChainFolder;
use weir_server::store::{FORMAT_VERSION, OpenError, Store, StoreOptions};

fn index(chain: &str, data: &Path) {
    index_folder(&chain_dir(chain), data);
}

fn index_folder(chain: &Path, data: &Path) {
    let folder = ChainFolder::open(chain).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut indexer = Indexer::open(data, StoreOptions::default(), &folder, stop).unwrap();
    indexer.run(|_| ()).unwrap();
}

fn entries(data: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let database = Database::open(data, 1 << 24).unwrap();
    let entries = database.tree().iter().map(|entry| entry.unwrap());
    entries.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

/// Makes a store what format 1 had: no index of results, nor of version beacons.
fn downgrade_to_format_1(data: &Path) {
    downgrade_to_format_2(data);
    assert!(downgrade(data, 1, 0x0c) > 50, "the chain has results");
}

/// Makes a store what format 2 had: no index of version beacons. Says how many entries that were.
fn downgrade_to_format_2(data: &Path) -> usize {
    downgrade(data, 2, 0x0d)
}

fn downgrade(data: &Path, version: u32, prefix: u8) -> usize {
    let database = Database::open(data, 1 << 24).unwrap();
    let keys: Vec<_> = database.tree().scan_prefix([prefix]).keys().map(Result::unwrap).collect();
    for key in &keys {
        database.tree().remove(key).unwrap();
    }
    database.tree().insert(META_KEY, version_entry(version)).unwrap();
    database.flush().unwrap();
    write_folder_version(data, version).unwrap();
    keys.len()
}

#[bounded::test]
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
        assert_eq!(names, ["index results by id", "index version beacons"]);
        assert!(entries(&data) == old, "a dry run changes nothing");
        run(Mode::Apply).unwrap();
        assert!(entries(&data) == fresh, "{chain}: other entries than a fresh store has");
    }
}

/// Also where a result is in the root snapshot only.
#[bounded::test]
fn format_2_becomes_what_is_indexed_today() {
    let (network, blocks) = beacons::network();
    let roots = [vec![0], beacons::heights_before_a_seal(&network)].concat();
    for (root, downgrade) in roots.into_iter().zip([1, 2].into_iter().cycle()) {
        let folder = tempfile::tempdir().unwrap();
        let (chain, data) = (folder.path().join("chain"), folder.path().join("data"));
        beacons::write_from(&network, &blocks, root, &chain);
        index_folder(&chain, &data);
        let fresh = entries(&data);
        match downgrade {
            1 => downgrade_to_format_1(&data),
            _ => assert!(downgrade_to_format_2(&data) > 0, "the chain has version beacons"),
        }
        assert!(entries(&data) != fresh);
        migrate(&data, &Registry::production(), FORMAT_VERSION, Mode::Apply, |_| ()).unwrap();
        assert!(entries(&data) == fresh, "root {root}: other entries than a fresh store has");
    }
}

#[bounded::test]
fn a_damaged_root_snapshot_stops_a_migration_that_needs_it() {
    let (network, blocks) = beacons::network();
    let mut stopped = 0;
    for root in beacons::heights_before_a_seal(&network) {
        let folder = tempfile::tempdir().unwrap();
        let (chain, data) = (folder.path().join("chain"), folder.path().join("data"));
        beacons::write_from(&network, &blocks, root, &chain);
        index_folder(&chain, &data);
        downgrade_to_format_2(&data);
        let database = Database::open(&data, 1 << 24).unwrap();
        let mut damaged = database.tree().get([0x09]).unwrap().unwrap().to_vec();
        damaged[20] ^= 1;
        database.tree().insert([0x09], damaged).unwrap();
        database.flush().unwrap();
        drop(database);
        let run = || migrate(&data, &Registry::production(), FORMAT_VERSION, Mode::Apply, |_| ());
        let Err(error) = run() else { continue };
        let MigrateError::Step { source, .. } = error else { panic!("{error}") };
        assert!(source.to_string().contains("entry 09 is damaged"), "{source}");
        stopped += 1;
    }
    assert!(stopped > 3, "{stopped}");
}

#[bounded::test]
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
