//! Readers beside the one writer of a log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use weir_log::testing::Chance;

use super::log::Model;
use crate::store::engine::{BlockLog, LogRead};

/// Whatever a reader finds while the log is written is announced by then, and right.
pub(super) fn readers_see_what_is_announced(mut log: Box<dyn BlockLog>, model: &Model, seed: u64) {
    let ended = AtomicBool::new(false);
    let reader = log.reader();
    thread::scope(|scope| {
        let watching = scope.spawn(|| watch(&*reader, model, &ended, seed));
        let _end = End(&ended);
        let mut chance = Chance::new(!seed);
        let mut from = usize::try_from(model.end).unwrap();
        while from < model.blocks.len() && !watching.is_finished() {
            let to = (from + 1 + chance.below(4)).min(model.blocks.len());
            log.append(&model.blocks[from..to]).unwrap();
            from = to;
            if log.segment_is_full() || chance.below(9) == 0 {
                log.begin_segment(b"another").unwrap();
            }
        }
    });
}

/// Tells the readers when the writer has ended, in whatever way.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn watch(reader: &dyn LogRead, model: &Model, ended: &AtomicBool, seed: u64) {
    let mut chance = Chance::new(seed);
    let mut end = model.end;
    while !ended.load(Ordering::SeqCst) {
        let held = reader.ordinals();
        assert!(held.end >= end, "seed {seed}: {held:?} after {end}");
        end = held.end;
        // At the edge, where the writer is.
        let ordinal = end + chance.below(3) as u64;
        if let Some(record) = reader.read(ordinal).unwrap() {
            assert!(ordinal < reader.ordinals().end, "seed {seed}: {ordinal} is not announced");
            assert_eq!(record, model.blocks[usize::try_from(ordinal).unwrap()], "seed {seed}");
        }
        for ordinal in model.end..end {
            let expected = &model.blocks[usize::try_from(ordinal).unwrap()];
            assert_eq!(reader.read(ordinal).unwrap().as_ref(), Some(expected), "seed {seed}");
        }
    }
}
