//! A log against its model: a list of records, some without a payload, and checkpoints.

use std::collections::{BTreeMap, BTreeSet};

use weir_log::testing::Chance;

use super::Place;
use super::beside::readers_see_what_is_announced;
use super::chain::Chain;
use crate::store::block::Body;
use crate::store::engine::{BlockLog, LogRead, Record};

/// Holds a log to its contract through a history that the seed makes.
pub(in crate::store) fn log_contract(place: &mut dyn Place<dyn BlockLog>, seed: u64) {
    println!("log contract, seed {seed}");
    let mut history = History::new(place, seed);
    while history.calls.len() < CALLS && history.model.end < HISTORY_BLOCKS {
        history.step();
        history.check();
        let lives_on = seed.is_multiple_of(3) || history.chance.below(5) == 0;
        if lives_on {
            history.kill();
            history.check();
        }
    }
    let History { log, model, .. } = history;
    readers_see_what_is_announced(log.unwrap(), &model, seed);
}

/// What a log has to hold.
pub(super) struct Model {
    /// The blocks that are appended, in order.
    pub(super) blocks: Vec<Record>,
    first: u64,
    pub(super) end: u64,
    without_payload: BTreeSet<u64>,
    checkpoints: BTreeMap<u64, Vec<u8>>,
    /// Where segments begin.
    starts: BTreeSet<u64>,
}

struct History<'a> {
    place: &'a mut dyn Place<dyn BlockLog>,
    /// Taken away while it is killed.
    log: Option<Box<dyn BlockLog>>,
    /// From before most of the calls.
    reader: Box<dyn LogRead>,
    model: Model,
    chance: Chance,
    calls: Vec<String>,
    seed: u64,
}

impl Model {
    fn new() -> Self {
        let chain = Chain::with_payloads(BLOCKS, 60);
        let blocks = chain.batch(0, chain.blocks.len()).records;
        let (without_payload, checkpoints) = Default::default();
        Self { blocks, first: 0, end: 0, without_payload, checkpoints, starts: [0].into() }
    }

    pub(super) fn record(&self, ordinal: u64) -> Option<Record> {
        if !(self.first..self.end).contains(&ordinal) {
            return None;
        }
        let record = self.blocks[usize::try_from(ordinal).unwrap()].clone();
        let gone = self.without_payload.contains(&ordinal);
        Some(if gone { without_payload(record) } else { record })
    }

    /// The blocks with payloads in whole segments before an ordinal.
    fn prunable(&self, before: u64) -> Vec<u64> {
        let whole = self.starts.range(..=before).last().copied().unwrap_or(self.first);
        (self.first..whole).filter(|at| !self.without_payload.contains(at)).collect()
    }
}

fn without_payload(record: Record) -> Record {
    let body = Body::pruned(&record.body, &record.parent).unwrap().unwrap_or(record.body);
    Record { body, ..record }
}

impl<'a> History<'a> {
    fn new(place: &'a mut dyn Place<dyn BlockLog>, seed: u64) -> Self {
        let log = place.open();
        let (reader, model, chance) = (log.reader(), Model::new(), Chance::new(seed));
        Self { place, log: Some(log), reader, model, chance, calls: Vec::new(), seed }
    }

    fn call(&mut self, call: String) {
        self.calls.push(call);
    }

    fn log(&mut self) -> &mut dyn BlockLog {
        &mut **self.log.as_mut().unwrap()
    }

    fn context(&self) -> String {
        format!("seed {}, calls {:?}", self.seed, self.calls)
    }

    fn step(&mut self) {
        match self.chance.below(16) {
            0..6 => self.append(),
            6..8 => self.begin_segment(),
            8 => self.prune_payloads(),
            9..11 => self.prune_payload(),
            11 => self.put_checkpoint(),
            12 => self.prune_before(),
            13 => {
                self.call("recover".to_owned());
                self.log().recover().unwrap();
            }
            14 => {
                self.call("check space".to_owned());
                self.log().check_space().unwrap();
            }
            _ => self.kill(),
        }
        if self.log().segment_is_full() {
            self.begin_segment();
        }
    }

    fn append(&mut self) {
        let count = self.chance.below(5) as u64;
        let (from, to) = (self.model.end, self.model.end + count);
        self.call(format!("append {from}..{to}"));
        let [from, to] = [from, to].map(|at| usize::try_from(at).unwrap());
        self.log.as_mut().unwrap().append(&self.model.blocks[from..to]).unwrap();
        self.model.end += count;
    }

    fn begin_segment(&mut self) {
        let (at, checkpoint) = (self.model.end, self.checkpoint());
        self.call(format!("begin segment {at}"));
        self.log().begin_segment(&checkpoint).unwrap();
        let full = self.log().segment_is_full();
        assert!(!full, "an empty segment is not full; {}", self.context());
        self.model.checkpoints.insert(at, checkpoint);
        self.model.starts.insert(at);
    }

