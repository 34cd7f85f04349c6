//! The store on a real database: what is written is read back, at any instant and after any kill.
#![expect(clippy::cast_possible_truncation, reason = "test chains have a few thousand blocks")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod chain;

use chain::{Chain, FIRST_HEIGHT, epoch, existing, new, noise, preimage, store_with};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use weir_log::testing::{copy_folder, files};
use weir_migrations::{Database, guarded, write_folder_version};
use weir_protocol::codec::sha3_256;
use weir_protocol::model::Identifier;
use weir_server::store::{
    BLOCKS_MAX, CommitError, FORMAT_VERSION, FsckReport, OpenError, Opened, PAYLOAD_BYTES_MAX,
    Reader, Store, StoreOptions, WriteBatch, fsck,
};

#[bounded::test]
fn reads_back_what_was_written_and_reopens() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new(700);
    let store = store_with(folder.path(), &chain, 700, 90);
    check_contents(&store.reader(), &chain, 700);
    audit(&store);
    drop(store);
    let mut store = existing(folder.path());
    check_contents(&store.reader(), &chain, 700);
    let more = Chain::new(900);
    store.commit(&more.batch(700, 900)).unwrap();
    check_contents(&store.reader(), &more, 900);
    assert_eq!(audit(&store).blocks, 900);
}

#[bounded::test]
fn view_never_shows_what_is_written_later() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new(600);
    let mut store = store_with(folder.path(), &chain, 250, 50);
    let old = store.reader();
    let watch = store.watch_head();
    for start in (250..600).step_by(50) {
        store.commit(&chain.batch(start, start + 50)).unwrap();
    }
    check_contents(&old, &chain, 250);
    check_contents(&old.latest(), &chain, 600);
    assert_eq!(**watch.borrow(), chain.head(600));
}

#[bounded::test]
fn an_index_that_is_behind_or_lost_is_made_again_from_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new(900);
    let behind = tempfile::tempdir().unwrap();
    drop(store_with(folder.path(), &chain, 300, 100));
    copy_folder(&folder.path().join("index"), behind.path());
    let mut store = existing(folder.path());
    store.commit(&chain.batch(300, 900)).unwrap();
    drop(store);
    let whole = dump(folder.path());
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    fs::create_dir(folder.path().join("index")).unwrap();
    copy_folder(behind.path(), &folder.path().join("index"));
    let mut store = existing(folder.path());
    assert_eq!((store.reader().head().blocks, store.logged()), (300, 900));
    let logged: Vec<_> = store.logged_from(300).unwrap();
    assert_eq!(logged.len(), 600);
    assert_eq!(logged[0].header, chain.blocks[300].header);
    store.commit(&chain.batch(300, 900)).unwrap();
    check_contents(&store.reader(), &chain, 900);
    drop(store);
    assert!(dump(folder.path()) == whole);
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let lost = new(folder.path());
    assert_eq!(
        (lost.logged(), lost.beginning().unwrap().map(|it| it.json)),
        (900, Some(b"root".to_vec()))
    );
    let mut store = lost.initialize(&chain.batch(0, 500)).unwrap();
    store.commit(&chain.batch(500, 900)).unwrap();
    drop(store);
    assert!(dump(folder.path()) == whole);
}

#[bounded::test]
fn entries_of_blocks_behind_the_head_as_a_kill_leaves_them_are_no_finding() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new(900);
    drop(store_with(folder.path(), &chain, 300, 100));
    let head = dump(folder.path())[HEAD_KEY].clone();
    let mut store = existing(folder.path());
    store.commit(&chain.batch(300, 900)).unwrap();
    drop(store);
    let database = Database::open(&folder.path().join("index"), 1 << 20).unwrap();
    database.tree().insert(HEAD_KEY, head).unwrap();
    drop(database);
    let mut store = existing(folder.path());
    assert_eq!((store.reader().head().blocks, store.logged()), (300, 900));
    assert_eq!(audit(&store).blocks, 300);
    store.commit(&chain.batch(300, 900)).unwrap();
    assert_eq!(audit(&store).blocks, 900);
}

