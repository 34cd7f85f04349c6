//! Copying a log: only what is new, from one that is written, and cut at every operation.

use std::sync::Arc;

use weir_log::testing::{Fault, Memory};
use weir_log::{Copied, CopyError, Files, Log, LogError, Record, copy};

use crate::model::{
    OPTIONS, Promised, check_reader, contents, fill, filled, is_whole, open, record, records,
};

const END: u64 = 40;

fn back_up(from: &Arc<Memory>, to: &Arc<Memory>) -> Result<Copied, CopyError> {
    let (from, to): (Arc<dyn Files>, Arc<dyn Files>) = (from.clone(), to.clone());
    copy(&from, &to, &mut |_, _| ())
}

/// All files but the count, whose numbers of writings differ.
fn same(from: &Memory, to: &Memory, context: &str) {
    let but_count = |files: &Memory| -> Vec<_> {
        contents(files).into_iter().filter(|(name, _)| name != "announced").collect()
    };
    assert!(but_count(from) == but_count(to), "{context}: {:?} {:?}", from.names(), to.names());
    is_whole(to, context);
}

#[bounded::test]
fn a_log_that_is_open_is_copied_and_then_only_what_is_new() {
    let (from, to) = (filled(END), Arc::new(Memory::default()));
    let mut log = open(&from).expect("opens");
    let first = back_up(&from, &to).expect("copied");
    assert_eq!((first.first, first.end, first.kept), (0, END, 0));
    same(&from, &to, "first");
    let again = back_up(&from, &to).expect("copied");
    assert_eq!((again.segments, again.bytes, again.kept), (0, 0, first.segments));
    let mut promised = Promised::default();
    fill(&mut log, END + 10, &mut promised).expect("goes on");
    let more = back_up(&from, &to).expect("copied");
    assert_eq!((more.kept, more.end), (first.segments - 1, END + 10), "the newest was open");
    same(&from, &to, "more");
    to.cut_power(0);
    check_reader(&open(&to).expect("opens").reader(), &promised, "the copy");
}

#[bounded::test]
fn what_is_pruned_and_expunged_goes_from_the_copy_too() {
    let (from, to) = (filled(END), Arc::new(Memory::default()));
    back_up(&from, &to).expect("copied");
    let mut log = open(&from).expect("opens");
    let expunged = (0..END).find(|ordinal| !record(*ordinal).body.is_empty()).expect("one");
    log.expunge(expunged).expect("expunged");
    let copied = back_up(&from, &to).expect("copied");
    assert_eq!(copied.segments, 1, "only the segment that was written anew");
    same(&from, &to, "expunged");
    let begin = log.prune_before(END / 2).expect("pruned");
    assert!(begin > 0);
    assert_eq!(back_up(&from, &to).expect("copied").first, begin);
    same(&from, &to, "pruned");
}

#[bounded::test]
fn a_copy_that_is_cut_at_any_operation_goes_on() {
    let from = filled(END);
    let longer = from.fork();
    let longer = Arc::new(longer);
    fill(&mut open(&longer).expect("opens"), END + 12, &mut Promised::default()).expect("filled");
    let mut cut = 0;
    for after in 0.. {
        let to = Arc::new(Memory::default());
        to.fail_once(after, Fault::Stop);
        let first = back_up(&from, &to);
        let whole = first.is_ok();
        if whole {
            let operations = to.operations();
            to.fail_once(after.saturating_sub(operations), Fault::Stop);
            // Stopped, but with the first copy announced, which is then there whatever happens.
            let _ = back_up(&longer, &to);
        }
        to.mend();
        to.cut_power(after);
        if whole {
            let log = open(&Arc::new(to.fork())).expect("a copy that was made opens");
            assert!(log.reader().end() >= END, "operation {after}");
        }
        cut += 1;
        let done = back_up(&longer, &to).unwrap_or_else(|e| panic!("operation {after}: {e}"));
        same(&longer, &to, "goes on");
        if done.segments == 0 {
            break;
        }
    }
    assert!(cut > 50, "{cut} operations");
}

#[bounded::test]
fn a_copy_of_another_log_and_one_that_is_ahead_are_left_alone() {
    let (from, ahead) = (filled(END), filled(END + 1));
    let other = Arc::new(Memory::default());
    let mut log = Log::open(other.clone(), OPTIONS).expect("begins");
    log.append(&[Record { id: [1; 32], ..record(0) }]).expect("appended");
    let before = (contents(&ahead), contents(&other));
    let refused = back_up(&from, &ahead);
    assert!(
        matches!(refused, Err(CopyError::Ahead { expected: END, found }) if found == END + 1),
        "{refused:?}"
    );
    let refused = back_up(&from, &other);
    assert!(matches!(refused, Err(CopyError::Another { ordinal: 1 })), "{refused:?}");
    assert!(before == (contents(&ahead), contents(&other)), "nothing is written");
}

#[bounded::test]
fn damage_is_named_and_does_not_reach_the_copy() {
    let (from, to) = (filled(END), Arc::new(Memory::default()));
    back_up(&from, &to).expect("copied");
    let before = contents(&to);
    let mut log = open(&from).expect("opens");
    log.append(&records(END..END + 3)).expect("appended");
    let names = from.names();
    let newest = names.iter().rfind(|name| name.ends_with(".segment")).expect("a segment");
    let length = from.content(newest).len() as u64;
    drop(log);
    from.write_at(newest, length - 1, &[0xaa]).expect("written");
    match back_up(&from, &to) {
        Err(CopyError::From(LogError::Damaged { .. } | LogError::Lost { .. })) => {}
        other => panic!("{other:?}"),
    }
    assert!(before == contents(&to), "the copy is as it was");
}
