//! Flipped bits and cut files: equal content, or an error with file and offset; never fewer records unsaid.

use std::sync::Arc;

use weir_log::testing::{Chance, Memory};
use weir_log::{Entry, LogError, LogReader, Record, mend, put_checkpoint, verify};

use crate::model::{Promised, check, checkpoint, contents, filled, is_whole, open, record};

const END: u64 = 40;

/// A log with damage in one file: all that is read is right or named, verify finds what reading does, and
/// mending makes it whole.
fn check_damaged(files: &Arc<Memory>, file: &str, context: &str) {
    let before = contents(files);
    let report = verify(&**files, &mut |_| ()).unwrap_or_else(|e| panic!("{context}: {e}"));
    assert_eq!(before, contents(files), "{context}: verify writes nothing");
    for finding in &report.findings {
        // A wrong ID in a header, or a checksum, shows in the next file too.
        let next = finding.file.ends_with(".segment") && file.ends_with(".segment");
        assert!(finding.file == file || next, "{context}: {finding:?}");
    }
    match open(&Arc::new(files.fork())) {
        Err(e) => {
            assert!(is_named(&e, file), "{context}: {e}");
            assert!(!report.is_whole(), "{context}: opening finds what verify does not: {e}");
        }
        Ok(log) => {
            let reader = log.reader();
            assert_eq!((reader.first(), reader.end()), (0, END), "{context}");
            let damaged = read_all(&reader, file, context);
            assert!(!damaged || !report.is_whole(), "{context}: reading finds more than verify");
        }
    }
    mend_and_compare(files, report.is_whole(), context);
}

fn is_named(error: &LogError, file: &str) -> bool {
    match error {
        LogError::Lost { announced: END, file: named, .. } => named == file,
        LogError::Damaged { file: named, .. } | LogError::Newer { file: named, .. } => {
            named == file
        }
        _ => false,
    }
}

/// Reads everything in every way; returns whether anything was damaged.
fn read_all(reader: &LogReader, file: &str, context: &str) -> bool {
    let mut damaged = false;
    for ordinal in 0..END {
        let one = reader.read(ordinal).map(|entry| entry.and_then(Entry::record));
        let page = reader.read_range(ordinal..ordinal + 1, 1).map(|mut page| page.pop());
        let page = page.map(|entry| entry.and_then(Entry::record));
        assert_eq!(one.is_ok(), page.is_ok(), "{context}: {ordinal}: {one:?}, {page:?}");
        for read in [one, page] {
            match read {
                Ok(read) => assert_eq!(read, Some(record(ordinal)), "{context}"),
                Err(e) => {
                    damaged = true;
                    assert!(is_named(&e, file), "{context}: {e}");
                }
            }
        }
    }
    for ordinal in reader.checkpoints() {
        match reader.checkpoint(ordinal) {
            Ok(read) => assert_eq!(read, Some(checkpoint(ordinal)), "{context}"),
            Err(e) => {
                damaged = true;
                assert!(is_named(&e, file), "{context}: {e}");
            }
        }
    }
    damaged
}

/// Mends with the records of the model, and compares with a log that nothing happened to.
fn mend_and_compare(files: &Arc<Memory>, was_whole: bool, context: &str) {
    let mended = mend(&**files, &mut |ordinal| (ordinal < END).then(|| record(ordinal)));
    let mended = match mended {
        Err(LogError::Newer { .. }) => return,
        mended => mended.unwrap_or_else(|e| panic!("{context}: {e}")),
    };
    assert!(mended.missing.is_empty(), "{context}: {mended:?}");
    let idle = mended.segments.is_empty() && mended.checkpoints.is_empty() && !mended.recounted;
    assert!(!was_whole || idle, "{context}: {mended:?}");
    for ordinal in mended.checkpoints {
        put_checkpoint(&**files, ordinal, &checkpoint(ordinal)).expect("written");
    }
    files.cut_power(0);
    is_whole(files, context);
    let log = open(files).unwrap_or_else(|e| panic!("{context}: {e}"));
    check(&log, &Promised { end: END, tried: END, checkpoint: 0 }, context);
}

