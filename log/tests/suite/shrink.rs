//! Pruning and expunging, cut at every operation.

use std::sync::Arc;

use weir_log::testing::{Fault, Memory};
use weir_log::{Entry, Log, LogError, verify};

use crate::model::{Promised, check, fill, filled, is_whole, open, record};

const END: u64 = 40;

#[bounded::test]
fn a_pruned_log_begins_with_a_checkpoint_and_goes_on() {
    let files = filled(END);
    let mut log = open(&files).expect("opens");
    let reader = log.reader();
    let checkpoints = reader.checkpoints();
    assert_eq!(log.prune_before(checkpoints[0] - 1).expect("nothing to do"), 0);
    let begin = log.prune_before(checkpoints[2] + 1).expect("pruned");
    assert_eq!((begin, reader.first(), reader.end()), (checkpoints[2], checkpoints[2], END));
    assert_eq!(reader.read(begin - 1).expect("not there"), None);
    assert!(matches!(reader.read_range(0..END, 1), Err(LogError::NotThere { ordinal: 0, .. })));
    let mut promised = Promised { end: END, tried: END + 10, checkpoint: 0 };
    fill(&mut log, END + 10, &mut promised).expect("goes on");
    check(&log, &promised, "pruned");
    drop(log);
    files.cut_power(0);
    let log = open(&files).expect("opens");
    assert_eq!(log.reader().first(), begin);
    check(&log, &promised, "pruned");
    let report = verify(&*files, &mut |_| ()).expect("readable");
    assert!(report.is_whole() && report.first == begin, "{:?}", report.findings);
    let names = files.names();
    assert!(!names.iter().any(|name| name.starts_with("00000000000000000000.")), "{names:?}");
    let mut log = log;
    let end = log.reader().end();
    let newest = log.prune_before(u64::MAX).expect("all but the newest segment");
    assert!(newest > begin && log.reader().end() == end);
}

#[bounded::test]
fn an_expunged_record_leaves_a_tombstone() {
    for ordinal in 0..END {
        let files = filled(END);
        let mut log = open(&files).expect("opens");
        log.expunge(ordinal).expect("expunged");
        log.expunge(ordinal).expect("expunged before");
        let mut promised = Promised { end: END, tried: END, checkpoint: 0 };
        is_expunged(&log, ordinal, END);
        fill(&mut log, END + 5, &mut promised).expect("goes on");
        drop(log);
        files.cut_power(0);
        is_expunged(&open(&files).expect("opens"), ordinal, END + 5);
        is_whole(&files, "expunged");
        let names = files.names();
        let body = record(ordinal).body;
        let kept = |name: &String| {
            let content = files.content(name);
            body.len() > 8 && content.windows(8).any(|window| window == &body[..8])
        };
        assert!(!names.iter().any(kept), "{ordinal} is gone");
    }
    let mut log = open(&filled(END)).expect("opens");
    assert!(matches!(log.expunge(END), Err(LogError::NotThere { .. })));
}

fn is_expunged(log: &Log, ordinal: u64, end: u64) {
    let reader = log.reader();
    let all = reader.read_range(0..end, usize::MAX).expect("whole");
    for (at, paged) in (0..end).zip(all) {
        let read = reader.read(at).expect("whole").expect("there");
        assert_eq!(read, paged);
        let weir_log::Record { id, parent, .. } = record(at);
        match read {
            Entry::Record(read) => assert!(at != ordinal && read == record(at)),
            expunged => assert_eq!((at, expunged), (ordinal, Entry::Expunged { id, parent })),
        }
    }
}

/// Cuts, kills and failures at every operation of a change; the log has it or not, and nothing else changes.
fn change_everywhere(change: &dyn Fn(&mut Log) -> Result<(), LogError>, ordinals: [u64; 2]) {
    let files = filled(END);
    let mut log = open(&files).expect("opens");
    let before = files.operations();
    change(&mut log).expect("nothing fails");
    let operations = files.operations() - before;
    let mut seen = [0; 2];
    for at in 0..=operations {
        for (fault, seed) in FAULTS.iter().flat_map(|fault| (0..5).map(move |seed| (*fault, seed)))
        {
            let files: Arc<Memory> = filled(END);
            let mut log = open(&files).expect("opens");
            files.fail_from(at, fault);
            let done = change(&mut log).is_ok();
            let context = format!("{fault:?} at {at}, seed {seed}");
            if fault != Fault::Stop && seed > 2 {
                files.mend();
                log.recover().unwrap_or_else(|e| panic!("{context}: {e}"));
                look(&log, &context);
            }
            drop(log);
            if seed == 4 {
                files.mend()
            } else {
                files.cut_power(seed)
            }
            let mut log = open(&files).unwrap_or_else(|e| panic!("{context}: {e}"));
            let changed = look(&log, &context);
            assert!(changed || !done, "{context}: it was done");
            seen[usize::from(changed)] += 1;
            fill(&mut log, END + 9, &mut Promised::default()).expect("goes on");
            look(&log, &context);
            let report = verify(&*files, &mut |_| ()).expect("readable");
            assert!(report.is_whole(), "{context}: {:?}", report.findings);
        }
    }
    assert!(seen.iter().all(|seen| *seen > 0), "{seen:?} for {ordinals:?}");
}

/// Reads everything; says whether any of it is pruned or expunged.
fn look(log: &Log, context: &str) -> bool {
    let reader = log.reader();
    let mut changed = reader.first() > 0;
    assert!(reader.end() >= END, "{context}");
    for at in reader.first()..reader.end() {
        match reader.read(at).unwrap_or_else(|e| panic!("{context}: {e}")) {
            Some(Entry::Record(read)) => assert_eq!(read, record(at), "{context}"),
            Some(Entry::Expunged { .. }) => changed = true,
            None => panic!("{context}: {at}"),
        }
    }
    changed
}

#[bounded::test]
fn pruning_outlasts_a_cut_at_any_operation() {
    change_everywhere(&|log| log.prune_before(25).map(|_| ()), [0, 25]);
}

#[bounded::test]
fn expunging_outlasts_a_cut_at_any_operation() {
    for ordinal in [3, END - 1] {
        change_everywhere(&|log| log.expunge(ordinal), [ordinal, ordinal]);
    }
}

/// Readers see the record or its tombstone while it is taken away, and never an error.
#[bounded::test]
fn readers_are_not_disturbed() {
    let files = filled(END);
    let mut log = open(&files).expect("opens");
    let reader = log.reader();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                for at in 0..END {
                    let read = reader.read(at).expect("undisturbed");
                    assert_eq!(
                        read.map(|entry| *entry.id()).unwrap_or(record(at).id),
                        record(at).id
                    );
                }
            }
        });
        for ordinal in (0..END).rev() {
            log.expunge(ordinal).expect("expunged");
        }
        log.prune_before(30).expect("pruned");
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

const FAULTS: [Fault; 3] = [Fault::Stop, Fault::Io, Fault::FullForAll];