#[bounded::test]
fn a_damaged_index_is_set_aside_until_another_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new(100);
    drop(store_with(folder.path(), &chain, 100, 50));
    fs::write(folder.path().join("index/conf"), "segment_size: none").unwrap();
    let mut store = new(folder.path()).initialize(&chain.batch(0, 60)).unwrap();
    assert!(folder.path().join("index.aside.1").is_dir());
    store.commit(&chain.batch(60, 100)).unwrap();
    store.caught_up().unwrap();
    assert!(!folder.path().join("index.aside.1").exists());
    check_contents(&store.reader(), &chain, 100);
    audit(&store);
}

#[bounded::test]
fn a_log_with_fewer_blocks_than_are_indexed_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let chain = Chain::new(100);
    drop(store_with(folder.path(), &chain, 100, 50));
    drop(store_with(other.path(), &chain, 40, 40));
    fs::remove_dir_all(folder.path().join("log")).unwrap();
    assert!(matches!(open_error(folder.path()), OpenError::Lost { .. }));
    fs::create_dir(folder.path().join("log")).unwrap();
    copy_folder(&other.path().join("log"), &folder.path().join("log"));
    let error = open_error(folder.path());
    assert!(matches!(error, OpenError::Ahead { indexed: 100, logged: 40, .. }), "{error}");
}

#[bounded::test]
fn refuses_a_batch_that_does_not_fit_and_then_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new(30);
    let mut store = store_with(folder.path(), &chain, 10, 10);
    let error = store.commit(&chain.batch(11, 20)).unwrap_err();
    assert!(matches!(error, CommitError::Inconsistent { .. }), "{error}");
    let error = store.commit(&chain.batch(10, 20)).unwrap_err();
    assert!(matches!(error, CommitError::Stopped), "{error}");
    assert_eq!(store.reader().head().blocks, 10);
    let long = WriteBatch::new().append_block(&chain.blocks[0], &vec![0; PAYLOAD_BYTES_MAX + 1]);
    assert!(matches!(long, Err(CommitError::TooLong { .. })));
}

#[bounded::test]
fn refuses_a_second_finalized_block_at_a_height() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new(30);
    let mut store = store_with(folder.path(), &chain, 20, 20);
    let mut batch = chain.batch(20, 30);
    batch.set_finalized(FIRST_HEIGHT + 3, 3);
    assert!(matches!(store.commit(&batch), Err(CommitError::Inconsistent { .. })));
}

#[bounded::test]
fn second_opening_says_who_holds_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let _store = store_with(folder.path(), &Chain::new(5), 5, 5);
    let error = open_error(folder.path());
    assert!(error.to_string().contains("in use by another weir-server"), "{error}");
}

#[bounded::test]
fn newer_format_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    drop(store_with(folder.path(), &Chain::new(50), 50, 50));
    let newer = FORMAT_VERSION + 1;
    write_folder_version(folder.path(), newer).unwrap();
    let before = contents(folder.path());
    let error = open_error(folder.path());
    let OpenError::Newer { expected, found, .. } = error else { panic!("{error}") };
    assert_eq!((expected, found), (FORMAT_VERSION, newer));
    assert_eq!(contents(folder.path()), before);
}

#[bounded::test]
fn older_format_asks_for_migration() {
    let folder = tempfile::tempdir().unwrap();
    drop(store_with(folder.path(), &Chain::new(50), 50, 50));
    write_folder_version(folder.path(), FORMAT_VERSION - 1).unwrap();
    let error = open_error(folder.path());
    assert!(error.to_string().contains("run weir-server migrate"), "{error}");
}

#[bounded::test]
fn folders_that_cannot_be_used_get_clear_errors() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "text").unwrap();
    let check = |path: &Path, expected: &str| {
        let error = open_error(path).to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(&file, "is not a folder");
    check(&file.join("below"), "is not a folder");
    check(&folder.path().join("missing/below"), "cannot create data folder");
    check(folder.path(), "not a weir store");
    let fresh = folder.path().join("fresh");
    assert!(matches!(Store::open(&fresh, StoreOptions::default()), Ok(Opened::New(_))));
    fs::write(fresh.join("weir.format"), "other\n").unwrap();
    check(&fresh, "not a weir store");
}

#[cfg(unix)]
#[bounded::test]
fn read_only_folder_gets_a_clear_error() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(folder.path().join("probe"), "").is_ok() {
        return; // root may write anywhere
    }
    let error = open_error(folder.path());
    assert!(error.to_string().contains("cannot use data folder"), "{error}");
}

