//! An index against its model: a map, and the maps that it was before.

use std::collections::{BTreeMap, BTreeSet};

use weir_log::testing::Chance;

use super::Place;
use crate::store::engine::{Entry, Index};

/// Holds an index to its contract through a history that the seed makes.
pub(in crate::store) fn index_contract(place: &mut dyn Place<dyn Index>, seed: u64) {
    println!("index contract, seed {seed}");
    let mut history = History::new(place, seed);
    for _ in 0..CALLS {
        history.step();
        history.check();
        if seed.is_multiple_of(3) || history.chance.below(6) == 0 {
            history.kill();
            history.check();
        }
    }
    history.abandon();
}

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

struct History<'a> {
    place: &'a mut dyn Place<dyn Index>,
    /// Taken away while it is killed.
    index: Option<Box<dyn Index>>,
    /// What the index held after each call since the last that was synced.
    states: Vec<Entries>,
    keys: Vec<Vec<u8>>,
    chance: Chance,
    calls: Vec<String>,
    seed: u64,
}

impl<'a> History<'a> {
    fn new(place: &'a mut dyn Place<dyn Index>, seed: u64) -> Self {
        let index = place.open();
        let mut chance = Chance::new(seed);
        let keys = keys(&mut chance);
        let states = vec![Entries::new()];
        Self { place, index: Some(index), states, keys, chance, calls: Vec::new(), seed }
    }

    fn index(&self) -> &dyn Index {
        &**self.index.as_ref().unwrap()
    }

    fn all(&self) -> Entries {
        self.index().range(&[1], &[0xff], 10_000).unwrap().into_iter().collect()
    }

    fn context(&self) -> String {
        format!("seed {}, calls {:?}", self.seed, self.calls)
    }

    fn now(&self) -> &Entries {
        self.states.last().unwrap()
    }

    fn key(&mut self) -> Vec<u8> {
        self.keys[self.chance.below(KEYS)].clone()
    }

    fn step(&mut self) {
        match self.chance.below(8) {
            0..6 => self.put(),
            6 => {
                self.calls.push("sync".to_owned());
                self.index().sync().unwrap();
                self.states.drain(..self.states.len() - 1);
            }
            _ => self.kill(),
        }
    }

    fn put(&mut self) {
        let mut entries = Entries::new();
        for _ in 0..self.chance.below(20) {
            // A value of its own for each, so that it shows which call wrote it.
            let mut value = (self.calls.len() as u64).to_le_bytes().to_vec();
            value.resize(value.len() + self.chance.below(300), self.chance.draw().to_le_bytes()[0]);
            entries.insert(self.key(), value);
        }
        self.calls.push(format!("put {}", entries.len()));
        let list: Vec<Entry> = entries.clone().into_iter().collect();
        self.index().put(&list).unwrap();
        let mut state = self.now().clone();
        state.extend(entries);
        self.states.push(state);
    }

    fn kill(&mut self) {
        self.calls.push("kill".to_owned());
        self.place.kill(self.index.take().unwrap());
        self.index = Some(self.place.open());
        let found = self.all();
        self.is_a_state(&found);
        self.states = vec![found];
    }

    /// All of what was synced is there; all of a call where any of a later one is.
    fn is_a_state(&self, found: &Entries) {
        let keys: BTreeSet<_> = found.keys().chain(self.now().keys()).collect();
        let fits = |at: usize| {
            let (before, after) = (&self.states[at], self.states.get(at + 1));
            keys.iter().all(|key| {
                let value = found.get(*key);
                value == before.get(*key) || after.is_some_and(|after| value == after.get(*key))
            })
        };
        assert!((0..self.states.len()).any(fits), "{found:?} is no state; {}", self.context());
    }

    fn check(&mut self) {
        let context = self.context();
        let mut keys: Vec<_> = (0..self.chance.below(6)).map(|_| self.key()).collect();
        keys.push(vec![0xfe, 0xfe]);
        keys.extend(keys.first().cloned());
        let expected: Vec<_> = keys.iter().map(|key| self.now().get(key).cloned()).collect();
        assert_eq!(self.index().get(&keys).unwrap(), expected, "{context}");
        let (start, end, limit) = (self.key(), self.key(), self.chance.below(2 * KEYS));
        let (start, end) = if start <= end { (start, end) } else { (end, start) };
        let within = self.now().range(start.clone()..end.clone());
        let expected: Vec<_> = within.take(limit).map(|(k, v)| (k.clone(), v.clone())).collect();
        assert_eq!(self.index().range(&start, &end, limit).unwrap(), expected, "{context}");
        let last = self.now().range(start.clone()..=end.clone()).next_back();
        let expected = last.map(|(key, value)| (key.clone(), value.clone()));
        assert_eq!(self.index().last(&start, &end).unwrap(), expected, "{context}");
        assert_eq!(&self.all(), self.now(), "{context}");
    }

    /// After it gave up on writing it is read on, takes nothing, and closes.
    fn abandon(mut self) {
        self.calls.push("abandon".to_owned());
        self.index().abandon();
        self.check();
        let entry = (self.keys[0].clone(), b"too late".to_vec());
        assert!(self.index().put(&[entry]).is_err(), "{}", self.context());
        assert!(self.index().sync().is_err(), "{}", self.context());
        self.check();
        self.kill();
    }
}

/// Short and long keys, of which some begin alike.
fn keys(chance: &mut Chance) -> Vec<Vec<u8>> {
    let key = |_| {
        let [first, second, ..] = chance.draw().to_le_bytes();
        let mut key = vec![1 + first % 20];
        key.resize(1 + chance.below(24), second % 3);
        key.push(second);
        key
    };
    (0..KEYS).map(key).collect()
}

const CALLS: usize = 40;
const KEYS: usize = 60;
