//! Migrations on a real database: upgraded equals fresh, interrupted ones go on, others refuse.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use weir_migrations::{
    Database, META_KEY, MigrateError, Mode, PlanError, Registry, Step, StepBatch, StepError,
    folder_version, migrate, version_entry, write_folder_version,
};

const ENTRIES: u32 = 25;

#[bounded::test]
fn upgraded_store_equals_a_fresh_one() {
    let (old, fresh) = (store(1), store(3));
    let mut batches = 0;
    let plan = migrate(old.path(), &registry(), 3, Mode::Apply, |_| batches += 1).unwrap();
    assert_eq!((plan.steps.len(), batches), (2, 4));
    assert_eq!(dump(old.path()), dump(fresh.path()));
    assert_eq!(folder_version(old.path()).unwrap(), Some(3));
    let again = migrate(old.path(), &registry(), 3, Mode::Apply, |_| panic!("nothing to do"));
    assert!(again.unwrap().steps.is_empty());
}

#[bounded::test]
fn interrupted_migration_goes_on_where_it_was() {
    for interrupted_after in 1..4 {
        let (old, fresh) = (store(1), store(3));
        let mut done = 0;
        let run = || {
            migrate(old.path(), &registry(), 3, Mode::Apply, |_| {
                done += 1;
                assert!(done < interrupted_after, "interrupted");
            })
        };
        assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
        let mut rest = 0;
        migrate(old.path(), &registry(), 3, Mode::Apply, |_| rest += 1).unwrap();
        assert_eq!(interrupted_after + rest, 4);
        assert_eq!(dump(old.path()), dump(fresh.path()));
    }
}

#[bounded::test]
fn dry_run_changes_no_byte() {
    let old = store(1);
    let before = files(old.path());
    let plan = migrate(old.path(), &registry(), 3, Mode::DryRun, |_| panic!("written")).unwrap();
    let names: Vec<_> = plan.steps.iter().map(|step| step.name).collect();
    assert_eq!(names, ["double every value", "move keys to another prefix"]);
    assert_eq!(files(old.path()), before);
}

#[bounded::test]
fn newer_store_is_refused_untouched() {
    let newer = store(4);
    let before = files(newer.path());
    let error = migrate(newer.path(), &registry(), 3, Mode::Apply, |_| ()).unwrap_err();
    let expected = PlanError::Newer { found: 4, target: 3 };
    assert!(matches!(&error, MigrateError::Plan(found) if *found == expected), "{error}");
    assert_eq!(files(newer.path()), before);
}

#[bounded::test]
fn folder_without_a_store_and_versions_without_a_step_are_refused() {
    let empty = tempfile::tempdir().unwrap();
    let error = migrate(empty.path(), &registry(), 3, Mode::Apply, |_| ()).unwrap_err();
    assert!(error.to_string().contains("not a weir store"), "{error}");
    assert_eq!(registry().plan(0, 3).unwrap_err(), PlanError::NoStep { from: 0, target: 3 });
    assert_eq!(registry().plan(3, 4).unwrap_err(), PlanError::NoStep { from: 3, target: 4 });
    assert!(Registry::production().plan(1, 1).unwrap().steps.is_empty());
}

#[bounded::test]
fn damaged_entry_stops_the_step_by_name() {
    let old = store(1);
    let database = Database::open(old.path(), 1 << 20).unwrap();
    database.tree().insert([1, 0, 0, 0, 3], &[1, 2]).unwrap();
    drop(database);
    let error = migrate(old.path(), &registry(), 3, Mode::Apply, |_| ()).unwrap_err();
    assert_eq!(error.to_string(), "migration step double every value failed");
}

fn registry() -> Registry {
    Registry::new(vec![
        Step { from: 1, to: 2, name: "double every value", run: double },
        Step { from: 2, to: 3, name: "move keys to another prefix", run: move_keys },
    ])
}

/// Format 1 has numbers under prefix 1; format 2 has them doubled; format 3 under prefix 2.
fn store(version: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path(), 1 << 20).unwrap();
    database.tree().insert(META_KEY, version_entry(version)).unwrap();
    for number in 0..ENTRIES {
        let prefix = if version < 3 { 1 } else { 2 };
        let value = if version < 2 { number } else { 2 * number };
        let key = [&[prefix][..], &number.to_be_bytes()].concat();
        database.tree().insert(key, &value.to_be_bytes()).unwrap();
    }
    database.flush().unwrap();
    drop(database);
    write_folder_version(folder.path(), version).unwrap();
    folder
}

fn double(tree: &sled::Tree, cursor: Option<&[u8]>) -> Result<StepBatch, StepError> {
    step(tree, cursor, |key, number| vec![(key, Some(2 * number))])
}

fn move_keys(tree: &sled::Tree, cursor: Option<&[u8]>) -> Result<StepBatch, StepError> {
    step(tree, cursor, |key, number| {
        let moved = [&[2], &key[1..]].concat();
        vec![(key, None), (moved, Some(number))]
    })
}

type Change = (Vec<u8>, Option<u32>);

fn step(
    tree: &sled::Tree,
    cursor: Option<&[u8]>,
    change: impl Fn(Vec<u8>, u32) -> Vec<Change>,
) -> Result<StepBatch, StepError> {
    const BATCH: usize = 20;
    let mut batch = StepBatch::default();
    let start = cursor.unwrap_or(&[1]).to_vec();
    for (count, entry) in tree.range(start..vec![2]).enumerate() {
        let (key, value) = entry?;
        if count == BATCH {
            batch.next = Some(key.to_vec());
            break;
        }
        let number = value.as_ref().try_into().map(u32::from_be_bytes).map_err(|_| {
            StepError::Damaged { key: format!("{key:02x?}"), reason: "not a number".to_owned() }
        })?;
        let changes = change(key.to_vec(), number).into_iter();
        let bytes = |number: u32| number.to_be_bytes().to_vec();
        batch.changes.extend(changes.map(|(key, number)| (key, number.map(bytes))));
    }
    Ok(batch)
}

fn dump(folder: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let database = Database::open(folder, 1 << 20).unwrap();
    let entries = database.tree().iter().map(Result::unwrap);
    entries.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.is_file());
    files.map(|path| (path.display().to_string(), fs::read(&path).unwrap())).collect()
}