#[bounded::test]
fn leftover_of_an_interrupted_database_snapshot_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new(300);
    drop(store_with(folder.path(), &chain, 300, 100));
    fs::write(folder.path().join("index/snap.FFFFFFFFFFFFFFFF.generating"), [1, 2, 3]).unwrap();
    let store = existing(folder.path());
    check_contents(&store.reader(), &chain, 300);
}

#[bounded::test]
fn unusable_database_snapshot_is_moved_aside_and_the_log_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new(300);
    drop(store_with(folder.path(), &chain, 300, 100));
    fs::write(folder.path().join("index/snap.FFFFFFFFFFFFFFFF"), noise(1, 100)).unwrap();
    let store = existing(folder.path());
    check_contents(&store.reader(), &chain, 300);
    assert!(folder.path().join("index/aside.snap.FFFFFFFFFFFFFFFF").exists());
}

#[bounded::test]
fn flipped_bytes_are_errors_or_findings_and_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new(400);
    drop(store_with(folder.path(), &chain, 400, 64));
    let segment = "log/00000000000000000000.segment";
    for (seed, file) in (0..16u64).zip(["index/db", segment].into_iter().cycle()) {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(folder.path(), copy.path());
        flip(&copy.path().join(file), seed);
        let outcome = catch_unwind(AssertUnwindSafe(|| outcome_of_damage(copy.path(), &chain)));
        let outcome = outcome.unwrap_or_else(|_| panic!("panic with seed {seed}"));
        println!("seed {seed}: {outcome}");
    }
}

#[bounded::test]
fn damaged_entries_are_named_by_fsck() {
    let chain = Chain::new(400);
    let pristine = tempfile::tempdir().unwrap();
    drop(store_with(pristine.path(), &chain, 400, 64));
    let keys: Vec<Vec<u8>> = dump(pristine.path()).into_keys().collect();
    for key in keys.iter().filter(|key| key[0] > 0).step_by(23) {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(pristine.path(), copy.path());
        let database = Database::open(&copy.path().join("index"), 1 << 20).unwrap();
        let mut value = database.tree().get(key).unwrap().unwrap().to_vec();
        let middle = value.len() / 2;
        value[middle] ^= 1;
        database.tree().insert(key.as_slice(), value).unwrap();
        drop(database);
        match Store::open(copy.path(), StoreOptions::default()) {
            Ok(Opened::Existing(store)) => {
                assert!(!fsck(&store, |_, _| Ok(None), |_, _| ()).is_clean(), "{key:?}");
            }
            // Without its head it is set aside.
            Ok(Opened::New(store)) => assert_eq!((key[0], store.logged()), (1, 400)),
            Err(error) => panic!("{error}"),
        }
    }
}

#[bounded::test]
fn fsck_asks_what_payloads_should_be() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_with(folder.path(), &Chain::new(40), 40, 40);
    let odd = |payload: &[u8]| payload[payload.len() - 4] % 2 == 1;
    let check = |payload: &[u8]| {
        if odd(payload) { Err("odd".to_owned()) } else { Ok(None) }
    };
    let mut last = (0, 0);
    let report = fsck(&store, |_, payload| check(payload), |done, total| last = (done, total));
    assert_eq!((report.finding_count, last), (20, (40, 40)));
}

#[bounded::test]
fn nothing_acknowledged_is_lost_by_kills() {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut acknowledged = 0;
    for (round, random) in noise(seed, 10).into_iter().enumerate() {
        // Some kills come before, during or right after opening.
        let kill = if round % 3 == 0 { Kill::AfterStart } else { Kill::AfterFirstBatch };
        let delay = Duration::from_micros(u64::from(random) * 200);
        acknowledged = acknowledged.max(run_and_kill(&data, kill, delay));
        match Store::open(&data, StoreOptions::default()).unwrap() {
            Opened::New(new) => assert!(new.logged() >= acknowledged, "seed {seed} round {round}"),
            Opened::Existing(store) => {
                assert!(store.logged() >= acknowledged, "seed {seed} round {round}");
                audit(&store);
            }
        }
    }
    assert!(acknowledged > 0, "seed {seed}");
}

