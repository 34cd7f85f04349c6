//! The power is cut, or the process is killed, at every operation of a run; nothing announced is gone.

use std::sync::Arc;

use weir_log::LogReader;
use weir_log::testing::{Fault, Memory};

use crate::model::{Promised, check, check_reader, contents, fill, is_whole, open};

/// Cut at every operation of a run from a folder as it is, and after it; then the log opens and goes on.
fn cut_everywhere(begin: &dyn Fn() -> (Arc<Memory>, Promised), end: u64) {
    let run = |files: &Arc<Memory>, promised: &mut Promised| {
        let mut log = open(files)?;
        fill(&mut log, end, promised)
    };
    let (files, mut promised) = begin();
    let before = files.operations();
    run(&files, &mut promised).expect("nothing fails");
    let operations = files.operations() - before;
    assert!(operations > 60, "{operations} operations");
    for at in 0..=operations {
        for seed in 0..SEEDS {
            let (files, mut promised) = begin();
            files.fail_once(at, Fault::Stop);
            let stopped = run(&files, &mut promised).is_err();
            assert_eq!(stopped, at < operations);
            files.cut_power(seed);
            reopens(&files, promised, end, &format!("cut at {at}, seed {seed}"));
        }
        let (files, mut promised) = begin();
        files.fail_once(at, Fault::Stop);
        let _ = run(&files, &mut promised);
        files.mend();
        reopens(&files, promised, end, &format!("killed at {at}"));
    }
}

/// Opens, checks, goes on to the end and compares with the log of an undisturbed run.
fn reopens(files: &Arc<Memory>, mut promised: Promised, end: u64, context: &str) {
    let before = contents(files);
    match LogReader::open(files.clone()) {
        Ok(reader) => check_reader(&reader, &promised, context),
        Err(e) => assert_eq!(promised.tried, 0, "{context}: {e}"),
    }
    assert_eq!(contents(files), before, "{context}: reading writes nothing");
    let mut log = open(files).unwrap_or_else(|e| panic!("{context}: {e}"));
    check(&log, &promised, context);
    fill(&mut log, end, &mut promised).unwrap_or_else(|e| panic!("{context}: {e}"));
    check(&log, &promised, context);
    is_whole(files, context);
    drop(log);
    files.cut_power(0);
    let log = open(files).unwrap_or_else(|e| panic!("{context}, afterwards: {e}"));
    check(&log, &promised, context);
    assert!(files.names().iter().all(|name| !name.ends_with(".new")), "{context}: left over");
}

fn nothing() -> (Arc<Memory>, Promised) {
    (Arc::new(Memory::default()), Promised::default())
}

/// A folder with some records, whose writer was closed a moment ago.
fn closed() -> (Arc<Memory>, Promised) {
    let (files, mut promised) = nothing();
    fill(&mut open(&files).expect("begins"), 17, &mut promised).expect("nothing fails");
    (files, promised)
}

#[bounded::test]
fn a_fresh_log_outlasts_a_cut_at_any_operation() {
    cut_everywhere(&nothing, 30);
}

#[bounded::test]
fn a_log_that_was_opened_again_outlasts_a_cut_at_any_operation() {
    cut_everywhere(&closed, 40);
}

#[bounded::test]
fn a_log_that_was_closed_is_durable() {
    for seed in 0..SEEDS {
        let (files, promised) = closed();
        files.cut_power(seed);
        reopens(&files, promised, 30, &format!("seed {seed}"));
    }
}

/// A second cut while the log is opened after the first, wherever it comes.
#[bounded::test]
fn opening_outlasts_a_cut_at_any_operation() {
    let (files, mut promised) = nothing();
    fill(&mut open(&files).expect("begins"), 30, &mut promised).expect("nothing fails");
    for at in 0..files.operations() {
        let (files, mut promised) = nothing();
        files.fail_once(at, Fault::Stop);
        let _ = open(&files).and_then(|mut log| fill(&mut log, 30, &mut promised));
        files.cut_power(at + 2);
        let torn = files.fork();
        let opened = Arc::new(files.fork());
        let before = opened.operations();
        drop(open(&opened).expect("opens"));
        for second in 0..opened.operations() - before {
            let files = Arc::new(torn.fork());
            files.fail_once(second, Fault::Stop);
            assert!(open(&files).is_err() || files.operations() > second);
            files.cut_power(at ^ second);
            reopens(&files, promised, 32, &format!("cut at {at}, then at {second}"));
        }
    }
}

/// Opening a log that was closed changes nothing but the count of openings.
#[bounded::test]
fn opening_a_whole_log_leaves_its_records_alone() {
    let (files, _) = closed();
    let before = contents(&files);
    drop(open(&files).expect("opens"));
    let changed = |(name, bytes): &(String, Vec<u8>)| files.content(name) != *bytes;
    let changed: Vec<String> =
        before.iter().filter(|file| changed(file)).map(|(name, _)| name.clone()).collect();
    assert_eq!(changed, ["announced"]);
}

/// What each cut leaves of what was not synced: nothing, all, and by chance.
const SEEDS: u64 = 8;
