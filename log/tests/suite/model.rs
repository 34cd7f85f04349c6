//! The records that all tests append, and what a log of them must look like.

use std::sync::Arc;

use weir_log::testing::{Chance, Memory};
use weir_log::{Entry, Files, Log, LogError, LogOptions, LogReader, Record, verify};

/// Segments of a few records each.
pub(crate) const OPTIONS: LogOptions = LogOptions { segment_bytes: 900, reserve_bytes: 0 };

pub(crate) fn id(ordinal: u64) -> [u8; 32] {
    let mut chance = Chance::new(ordinal + 1);
    let mut id = [0; 32];
    id.chunks_exact_mut(8).for_each(|part| part.copy_from_slice(&chance.draw().to_le_bytes()));
    id
}

/// The record of an ordinal: every seventh has the parent's parent for a parent, and none is like another.
pub(crate) fn record(ordinal: u64) -> Record {
    let mut chance = Chance::new(ordinal ^ 0xb0d7);
    let parent = match ordinal {
        0 => [9; 32],
        ordinal if ordinal % 7 == 2 => id(ordinal - 2),
        ordinal => id(ordinal - 1),
    };
    let mut body = Vec::new();
    for _ in 0..chance.below(12) {
        // Some of it compresses.
        body.extend_from_slice(&chance.draw().to_le_bytes());
        body.extend_from_slice(&[7; 16]);
    }
    Record { id: id(ordinal), parent, body }
}

pub(crate) fn records(ordinals: std::ops::Range<u64>) -> Vec<Record> {
    ordinals.map(record).collect()
}

pub(crate) fn checkpoint(ordinal: u64) -> Vec<u8> {
    format!("state before {ordinal} ").repeat(5).into_bytes()
}

pub(crate) fn open(files: &Arc<Memory>) -> Result<Log, LogError> {
    Log::open(files.clone(), OPTIONS)
}

/// What a log has promised so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Promised {
    /// The end after the last `append` that succeeded.
    pub(crate) end: u64,
    /// The end that the `append` under way would have.
    pub(crate) tried: u64,
    /// The newest checkpoint whose `begin_segment` succeeded.
    pub(crate) checkpoint: u64,
}

/// Appends some records at a time up to an end, beginning segments, and notes what was promised.
pub(crate) fn fill(log: &mut Log, end: u64, promised: &mut Promised) -> Result<(), LogError> {
    while log.reader().end() < end {
        let from = log.reader().end();
        let until = (from + 1 + from % 3).min(end);
        promised.tried = promised.tried.max(until);
        log.append(&records(from..until))?;
        promised.end = until;
        if log.segment_is_full() {
            log.begin_segment(&checkpoint(until))?;
            promised.checkpoint = until;
        }
    }
    Ok(())
}

/// Checks that a log holds what was promised, and nothing that was not tried.
pub(crate) fn check(log: &Log, promised: &Promised, context: &str) {
    check_reader(&log.reader(), promised, context);
}

pub(crate) fn check_reader(reader: &LogReader, promised: &Promised, context: &str) {
    let (first, end) = (reader.first(), reader.end());
    assert!(end >= promised.end, "{context}: {end} of {promised:?}");
    assert!(end <= promised.tried.max(promised.end), "{context}: {end} of {promised:?}");
    for ordinal in first..end {
        let read = reader.read(ordinal).unwrap_or_else(|e| panic!("{context}: {e}"));
        assert_eq!(read.and_then(Entry::record), Some(record(ordinal)), "{context}: {ordinal}");
    }
    assert_eq!(reader.read(end).expect("no damage"), None, "{context}");
    let all = reader.read_range(first..end, usize::MAX).expect("no damage");
    assert!(all.into_iter().filter_map(Entry::record).eq((first..end).map(record)), "{context}");
    let checkpoints = reader.checkpoints();
    for ordinal in &checkpoints {
        let content = reader.checkpoint(*ordinal).expect("no damage").expect("listed");
        assert_eq!(content, checkpoint(*ordinal), "{context}: checkpoint {ordinal}");
    }
    let promised = promised.checkpoint;
    assert!(promised == 0 || checkpoints.contains(&promised), "{context}: {promised}");
}

/// All files and their bytes, for comparing two logs.
pub(crate) fn contents(files: &Memory) -> Vec<(String, Vec<u8>)> {
    files.names().into_iter().map(|name| (name.clone(), files.content(&name))).collect()
}

/// A log of so many records that is closed.
pub(crate) fn filled(end: u64) -> Arc<Memory> {
    let files = Arc::new(Memory::default());
    let mut log = open(&files).expect("begins");
    fill(&mut log, end, &mut Promised::default()).expect("nothing fails");
    assert!(files.list().expect("a folder").len() > 6, "several segments");
    files
}

/// Checks that a log is as good as one that nothing happened to.
pub(crate) fn is_whole(files: &Memory, context: &str) {
    let report = verify(files, &mut |_| ()).expect("readable");
    assert!(report.is_whole(), "{context}: {:?}", report.findings);
    assert_eq!(report.links_unknown, 0, "{context}");
}
