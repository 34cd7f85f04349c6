//! Records come back as they were, and no bytes whatever do harm.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use weir_log::testing::Memory;
use weir_log::{Entry, Log, LogOptions, Record, mend, verify};

use crate::model::{OPTIONS, filled, open};

const NEWEST: &str = "00000000000000000000.segment";

fn any_record() -> impl Strategy<Value = Record> {
    let repeated = (any::<u8>(), 0_usize..5000).prop_map(|(byte, length)| vec![byte; length]);
    let body = prop_oneof![proptest::collection::vec(any::<u8>(), 0..2000), repeated];
    (any::<[u8; 32]>(), any::<[u8; 32]>(), body).prop_map(|(id, parent, body)| Record {
        id,
        parent,
        body,
    })
}

/// Bytes that look more like a segment than chance makes them: pieces of a real one, cut and put together.
fn any_segment() -> impl Strategy<Value = Vec<u8>> {
    let real = filled(20).content(NEWEST);
    let length = real.len();
    let piece =
        (0..length, 0..length, any::<bool>(), proptest::collection::vec(any::<u8>(), 0..40));
    let pieces = proptest::collection::vec(piece, 0..6);
    (any::<bool>(), pieces).prop_map(move |(headed, pieces)| {
        let mut bytes = if headed { real[..56].to_vec() } else { Vec::new() };
        for (begin, end, is_real, other) in pieces {
            let piece = real.get(begin..end).filter(|_| is_real);
            bytes.extend_from_slice(piece.unwrap_or(&other));
        }
        bytes
    })
}

/// Opens, reads, verifies and mends whatever the files hold.
fn try_everything(files: &Arc<Memory>) {
    let _ = verify(&**files, &mut |_| ());
    if let Ok(log) = open(&Arc::new(files.fork())) {
        let reader = log.reader();
        let end = reader.end().min(reader.first().saturating_add(100));
        for ordinal in reader.first()..end {
            let _ = reader.read(ordinal);
            let _ = reader.read_range(ordinal..end, 1000);
        }
        for ordinal in reader.checkpoints() {
            let _ = reader.checkpoint(ordinal);
        }
    }
    let _ = mend(&**files, &mut |_| None);
    let _ = open(files);
}

fn cases(cases: u32) -> ProptestConfig {
    let rng_seed = RngSeed::Fixed(15);
    ProptestConfig { cases, failure_persistence: None, rng_seed, ..ProptestConfig::default() }
}

#[bounded::test]
fn records_come_back_as_they_were() {
    proptest!(cases(200), |(records in proptest::collection::vec(any_record(), 0..8), seed in 0_u64..4)| {
        let files = Arc::new(Memory::default());
        let mut log = Log::open(files.clone(), LogOptions { segment_bytes: 3000, ..OPTIONS }).expect("begins");
        for record in &records {
            log.append(std::slice::from_ref(record)).expect("appended");
            if log.segment_is_full() {
                log.begin_segment(&record.body).expect("begun");
            }
        }
        drop(log);
        files.cut_power(seed);
        let reader = open(&files).expect("opens").reader();
        let read = reader.read_range(0..records.len() as u64, usize::MAX).expect("whole");
        let read: Vec<Record> = read.into_iter().filter_map(Entry::record).collect();
        prop_assert_eq!(read, records);
    });
}

#[bounded::test]
fn any_bytes_as_a_segment_do_no_harm() {
    let whole = filled(20);
    let sealed = whole.names();
    proptest!(cases(1500), |(bytes in any_segment(), which in 0_usize..100)| {
        let files = Arc::new(whole.fork());
        let name = &sealed[which % sealed.len()];
        files.edit(name, |content| *content = bytes);
        try_everything(&files);
    });
}

#[bounded::test]
fn any_bytes_as_any_file_do_no_harm() {
    let whole = filled(20);
    let names = whole.names();
    let bytes = proptest::collection::vec(any::<u8>(), 0..300);
    proptest!(cases(500), |(bytes in bytes, which in 0_usize..100)| {
        let files = Arc::new(whole.fork());
        files.edit(&names[which % names.len()], |content| *content = bytes);
        try_everything(&files);
    });
}

/// Numbers in frames whose checksums are right, as somebody makes them who wants to do harm.
#[bounded::test]
fn any_numbers_with_right_checksums_do_no_harm() {
    let whole = filled(20);
    proptest!(cases(1500), |(
        which in 0_usize..100,
        field in 0_usize..5,
        value in prop_oneof![any::<u64>(), 0_u64..100, Just(u64::MAX), Just(u64::from(u32::MAX))],
    )| {
        let files = Arc::new(whole.fork());
        let names = whole.names();
        let name = &names[which % names.len()];
        files.edit(name, |content| forge(name, content, field, value));
        try_everything(&files);
    });
}

/// Writes a number over one of a file's frame, and makes its checksum right again.
fn forge(name: &str, content: &mut [u8], field: usize, value: u64) {
    let length = content.len();
    // Where a frame begins, how long it is without its checksum, and where the checksum is.
    let (begin, size, checksum) = match (name, field % 2) {
        ("announced", 0) => (0, 32, 32),
        ("announced", _) => (4096, 32, 4128),
        (name, 0) if name.ends_with(".segment") => (0, 52, 52),
        (name, _) if name.ends_with(".segment") => (length - 36, 32, length - 4),
        _ => return,
    };
    let at = begin + [8, 16, 4, 12, 20][field];
    if at + 8 > begin + size {
        return;
    }
    content[at..at + 8].copy_from_slice(&value.to_le_bytes());
    let right = crc32c::crc32c(&content[begin..begin + size]);
    content[checksum..checksum + 4].copy_from_slice(&right.to_le_bytes());
}