/// Not a test: the process that the one above kills.
#[bounded::test]
#[ignore = "run by nothing_acknowledged_is_lost_by_kills"]
fn writes_until_killed() {
    let Some(folder) = std::env::var_os("WEIR_TEST_STORE") else {
        return;
    };
    let opened = Store::open(Path::new(&folder), StoreOptions::default()).unwrap();
    let chain = Chain::new(2000);
    let mut store = match opened {
        Opened::New(new) => new.initialize(&chain.batch(0, 3)).unwrap(),
        Opened::Existing(store) => store,
    };
    loop {
        let start = store.reader().head().blocks;
        let end = (start + 1 + start % 9).min(2000);
        store.commit(&chain.batch(start as usize, end as usize)).unwrap();
        println!("\nacknowledged {}", store.watch_head().borrow().blocks);
    }
}

#[bounded::test]
#[ignore = "measures; run in release with --nocapture"]
fn measures_commits() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::with_payloads(40_000, 1024);
    let mut store = new(folder.path()).initialize(&chain.batch(0, 256)).unwrap();
    let (mut building, mut committing) = (Duration::ZERO, Duration::ZERO);
    for first in (256..40_000).step_by(256) {
        let start = Instant::now();
        let batch = chain.batch(first, (first + 256).min(40_000));
        building += start.elapsed();
        let start = Instant::now();
        store.commit(&batch).unwrap();
        committing += start.elapsed();
    }
    drop(store);
    let bytes: usize = contents(folder.path()).values().map(Vec::len).sum();
    let blobs: usize = contents(&folder.path().join("blobs")).values().map(Vec::len).sum();
    let open = Instant::now();
    let store = existing(folder.path());
    let open_ms = open.elapsed().as_millis();
    let walk = Instant::now();
    audit(&store);
    println!(
        "{:.0} blocks/s (and {:.0} to build), {} bytes a block, {} of them blobs, opened in {open_ms} ms, fsck {:.0} blocks/s",
        40_000.0 / committing.as_secs_f64(),
        40_000.0 / building.as_secs_f64(),
        bytes / 40_000,
        blobs / 40_000,
        40_000.0 / walk.elapsed().as_secs_f64()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[bounded::test]
    fn splitting_into_batches_does_not_matter(sizes in prop::collection::vec(1usize..200, 1..20)) {
        let chain = Chain::new(420);
        let (whole, split) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        drop(store_with(whole.path(), &chain, 420, 420));
        let first = sizes[0].min(420);
        let mut store = new(split.path()).initialize(&chain.batch(0, first)).unwrap();
        let mut start = first;
        for size in sizes.iter().cycle() {
            if start == 420 {
                break;
            }
            let end = (start + size).min(420);
            store.commit(&chain.batch(start, end)).unwrap();
            start = end;
        }
        drop(store);
        prop_assert!(dump(whole.path()) == dump(split.path()));
    }
}

fn check_contents(reader: &Reader, chain: &Chain, blocks: usize) {
    let head = chain.head(blocks);
    assert_eq!(**reader.head(), head);
    for ordinal in 0..blocks as u64 {
        let block = reader.block(ordinal).unwrap().unwrap();
        assert_eq!(block.record(), chain.blocks[ordinal as usize]);
        assert_eq!(reader.ordinal_of(&block.id()).unwrap(), Some(ordinal));
        assert_eq!(reader.payload(ordinal).unwrap(), Some(chain.payload(ordinal)));
        let child =
            (ordinal + 1..blocks as u64).find(|o| chain.parents[*o as usize] == Some(ordinal));
        assert_eq!(reader.first_child(ordinal).unwrap(), child);
    }
    check_heights(reader, chain, blocks);
    for counter in head.first_epoch_counter..=head.epoch_counter {
        let record = reader.epoch(counter).unwrap().unwrap();
        let first = chain.refs[record.first_ordinal as usize];
        assert_eq!(first.height, counter * 50);
        let hop_height = counter * 50 + 30;
        let hop = record.hop_ordinal.map(|ordinal| chain.refs[ordinal as usize].height);
        assert_eq!(hop, (hop_height <= head.finalized.height).then_some(hop_height));
        let id = sha3_256(&[&preimage(counter)]);
        assert_eq!(reader.preimage(&id).unwrap().as_deref(), Some(&preimage(counter)[..]));
    }
    assert_eq!(reader.epoch(head.epoch_counter + 1).unwrap(), None);
    assert_eq!(reader.block(blocks as u64).unwrap().map(|block| block.id()), None);
    assert_eq!(reader.payload(blocks as u64).unwrap(), None);
    assert_eq!(reader.ordinal_of(&Identifier::ZERO).unwrap(), None);
    assert_eq!(reader.preimage(&Identifier::ZERO).unwrap(), None);
    assert_eq!(reader.blocks(0..u64::MAX).unwrap().len() as u64, BLOCKS_MAX.min(blocks as u64));
}

