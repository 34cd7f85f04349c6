//! Everything at once, by chance: appending, sealing, pruning, expunging, failures, kills and power cuts, held
//! against a model. Each record is unlike any other that ever was tried at its ordinal.

use std::sync::Arc;

use weir_log::testing::{Chance, Fault, Memory};
use weir_log::{Entry, Log, LogError, Record};

use crate::model::{OPTIONS, is_whole};

/// A log under test, and what it has to hold.
struct Trial {
    files: Arc<Memory>,
    /// Taken away while it is opened again.
    log: Option<Log>,
    chance: Chance,
    entries: Vec<Entry>,
    first: u64,
    /// What an append that failed may have left.
    tried: Vec<Record>,
    /// What an expunging that failed may have taken away.
    expunging: Option<usize>,
    /// Where a pruning that failed may have begun.
    pruning: bool,
    made: u64,
    context: String,
}

impl Trial {
    fn new(seed: u64) -> Self {
        let files = Arc::new(Memory::default());
        let log = Some(Log::open(files.clone(), OPTIONS).expect("begins"));
        let (entries, tried, context) = (Vec::new(), Vec::new(), format!("seed {seed}"));
        let chance = Chance::new(seed);
        Self {
            files,
            log,
            chance,
            entries,
            first: 0,
            tried,
            expunging: None,
            pruning: false,
            made: 0,
            context,
        }
    }

    fn log(&mut self) -> &mut Log {
        self.log.as_mut().expect("open")
    }

    fn record(&mut self, parent: [u8; 32]) -> Record {
        self.made += 1;
        let mut id = [0; 32];
        id[..8].copy_from_slice(&Chance::new(self.made).draw().to_le_bytes());
        let length = self.chance.below(6);
        let body = (0..length).flat_map(|_| self.chance.draw().to_le_bytes()).collect();
        Record { id, parent, body }
    }

    fn step(&mut self) {
        if self.chance.below(4) == 0 {
            let fault =
                [Fault::Stop, Fault::Io, Fault::Full, Fault::FullForAll][self.chance.below(4)];
            let after = self.chance.below(12) as u64;
            if self.chance.below(2) == 0 {
                self.files.fail_once(after, fault);
            } else {
                self.files.fail_from(after, fault);
            }
        }
        let done = match self.chance.below(12) {
            0 => self.expunge(),
            1 if self.chance.below(4) == 0 => self.prune(),
            2 => self.log().begin_segment(b"a checkpoint"),
            _ => self.append(),
        };
        match done {
            Ok(()) if self.chance.below(5) > 0 => {}
            _ => self.go_on(),
        }
        self.look();
    }

    fn append(&mut self) -> Result<(), LogError> {
        let mut parent = self.entries.last().map_or([1; 32], |entry| *entry.id());
        self.tried = (0..1 + self.chance.below(4))
            .map(|_| {
                let record = self.record(parent);
                parent = record.id;
                record
            })
            .collect();
        let tried = self.tried.clone();
        self.log().append(&tried)?;
        self.entries.extend(self.tried.drain(..).map(Entry::Record));
        if self.log().segment_is_full() {
            self.log().begin_segment(b"a checkpoint")
        } else {
            Ok(())
        }
    }

    fn expunge(&mut self) -> Result<(), LogError> {
        let first = usize::try_from(self.first).expect("small");
        let held = self.entries.len() - first;
        if held == 0 {
            return Ok(());
        }
        let ordinal = first + self.chance.below(held);
        self.expunging = Some(ordinal);
        self.log().expunge(ordinal as u64)?;
        self.tombstone(ordinal);
        self.expunging = None;
        Ok(())
    }

    fn prune(&mut self) -> Result<(), LogError> {
        self.pruning = true;
        let ordinal = self.chance.below(self.entries.len() + 1) as u64;
        self.first = self.log().prune_before(ordinal)?;
        self.pruning = false;
        Ok(())
    }

    fn tombstone(&mut self, ordinal: usize) {
        let (id, parent) = (*self.entries[ordinal].id(), *self.entries[ordinal].parent());
        self.entries[ordinal] = Entry::Expunged { id, parent };
    }

    /// Recovers, or starts the process again, or cuts the power.
    fn go_on(&mut self) {
        let way = self.chance.below(3);
        self.files.mend();
        if way == 0 {
            let context = self.context.clone();
            self.log().recover().unwrap_or_else(|e| panic!("{context}: {e}"));
            assert_eq!(self.log().reader().end(), self.entries.len() as u64, "{context}: cut back");
        } else {
            self.log = None;
            if way == 1 {
                self.files.cut_power(self.chance.draw() % 20);
            }
            let log = Log::open(self.files.clone(), OPTIONS);
            self.log = Some(log.unwrap_or_else(|e| panic!("{}: {e}", self.context)));
        }
        self.learn();
    }

    /// What of the things that failed was done after all.
    fn learn(&mut self) {
        let reader = self.log().reader();
        let more = reader.end().checked_sub(self.entries.len() as u64).expect("nothing is gone");
        let more = usize::try_from(more).expect("small");
        self.entries.extend(self.tried.drain(..).take(more).map(Entry::Record));
        if self.pruning {
            assert!(reader.first() >= self.first);
            self.first = reader.first();
        }
        let held = self.expunging.filter(|ordinal| *ordinal as u64 >= self.first);
        if let Some(ordinal) = held
            && let Ok(Some(Entry::Expunged { .. })) = reader.read(ordinal as u64)
        {
            self.tombstone(ordinal);
        }
        (self.pruning, self.expunging) = (false, None);
        self.tried.clear();
    }

    fn look(&mut self) {
        self.files.mend();
        let reader = self.log().reader();
        let context = &self.context;
        assert_eq!(
            (reader.first(), reader.end()),
            (self.first, self.entries.len() as u64),
            "{context}"
        );
        let first = usize::try_from(self.first).expect("small");
        let held = self.first..reader.end();
        let read = if held.is_empty() {
            Vec::new()
        } else {
            reader.read_range(held.clone(), usize::MAX).unwrap_or_else(|e| panic!("{context}: {e}"))
        };
        assert_eq!(read, self.entries[first..], "{context}");
        if !held.is_empty() {
            let ordinal = held.start + self.chance.draw() % (held.end - held.start);
            let at = usize::try_from(ordinal).expect("small");
            let read = reader.read(ordinal).unwrap_or_else(|e| panic!("{context}: {e}"));
            assert_eq!(read.as_ref(), self.entries.get(at), "{context}");
        }
    }
}

#[bounded::test]
fn a_log_is_its_model_whatever_happens() {
    let mut pruned = 0;
    for seed in 0..TRIALS {
        let mut trial = Trial::new(seed);
        for step in 0..STEPS {
            trial.context = format!("seed {seed}, step {step}");
            trial.step();
        }
        trial.go_on();
        trial.look();
        is_whole(&trial.files, &trial.context);
        pruned += u64::from(trial.first > 0);
    }
    assert!(pruned > TRIALS / 10, "{pruned} pruned");
}

const TRIALS: u64 = 400;
const STEPS: usize = 40;
