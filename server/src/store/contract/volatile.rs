//! An index for tests: a map in memory, which loses at a power cut what it may lose, and fails when
//! the files of the log beside it do.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_log::Files as _;
use weir_log::testing::{Chance, Memory};

use crate::store::engine::{Entry, Index};
use crate::store::error::Source;

/// An index as a process has it open; what it holds outlives it.
#[derive(Clone, Debug, Default)]
pub(super) struct Volatile {
    state: Arc<Mutex<State>>,
    abandoned: Arc<AtomicBool>,
    /// The disk that it shares with the log.
    disk: Option<Arc<Memory>>,
}

#[derive(Clone, Debug, Default)]
struct State {
    synced: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What was put since.
    puts: Vec<Vec<Entry>>,
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Volatile {
    /// An index on a disk that fails when its files do.
    pub(super) fn on(disk: Arc<Memory>) -> Self {
        Self { disk: Some(disk), ..Self::default() }
    }

    /// The same index, as a new process opens it.
    pub(super) fn opened(&self) -> Self {
        Self { abandoned: Arc::default(), ..self.clone() }
    }

    /// A copy with what it holds, on a disk that is a copy too.
    pub(super) fn fork(&self, disk: Arc<Memory>) -> Self {
        let state = Arc::new(Mutex::new(self.state().clone()));
        Self { state, ..Self::on(disk) }
    }

    /// Forgets all but what was synced, some calls in order after that, and a part of one more.
    pub(super) fn cut_power(&mut self, seed: u64) {
        self.abandoned = Arc::default();
        let mut chance = Chance::new(seed);
        let mut state = self.state();
        let puts = std::mem::take(&mut state.puts);
        let kept = chance.below(puts.len() + 1);
        state.entries = state.synced.clone();
        let whole = puts[..kept].iter().flatten().cloned();
        let torn = puts.get(kept).into_iter().flatten().filter(|_| chance.below(2) == 0).cloned();
        state.entries.extend(whole.chain(torn));
        state.synced = state.entries.clone();
    }

    /// All of it.
    pub(super) fn entries(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.state().entries.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An operation of the disk like any other, so that it may be the one that fails or finds no space.
    fn write(&self) -> Result<(), Source> {
        if self.abandoned.load(Ordering::SeqCst) {
            return Err("an earlier write failed".into());
        }
        let written = self.disk.as_ref().map_or(Ok(()), |disk| disk.create(FILE));
        if written.is_err() {
            self.abandon();
        }
        Ok(written?)
    }
}

impl Index for Volatile {
    fn get(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, Source> {
        let state = self.state();
        Ok(keys.iter().map(|key| state.entries.get(key).cloned()).collect())
    }

    fn range(&self, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<Entry>, Source> {
        let state = self.state();
        let range = state.entries.range(start.to_vec()..end.to_vec()).take(limit);
        Ok(range.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn last(&self, start: &[u8], end: &[u8]) -> Result<Option<Entry>, Source> {
        let state = self.state();
        let last = state.entries.range(start.to_vec()..=end.to_vec()).next_back();
        Ok(last.map(|(key, value)| (key.clone(), value.clone())))
    }

    fn put(&self, entries: &[Entry]) -> Result<(), Source> {
        self.write()?;
        let mut state = self.state();
        state.entries.extend(entries.iter().cloned());
        state.puts.push(entries.to_vec());
        Ok(())
    }

    fn abandon(&self) {
        self.abandoned.store(true, Ordering::SeqCst);
    }

    fn sync(&self) -> Result<(), Source> {
        self.write()?;
        let mut state = self.state();
        state.puts.clear();
        state.synced = state.entries.clone();
        Ok(())
    }
}

/// A file that the log beside it leaves alone.
const FILE: &str = "index";
