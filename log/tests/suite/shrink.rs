//! Pruning and expunging, cut at every operation.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use weir_log::testing::{Fault, Memory};
use weir_log::{Entry, Files, Log, LogError, Mended, Record, mend, verify};

use crate::model::{
    OPTIONS, Promised, check, checkpoint, contents, fill, filled, is_whole, open, record,
};

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
    assert_eq!(mend(&*files, &mut |_| None).expect("readable"), Mended::default());
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
        let Record { id, parent, .. } = record(at);
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
            Some(Entry::Record(read)) if read == emptied(at) => changed = true,
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

/// A record whose body was changed.
fn emptied(ordinal: u64) -> Record {
    Record { body: vec![0xee], ..record(ordinal) }
}

/// Every third body changes, of which there are some in each segment.
fn change(record: &Record) -> Option<Vec<u8>> {
    (record.id[0].is_multiple_of(3) && record.body != [0xee]).then(|| vec![0xee])
}

#[bounded::test]
fn changing_bodies_outlasts_a_cut_at_any_operation() {
    change_everywhere(&|log| log.change_before(25, &mut change).map(|_| ()), [0, 25]);
}

#[bounded::test]
fn bodies_of_sealed_segments_change_once() {
    let files = filled(END);
    let mut log = open(&files).expect("opens");
    let newest = *log.reader().checkpoints().last().expect("some");
    let due = |end| (0..end).filter(|at| change(&record(*at)).is_some()).count() as u64;
    let before = contents(&files);
    assert_eq!(log.change_before(u64::MAX, &mut |_| None).expect("nothing to do"), 0);
    assert_eq!(contents(&files), before);
    assert_eq!(log.change_before(u64::MAX, &mut change).expect("changed"), due(newest));
    assert_eq!(log.change_before(u64::MAX, &mut change).expect("nothing to do"), 0);
    let reader = log.reader();
    for at in 0..END {
        let is_changed = at < newest && change(&record(at)).is_some();
        let expected = if is_changed { emptied(at) } else { record(at) };
        assert_eq!(reader.read(at).expect("whole"), Some(Entry::Record(expected)));
    }
    files.cut_power(0);
    is_whole(&files, "changed");
}

#[bounded::test]
fn expunging_outlasts_a_cut_at_any_operation() {
    for ordinal in [3, END - 1] {
        change_everywhere(&|log| log.expunge(ordinal), [ordinal, ordinal]);
    }
}

/// Either slot of what was announced alone knows where a pruned log begins.
#[bounded::test]
fn a_pruned_log_outlasts_the_loss_of_either_slot() {
    for slot in [0, 4096] {
        let files = filled(END);
        let begin = open(&files).expect("opens").prune_before(25).expect("pruned");
        files.edit("announced", |bytes| bytes[slot..slot + 2084].fill(0xff));
        let reader = open(&files).unwrap_or_else(|e| panic!("slot at {slot}: {e}")).reader();
        assert_eq!((reader.first(), reader.end()), (begin, END));
    }
}

/// Files that do something else at a read, once: what another thread might do just then.
struct Interposed {
    files: Arc<Memory>,
    reads: AtomicU64,
    at_read: Mutex<Option<(u64, Change)>>,
}

type Change = Box<dyn FnOnce() + Send>;

impl std::fmt::Debug for Interposed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.files.fmt(f)
    }
}

impl Files for Interposed {
    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reads.fetch_add(1, Ordering::Relaxed);
        let change = self.at_read.lock().expect("unpoisoned").take_if(|(at, _)| *at == read);
        if let Some((_, change)) = change {
            change();
        }
        self.files.read_at(name, offset, buffer)
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.files.list()
    }
    fn len(&self, name: &str) -> io::Result<u64> {
        self.files.len(name)
    }
    fn create(&self, name: &str) -> io::Result<()> {
        self.files.create(name)
    }
    fn write_at(&self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.files.write_at(name, offset, bytes)
    }
    fn sync_file(&self, name: &str) -> io::Result<()> {
        self.files.sync_file(name)
    }
    fn sync_folder(&self) -> io::Result<()> {
        self.files.sync_folder()
    }
    fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        self.files.truncate(name, length)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.files.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.files.remove(name)
    }
    fn free_bytes(&self) -> io::Result<u64> {
        self.files.free_bytes()
    }
}

/// Readers see what is there before or after a change that comes at any of their reads, and never an error.
#[bounded::test]
fn readers_are_not_disturbed() {
    type Do = fn(&mut Log) -> Result<(), LogError>;
    let changes: [Do; 4] = [
        |log| log.expunge(12),
        |log| log.expunge(END - 2),
        |log| log.prune_before(30).map(|_| ()),
        |log| log.begin_segment(&checkpoint(END)),
    ];
    let mut changed = 0;
    for (change, ordinal, at) in changes
        .iter()
        .flat_map(|change| (10..END).map(move |ordinal| (*change, ordinal)))
        .flat_map(|(change, ordinal)| (0..5).map(move |at| (change, ordinal, at)))
    {
        let (files, reads) = (filled(END), AtomicU64::new(0));
        let files = Arc::new(Interposed { files, reads, at_read: Mutex::new(None) });
        let log = Arc::new(Mutex::new(Log::open(files.clone(), OPTIONS).expect("opens")));
        let reader = log.lock().expect("unpoisoned").reader();
        let change = Box::new(move || change(&mut log.lock().expect("unpoisoned")).expect("done"));
        let at = files.reads.load(Ordering::Relaxed) + at;
        *files.at_read.lock().expect("unpoisoned") = Some((at, change));
        let is_right = |entry: Entry| match entry {
            Entry::Record(read) => assert_eq!(read, record(ordinal)),
            expunged => assert_eq!(*expunged.id(), record(ordinal).id),
        };
        if let Some(entry) = reader.read(ordinal).expect("undisturbed") {
            is_right(entry);
        }
        match reader.read_range(ordinal..END, usize::MAX) {
            Ok(entries) => entries.into_iter().take(1).for_each(is_right),
            Err(e) => assert!(matches!(e, LogError::NotThere { .. }), "{e}"),
        }
        changed += u64::from(files.at_read.lock().expect("unpoisoned").is_none());
    }
    assert!(changed > 100, "{changed}");
}

const FAULTS: [Fault; 3] = [Fault::Stop, Fault::Io, Fault::FullForAll];
