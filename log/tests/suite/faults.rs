//! Failing disks and full ones, at every operation of a run: the process goes on when they are mended.

use std::sync::Arc;

use weir_log::testing::{Fault, Memory};
use weir_log::{BODY_BYTES_MAX, Entry, Log, LogError, LogOptions, Record};

use crate::model::{OPTIONS, Promised, check, contents, fill, is_whole, open, record, records};

const END: u64 = 30;

/// Records are written and synced, and the count is.
const APPEND_OPERATIONS: u64 = 4;

enum Then {
    Recover,
    Reopen,
    /// The process ends and starts again, and the power is cut after that.
    ReopenAndCut,
}

/// Runs until the fault, mends it, and goes on.
fn outlasts(fault: Fault, lasting: bool, at: u64, then: &Then) {
    let context = format!("{fault:?}, lasting {lasting}, at {at}");
    let files = Arc::new(Memory::default());
    let mut promised = Promised::default();
    let mut log = open(&files).expect("begins");
    if lasting {
        files.fail_from(at, fault)
    } else {
        files.fail_once(at, fault)
    }
    let failed = fill(&mut log, END, &mut promised);
    check_error(failed.as_ref().err(), fault, &context);
    if let Err(e) = &failed {
        assert!(log.needs_recover() || !is_write(e), "{context}: {e}");
    }
    if lasting && log.needs_recover() {
        // Serving goes on, and nothing is written, while the fault lasts.
        assert!(matches!(log.append(&records(0..1)), Err(LogError::NeedsRecover)), "{context}");
        let _ = log.recover();
        assert_eq!(log.reader().end(), promised.end, "{context}");
    }
    files.mend();
    match then {
        Then::Recover => {
            log.recover().unwrap_or_else(|e| panic!("{context}: {e}"));
            assert_eq!(log.reader().end(), promised.end, "{context}: cut back");
        }
        Then::Reopen | Then::ReopenAndCut => {
            drop(log);
            log = open(&files).unwrap_or_else(|e| panic!("{context}: {e}"));
        }
    }
    check(&log, &promised, &context);
    promised.end = log.reader().end();
    if matches!(then, Then::ReopenAndCut) {
        log = cut(&files, log, at % 5, &context);
        check(&log, &promised, &context);
    }
    goes_on(&files, log, &mut promised, &context);
}

fn cut(files: &Arc<Memory>, log: Log, seed: u64, context: &str) -> Log {
    drop(log);
    files.cut_power(seed);
    open(files).unwrap_or_else(|e| panic!("{context}: {e}"))
}

fn goes_on(files: &Arc<Memory>, mut log: Log, promised: &mut Promised, context: &str) {
    fill(&mut log, END, promised).unwrap_or_else(|e| panic!("{context}: {e}"));
    check(&log, promised, context);
    drop(log);
    files.cut_power(0);
    check(&open(files).expect("opens"), promised, context);
    is_whole(files, context);
}

fn is_write(error: &LogError) -> bool {
    !matches!(error, LogError::Io { action: "read" | "look at" | "list", .. })
}

fn check_error(error: Option<&LogError>, fault: Fault, context: &str) {
    match (error, fault) {
        (None, _) => {}
        (Some(e), Fault::Full | Fault::FullForAll) => assert!(e.is_full(), "{context}: {e}"),
        (Some(e), _) => assert!(!e.is_full() && !e.is_damage(), "{context}: {e}"),
    }
}

fn everywhere(fault: Fault) {
    let files = Arc::new(Memory::default());
    let mut log = open(&files).expect("begins");
    let before = files.operations();
    fill(&mut log, END, &mut Promised::default()).expect("nothing fails");
    for at in 0..files.operations() - before {
        for lasting in [false, true] {
            for then in [Then::Recover, Then::Reopen, Then::ReopenAndCut] {
                outlasts(fault, lasting, at, &then);
            }
        }
    }
}

#[bounded::test]
fn a_log_outlasts_errors_of_the_disk() {
    everywhere(Fault::Io);
}

#[bounded::test]
fn a_log_outlasts_a_full_disk() {
    everywhere(Fault::Full);
    everywhere(Fault::FullForAll);
}

