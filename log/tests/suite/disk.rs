//! A log on a real file system: what is appended is there again, and torn ends are cut.

use std::fs;
use std::sync::Arc;

use weir_log::{Disk, Entry, Log, LogError, LogOptions, Record};

fn record(ordinal: u64) -> Record {
    let id = |ordinal: u64| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&ordinal.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        id
    };
    let body = format!("record {ordinal} ").repeat(usize::try_from(ordinal % 7).expect("below 7"));
    Record { id: id(ordinal + 1), parent: id(ordinal), body: body.into_bytes() }
}

fn options() -> LogOptions {
    LogOptions { segment_bytes: 2000, reserve_bytes: 0 }
}

fn open(folder: &tempfile::TempDir) -> Result<Log, LogError> {
    Log::open(Arc::new(Disk::new(folder.path()).expect("a folder")), options())
}

/// Appends three at a time, and begins a segment with a checkpoint when one is full.
fn fill(log: &mut Log, end: u64) {
    while log.reader().end() < end {
        let from = log.reader().end();
        let records: Vec<Record> = (from..(from + 3).min(end)).map(record).collect();
        log.append(&records).expect("appended");
        if log.segment_is_full() {
            log.begin_segment(format!("before {}", log.reader().end()).as_bytes()).expect("begun");
        }
    }
}

fn check(log: &Log, end: u64) {
    let reader = log.reader();
    assert_eq!((reader.first(), reader.end()), (0, end));
    for ordinal in 0..end {
        let read = reader.read(ordinal).expect("readable").and_then(Entry::record);
        assert_eq!(read, Some(record(ordinal)));
    }
    assert_eq!(reader.read(end).expect("no damage"), None);
    let all = reader.read_range(0..end, usize::MAX).expect("readable");
    assert_eq!(all, (0..end).map(record).map(Entry::Record).collect::<Vec<_>>());
    for ordinal in reader.checkpoints() {
        let content = reader.checkpoint(ordinal).expect("readable").expect("listed");
        assert_eq!(content, format!("before {ordinal}").into_bytes());
    }
}

#[bounded::test]
fn what_is_appended_is_there_again() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("lost+found")).expect("a folder of the file system's");
    for end in [0, 1, 40, 41, 100] {
        let mut log = open(&folder).expect("opens");
        fill(&mut log, end);
        check(&log, end);
        drop(log);
        check(&open(&folder).expect("opens again"), end);
    }
    let log = open(&folder).expect("opens");
    assert!(log.reader().checkpoints().len() > 3, "several segments");
    assert_eq!(log.reader().read_range(7..90, 1).expect("readable").len(), 1, "one at least");
    assert_eq!(
        log.reader().read_range(7..90, 1000).expect("readable").first(),
        Some(&Entry::Record(record(7)))
    );
}

#[bounded::test]
fn torn_end_is_cut_and_a_short_log_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut log = open(&folder).expect("opens");
    fill(&mut log, 50);
    drop(log);
    let newest =
        fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("an entry").path());
    let newest = newest.filter(|path| path.extension().is_some_and(|end| end == "segment")).max();
    let newest = newest.expect("a segment");
    let whole = fs::read(&newest).expect("readable");
    fs::write(&newest, [&whole[..], &whole[56..100]].concat()).expect("written");
    check(&open(&folder).expect("opens"), 50);
    assert_eq!(fs::read(&newest).expect("readable"), whole, "the torn end is cut");
    fs::write(&newest, &whole[..whole.len() - 1]).expect("written");
    let error = open(&folder).expect_err("one record is gone");
    assert!(matches!(error, LogError::Lost { announced: 50, found: 49, .. }), "{error}");
}