#[bounded::test]
fn undamaged_logs_have_no_findings() {
    for end in [0, 1, 5, 17, END] {
        let files = filled_up_to(end);
        let report = verify(&*files, &mut |_| ()).expect("readable");
        assert!(report.is_whole(), "{:?}", report.findings);
        assert_eq!((report.records, report.announced), (end, Some(end)));
        let mended = mend(&*files, &mut |_| None).expect("nothing to do");
        assert_eq!(mended, weir_log::Mended::default());
    }
    let nothing = verify(&Memory::default(), &mut |_| ()).expect("readable");
    assert!(nothing.is_whole() && nothing.announced.is_none());
}

fn filled_up_to(end: u64) -> Arc<Memory> {
    let files = Arc::new(Memory::default());
    let mut log = open(&files).expect("begins");
    crate::model::fill(&mut log, end, &mut Promised::default()).expect("nothing fails");
    files
}

#[bounded::test]
fn flipped_bits_are_named() {
    let whole = filled(END);
    let mut chance = Chance::new(SEED);
    for _ in 0..FLIPS {
        let names = whole.names();
        let name = &names[chance.below(names.len())];
        let files = Arc::new(whole.fork());
        let bit = chance.below(8 * files.content(name).len());
        files.edit(name, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        check_damaged(&files, name, &format!("seed {SEED}, bit {bit} of {name}"));
    }
}

/// Every bit of what surrounds records, and of one record.
#[bounded::test]
fn every_bit_of_a_small_log_is_named() {
    let whole = filled_up_to(2);
    for name in whole.names() {
        for bit in 0..8 * whole.content(&name).len() {
            let files = Arc::new(whole.fork());
            files.edit(&name, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            let report = verify(&*files, &mut |_| ()).expect("readable");
            match open(&files) {
                Ok(log) => {
                    check(&log, &Promised { end: 2, tried: 2, checkpoint: 0 }, &name);
                    assert!(name == "announced", "bit {bit} of {name} goes unseen");
                }
                Err(e) => {
                    assert!(e.is_damage() || matches!(e, LogError::Newer { .. }), "{e}");
                    assert!(!report.is_whole(), "bit {bit} of {name}");
                }
            }
        }
    }
}

#[bounded::test]
fn cut_files_are_named() {
    let whole = filled(END);
    let mut chance = Chance::new(SEED);
    for name in whole.names() {
        let length = whole.content(&name).len();
        let cuts = (0..CUTS).map(|_| chance.below(length)).chain([0, length - 1]);
        for cut in cuts {
            let files = Arc::new(whole.fork());
            files.edit(&name, |bytes| bytes.truncate(cut));
            check_damaged(&files, &name, &format!("seed {SEED}, {name} cut to {cut}"));
        }
    }
}

/// Sectors that the disk cannot read any more.
#[bounded::test]
fn unreadable_bytes_are_named() {
    let whole = filled(END);
    let mut chance = Chance::new(SEED);
    for name in whole.names() {
        for _ in 0..CUTS {
            let files = Arc::new(whole.fork());
            let begin = chance.below(files.content(&name).len());
            files.spoil(&name, begin..begin + 64);
            check_damaged(&files, &name, &format!("seed {SEED}, {name} unreadable at {begin}"));
        }
    }
}

#[bounded::test]
fn missing_files_are_named() {
    let whole = filled(END);
    for name in whole.names() {
        let files = Arc::new(whole.fork());
        files.lose(&name);
        let context = format!("without {name}");
        let report = verify(&*files, &mut |_| ()).expect("readable");
        assert!(!report.is_whole(), "{context}");
        match open(&Arc::new(files.fork())) {
            Ok(log) => assert!(name.ends_with(".checkpoint") && log.reader().end() == END),
            Err(e) => assert!(e.is_damage(), "{context}: {e}"),
        }
        mend_and_compare(&files, false, &context);
    }
}

/// Several files at once, some of them lost: mended all the same, and said if the count itself was lost.
#[bounded::test]
fn much_damage_at_once_is_mended() {
    let whole = filled(END);
    let mut recounted = 0;
    for seed in 0..FLIPS as u64 {
        let mut chance = Chance::new(seed);
        let files = Arc::new(whole.fork());
        for _ in 0..2 + chance.below(4) {
            do_damage(&files, &mut chance);
        }
        let context = format!("seed {seed}");
        match open(&Arc::new(files.fork())) {
            Ok(log) => assert_eq!(log.reader().end(), END, "{context}"),
            Err(e) => {
                assert!(e.is_damage() || matches!(e, LogError::Newer { .. }), "{context}: {e}")
            }
        }
        verify(&*files, &mut |_| ()).unwrap_or_else(|e| panic!("{context}: {e}"));
        let mended = mend(&*files, &mut |at| Some(record(at)));
        let mended = mended.unwrap_or_else(|e| panic!("{context}: {e}"));
        for ordinal in mended.checkpoints {
            put_checkpoint(&*files, ordinal, &checkpoint(ordinal)).expect("written");
        }
        is_whole(&files, &context);
        let end = open(&files).unwrap_or_else(|e| panic!("{context}: {e}")).reader().end();
        assert!(end == END || mended.recounted, "{context}: {end}");
        let promised = Promised { end, tried: END, checkpoint: 0 };
        check(&open(&files).expect("opens"), &promised, &context);
        recounted += usize::from(mended.recounted);
    }
    assert!(recounted < FLIPS / 5, "{recounted} counts were lost");
}

fn do_damage(files: &Memory, chance: &mut Chance) {
    let names = files.names();
    let name = &names[chance.below(names.len())];
    let at = chance.below(files.content(name).len() + 1);
    match chance.below(4) {
        0 => files.lose(name),
        1 => files.edit(name, |bytes| bytes.truncate(at)),
        2 => files.spoil(name, at..at + 100),
        _ => files.edit(name, |bytes| {
            bytes.iter_mut().skip(at).take(50).for_each(|byte| *byte ^= 0x5a);
        }),
    }
}

/// A bad sector in what was announced does not let the loss of a record go unsaid.
#[bounded::test]
fn a_bad_copy_of_the_count_hides_no_loss() {
    for copy in [0, 2048, 4096, 6144] {
        let files = filled(END);
        let newest = files.names().into_iter().rfind(|name| name.ends_with(".segment"));
        files.edit("announced", |bytes| bytes[copy..copy + 36].fill(0));
        files.edit(&newest.expect("a segment"), |bytes| bytes.truncate(bytes.len() - 1));
        let error = open(&files).expect_err("a record is gone");
        assert!(matches!(error, LogError::Lost { announced: END, .. }), "{copy}: {error}");
    }
}

/// Bytes behind the end that nobody announced, whatever they are, are cut.
#[bounded::test]
fn a_torn_end_is_no_damage() {
    let whole = filled(END);
    let newest = whole.names().into_iter().rfind(|name| name.ends_with(".segment"));
    let newest = newest.expect("a segment");
    let mut chance = Chance::new(SEED);
    for _ in 0..CUTS {
        let files = Arc::new(whole.fork());
        let length = 1 + chance.below(300);
        let torn: Vec<u8> = (0..length).map(|_| chance.draw().to_le_bytes()[0]).collect();
        files.edit(&newest, |bytes| bytes.extend(torn));
        is_whole(&files, "torn");
        let log = open(&files).expect("opens");
        check(&log, &Promised { end: END, tried: END, checkpoint: 0 }, "torn");
        drop(log);
        assert_eq!(files.content(&newest), whole.content(&newest), "seed {SEED}");
    }
}

/// A link to a record that is not there, in a log whose every checksum is right.
#[bounded::test]
fn a_parent_that_is_no_earlier_record_is_found() {
    for parent in [[3; 32], record(7).id, record(5).id] {
        let files = Arc::new(Memory::default());
        let mut log = open(&files).expect("begins");
        let records = (0..10).map(|ordinal| match ordinal {
            5 => Record { parent, ..record(ordinal) },
            ordinal => record(ordinal),
        });
        log.append(&records.collect::<Vec<_>>()).expect("appended");
        let report = verify(&*files, &mut |_| ()).expect("readable");
        let found: Vec<_> = report.findings.iter().map(|found| found.ordinals.clone()).collect();
        assert_eq!(found, vec![5..6], "{:?}", report.findings);
    }
}

const SEED: u64 = 15;
const FLIPS: usize = 400;
const CUTS: usize = 12;