fn check_heights(reader: &Reader, chain: &Chain, blocks: usize) {
    let head = chain.head(blocks);
    for (index, ordinal) in chain.main.iter().enumerate() {
        let height = FIRST_HEIGHT + index as u64;
        assert_eq!(epoch(height), chain.blocks[*ordinal as usize].epoch_counter);
        let finalized = (height <= head.finalized.height).then_some(*ordinal);
        assert_eq!(reader.finalized_at(height).unwrap(), finalized);
        let sealed = index + 3 < chain.main.len() && height + 3 <= head.finalized.height;
        let sealing = sealed.then(|| chain.main[index + 3]);
        assert_eq!(reader.sealing_ordinal(height).unwrap(), sealing);
    }
    assert_eq!(reader.finalized_at(FIRST_HEIGHT - 1).unwrap(), None);
}

fn audit(store: &Store) -> FsckReport {
    let report = fsck(store, |_, _| Ok(None), |_, _| ());
    assert!(report.is_clean(), "{report:?}");
    report
}

fn open_error(folder: &Path) -> OpenError {
    match Store::open(folder, StoreOptions::default()) {
        Err(error) => error,
        Ok(_) => panic!("the folder opens"),
    }
}

/// When to kill a writer, give or take a delay.
#[derive(Clone, Copy, PartialEq)]
enum Kill {
    AfterStart,
    AfterFirstBatch,
}

/// Starts a writer, kills it, and says up to which block it acknowledged.
fn run_and_kill(folder: &Path, kill: Kill, delay: Duration) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["writes_until_killed", "--exact", "--ignored", "--nocapture"])
        .env("WEIR_TEST_STORE", folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let blocks = |line: String| line.strip_prefix("acknowledged ").and_then(|n| n.parse().ok());
    let mut acknowledged = lines.filter_map(blocks);
    let first = if kill == Kill::AfterFirstBatch { acknowledged.next() } else { None };
    std::thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap();
    acknowledged.last().or(first).unwrap_or(0)
}

/// Opens and reads everything; what is read without an error must be right.
fn outcome_of_damage(folder: &Path, chain: &Chain) -> String {
    let store = match Store::open(folder, StoreOptions::default()) {
        Err(error) => return error.to_string(),
        Ok(Opened::New(store)) => return format!("{} blocks to be indexed", store.logged()),
        Ok(Opened::Existing(store)) => store,
    };
    let report = fsck(&store, |_, _| Ok(None), |_, _| ());
    let reader = store.reader();
    for ordinal in 0..reader.head().blocks {
        if let Ok(Some(block)) = reader.block(ordinal) {
            assert_eq!(block.record(), chain.blocks[ordinal as usize]);
        }
        if let Ok(Some(payload)) = reader.payload(ordinal) {
            assert_eq!(payload, chain.payload(ordinal));
        }
    }
    drop(reader);
    // Dropping a damaged database flushes it, which may panic inside.
    let dropped = guarded(|| drop(store));
    format!("{} findings, dropped {dropped:?}", report.finding_count)
}

fn flip(path: &Path, seed: u64) {
    let mut bytes = fs::read(path).unwrap();
    for random in noise(seed + 1, 4 << (2 * (seed % 4))).chunks(4) {
        let place = u32::from_le_bytes(random.try_into().unwrap()) as usize % bytes.len();
        bytes[place] ^= 0x55;
    }
    fs::write(path, bytes).unwrap();
}

fn dump(folder: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let database = Database::open(&folder.join("index"), 1 << 20).unwrap();
    let entries = database.tree().iter().map(Result::unwrap);
    entries.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

/// The key of the head.
const HEAD_KEY: &[u8] = &[1];

/// Every file below a folder with its bytes.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    files(folder).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}