/// Nothing can be written at open: what is there is served, and appending begins when it can.
#[bounded::test]
fn a_log_on_a_full_disk_opens_for_reading() {
    let files = Arc::new(Memory::default());
    let mut promised = Promised::default();
    fill(&mut open(&files).expect("begins"), END, &mut promised).expect("nothing fails");
    files.fail_from(0, Fault::FullForAll);
    let mut log = open(&files).expect("opens for reading");
    check(&log, &promised, "full");
    assert!(log.needs_recover());
    assert!(log.recover().expect_err("still full").is_full());
    files.mend();
    log.recover().expect("space is back");
    promised.tried = END + 10;
    fill(&mut log, END + 10, &mut promised).expect("goes on");
    check(&log, &promised, "space is back");
}

/// A folder in which nothing can be written does not become a log, nor damage.
#[bounded::test]
fn a_log_that_cannot_begin_says_why() {
    for at in 0..40 {
        let files = Arc::new(Memory::default());
        files.fail_from(at, Fault::Full);
        if let Err(e) = open(&files) {
            assert!(e.is_full(), "at {at}: {e}");
        }
        files.mend();
        let mut log = open(&files).expect("space is back");
        fill(&mut log, 5, &mut Promised::default()).expect("goes on");
    }
}

#[bounded::test]
fn a_reserve_is_kept() {
    let files = Arc::new(Memory::default());
    let mut log =
        Log::open(files.clone(), LogOptions { reserve_bytes: 10_000, ..OPTIONS }).expect("begins");
    files.set_free_bytes(10_050);
    let error = log.append(&records(0..1)).expect_err("below the reserve");
    assert!(matches!(error, LogError::Full { free: 10_050, .. }) && error.is_full(), "{error}");
    assert!(!log.needs_recover(), "nothing was written");
    files.set_free_bytes(11_000);
    log.append(&records(0..1)).expect("space is back");
    assert_eq!(log.reader().end(), 1);
}

/// What a reader would not accept is not written, and nothing has to be recovered for it.
#[bounded::test]
fn what_is_too_large_is_refused_before_anything_is_written() {
    let files = Arc::new(Memory::default());
    let mut log = open(&files).expect("begins");
    log.append(&records(0..3)).expect("appended");
    let before = contents(&files);
    let body = vec![0; BODY_BYTES_MAX + 1];
    let error = log.begin_segment(&body).expect_err("too large");
    assert!(matches!(error, LogError::TooLarge { ordinal: 3, .. }), "{error}");
    let error = log.append(&[record(3), Record { body, ..record(4) }]).expect_err("too large");
    assert!(matches!(error, LogError::TooLarge { ordinal: 4, .. }), "{error}");
    assert!(!log.needs_recover() && contents(&files) == before);
    log.append(&[Record { body: vec![0; BODY_BYTES_MAX], ..record(3) }]).expect("just not");
    let read = log.reader().read(3).expect("whole").and_then(Entry::record);
    assert_eq!(read.map(|record| record.body.len()), Some(BODY_BYTES_MAX));
}

/// Records whose append failed are gone after `recover`, also when others take their places and the power is
/// cut while they do: nothing of the old ones follows the new.
#[bounded::test]
fn what_was_recovered_from_does_not_come_back() {
    // Of the same length as the old one, so that what came behind that one fits.
    let old = [Record { body: vec![1], ..record(3) }, record(4), record(5)];
    let new = Record { id: record(9).id, body: vec![2], ..record(3) };
    let run = |failing: u64, fault: Fault, stopping: u64, seed: u64| {
        let files = Arc::new(Memory::default());
        let mut log = open(&files).expect("begins");
        log.append(&records(0..3)).expect("appended");
        files.fail_once(failing, fault);
        if log.append(&old).is_ok() {
            // A sync does not fail for want of space.
            assert!(fault != Fault::Io, "an append has {APPEND_OPERATIONS} operations");
            return;
        }
        log.recover().expect("the fault is over");
        files.fail_once(stopping, Fault::Stop);
        let stopped = log.append(std::slice::from_ref(&new)).is_err();
        files.cut_power(seed);
        let context = format!("{fault:?} at {failing}, cut at {stopping}, seed {seed}");
        let reader = open(&files).unwrap_or_else(|e| panic!("{context}: {e}")).reader();
        assert!(reader.end() == 4 || stopped && reader.end() == 3, "{context}: {}", reader.end());
        if reader.end() == 4 {
            let read = reader.read(3).expect("whole").and_then(Entry::record);
            assert_eq!(read.as_ref(), Some(&new), "{context}");
        }
    };
    for fault in [Fault::Io, Fault::FullForAll] {
        for failing in 0..APPEND_OPERATIONS {
            for (stopping, seed) in (0..6).flat_map(|at| (0..12).map(move |seed| (at, seed))) {
                run(failing, fault, stopping, seed);
            }
        }
    }
}
