//! Repairs: records are replaced, and what cannot be had is named.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_log::testing::{Fault, Memory};
use weir_log::{Entry, LogError, Record, mend, replace, verify};

use crate::model::{Promised, check, filled, is_whole, open, record};

const END: u64 = 40;

fn segments(files: &Memory) -> Vec<String> {
    files.names().into_iter().filter(|name| name.ends_with(".segment")).collect()
}

/// A log with the middle of its second and of its newest segment overwritten.
fn broken() -> Arc<Memory> {
    let files = filled(END);
    let names = segments(&files);
    for name in [&names[1], &names[names.len() - 1]] {
        files.edit(name, |bytes| {
            let middle = bytes.len() / 3;
            bytes[middle..middle + 90].fill(0xaa);
        });
    }
    files
}

#[bounded::test]
fn records_that_nobody_has_are_named_and_the_rest_is_mended() {
    let files = broken();
    let report = verify(&*files, &mut |_| ()).expect("readable");
    let lost: Vec<u64> =
        report.findings.iter().flat_map(|finding| finding.ordinals.clone()).collect();
    assert!(lost.len() >= 2 && report.records == END - lost.len() as u64, "{report:?}");
    let mended = mend(&*files, &mut |_| None).expect("written");
    assert!(mended.missing.iter().cloned().flatten().eq(lost.iter().copied()));
    assert!(mended.segments.is_empty() && mended.quarantined.is_empty(), "{mended:?}");
    let newest = *lost.last().expect("some");
    let mended = mend(&*files, &mut |at| (at != newest).then(|| record(at))).expect("written");
    let missing: Vec<u64> = mended.missing.into_iter().flatten().collect();
    assert!(missing.contains(&newest) && mended.segments.len() == 1, "{missing:?}");
    let mended = mend(&*files, &mut |at| missing.contains(&at).then(|| record(at)));
    let mended = mended.expect("written");
    assert!(mended.records == missing && mended.is_whole(), "{mended:?}");
    is_whole(&files, "mended");
    assert_eq!(files.names().iter().filter(|name| name.starts_with("quarantine/")).count(), 2);
    check(&open(&files).expect("opens"), &Promised { end: END, tried: END, checkpoint: 0 }, "");
}

#[bounded::test]
fn a_record_is_replaced_and_the_old_file_is_kept() {
    for ordinal in 0..END {
        let files = filled(END);
        let before = segments(&files).into_iter().map(|name| files.content(&name));
        let before: Vec<Vec<u8>> = before.collect();
        let other = Record { body: vec![1, 2, 3], ..record(ordinal) };
        let done = replace(&*files, &BTreeMap::from([(ordinal, other.clone())])).expect("written");
        files.cut_power(0);
        is_whole(&files, "replaced");
        let reader = open(&files).expect("opens").reader();
        for at in 0..END {
            let expected = if at == ordinal { other.clone() } else { record(at) };
            assert_eq!(reader.read(at).expect("whole"), Some(Entry::Record(expected)));
        }
        assert!(before.contains(&files.content(&done.quarantined[0])), "the old file is kept");
    }
    let outside = replace(&*filled(END), &BTreeMap::from([(END, record(END))]));
    assert!(matches!(outside, Err(LogError::NotThere { ordinal: END, .. })));
}

/// Mending is cut at every operation: the log is never worse for it.
#[bounded::test]
fn mending_outlasts_a_cut_at_any_operation() {
    let run = |files: &Memory| mend(files, &mut |at| Some(record(at)));
    let whole = broken();
    let before = whole.operations();
    run(&whole).expect("nothing fails");
    for at in 0..whole.operations() - before {
        for seed in 0..4 {
            for fault in [Fault::Stop, Fault::Io, Fault::Full] {
                let files = broken();
                files.fail_from(at, fault);
                let _ = run(&files);
                files.cut_power(seed);
                let context = format!("{fault:?} at {at}, seed {seed}");
                let mended = run(&files).unwrap_or_else(|e| panic!("{context}: {e}"));
                assert!(mended.is_whole(), "{context}");
                is_whole(&files, &context);
                let promised = Promised { end: END, tried: END, checkpoint: 0 };
                check(&open(&files).expect("opens"), &promised, &context);
            }
        }
    }
}

/// Without the count of what was announced, the records that are there are counted, and it is said.
#[bounded::test]
fn a_lost_count_is_made_again() {
    let files = filled(END);
    files.edit("announced", |bytes| bytes.fill(0));
    assert!(open(&files).is_err());
    let mended = mend(&*files, &mut |_| None).expect("written");
    assert!(mended.recounted && mended.is_whole());
    check(&open(&files).expect("opens"), &Promised { end: END, tried: END, checkpoint: 0 }, "");
}