    fn checkpoint(&mut self) -> Vec<u8> {
        let length = self.chance.below(400);
        (0..length).map(|_| self.chance.draw().to_le_bytes()[0] % 8).collect()
    }

    fn prune_payloads(&mut self) {
        let before = self.chance.below(usize::try_from(self.model.end).unwrap() + 2) as u64;
        self.call(format!("prune payloads before {before}"));
        let prunable = self.model.prunable(before);
        let pruned = self.log().prune_payloads(before).unwrap();
        assert_eq!(pruned, prunable.len() as u64, "{}", self.context());
        self.model.without_payload.extend(prunable);
        let again = self.log().prune_payloads(before).unwrap();
        assert_eq!(again, 0, "{}", self.context());
    }

    fn prune_payload(&mut self) {
        let Some(held) = self.model.end.checked_sub(self.model.first + 1) else { return };
        let ordinal = self.model.first + self.chance.draw() % (held + 1);
        self.call(format!("prune payload {ordinal}"));
        let had = self.log().prune_payload(ordinal).unwrap();
        assert_eq!(had, self.model.without_payload.insert(ordinal), "{}", self.context());
    }

    fn any_checkpoint(&mut self) -> Option<u64> {
        let count = self.model.checkpoints.len();
        self.model.checkpoints.keys().copied().nth(self.chance.below(count))
    }

    fn put_checkpoint(&mut self) {
        let Some(at) = self.any_checkpoint() else { return };
        let checkpoint = self.checkpoint();
        self.call(format!("put checkpoint {at}"));
        self.log().put_checkpoint(at, &checkpoint).unwrap();
        self.model.checkpoints.insert(at, checkpoint);
    }

    fn prune_before(&mut self) {
        let Some(at) = self.any_checkpoint().filter(|at| *at < self.model.first + 30) else {
            return;
        };
        self.call(format!("prune before {at}"));
        self.log().prune_before(at).unwrap();
        self.model.first = at;
        self.model.checkpoints.retain(|ordinal, _| *ordinal >= at);
        self.model.starts.retain(|ordinal| *ordinal >= at);
    }

    fn kill(&mut self) {
        self.call("kill".to_owned());
        self.place.kill(self.log.take().unwrap());
        let log = self.place.open();
        self.reader = log.reader();
        self.log = Some(log);
    }

    /// An old reader and a new one see the model.
    fn check(&mut self) {
        let context = self.context();
        let (model, chance) = (&self.model, &mut self.chance);
        for reader in [&*self.reader, &*self.log.as_ref().unwrap().reader()] {
            assert_eq!(reader.ordinals(), model.first..model.end, "{context}");
            for ordinal in [model.first.wrapping_sub(1), model.end, model.end + 7, u64::MAX] {
                assert_eq!(reader.read(ordinal).unwrap(), None, "{ordinal}; {context}");
            }
            for _ in 0..3 {
                let ordinal = chance.draw() % (model.end + 1);
                assert_eq!(reader.read(ordinal).unwrap(), model.record(ordinal), "{context}");
            }
            check_range(reader, model, chance, &context);
            let expected: Vec<u64> = model.checkpoints.keys().copied().collect();
            assert_eq!(reader.checkpoints(), expected, "{context}");
            for (ordinal, expected) in &model.checkpoints {
                let found = reader.checkpoint(*ordinal).unwrap();
                assert_eq!(found.as_ref(), Some(expected), "{context}");
            }
            let none = (0..).find(|at| !model.checkpoints.contains_key(at)).unwrap();
            assert_eq!(reader.checkpoint(none).unwrap(), None, "{context}");
        }
    }
}

fn check_range(reader: &dyn LogRead, model: &Model, chance: &mut Chance, context: &str) {
    let held = model.end - model.first;
    if held == 0 {
        assert!(reader.read_range(model.end..model.end, 10).unwrap().is_empty(), "{context}");
        return;
    }
    let all = reader.read_range(model.first..model.end, usize::MAX).unwrap();
    assert!(all.iter().cloned().map(Some).eq((model.first..model.end).map(|o| model.record(o))));
    let from = model.first + chance.draw() % held;
    let to = from + 1 + chance.draw() % 40;
    let bytes = chance.below(5000);
    let read = reader.read_range(from..to, bytes).unwrap();
    assert!(!read.is_empty() && read.len() as u64 <= to - from, "{from}..{to}; {context}");
    for (ordinal, record) in (from..).zip(&read) {
        assert_eq!(Some(record), model.record(ordinal).as_ref(), "{context}");
    }
    let but_last: usize = read[..read.len() - 1].iter().map(|record| record.body.len()).sum();
    assert!(but_last <= bytes, "{but_last} of {bytes}; {context}");
    assert!(reader.read_range(to..from, 10).unwrap().is_empty(), "{context}");
}

/// Calls of a history at most.
const CALLS: usize = 60;
/// Blocks of a history; the rest is for writing beside readers.
const HISTORY_BLOCKS: u64 = 120;
const BLOCKS: u64 = 200;
