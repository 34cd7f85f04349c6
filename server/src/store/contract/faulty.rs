//! Engines that fail as a test plans it: at one call or from one on, having done nothing of it, a
//! part, or all.

use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use crate::store::engine::{BlockLog, Entry, Index, LogError, LogRead, Record};
use crate::store::error::Source;

/// What goes wrong at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing is done, and an error says so.
    Refused,
    /// Nothing is written, for there is no space; reading goes on.
    Full,
    /// A part of it is done.
    Torn,
    /// All of it is done, and an error says otherwise.
    Unknown,
}

/// When what fails, over all engines of a store.
#[derive(Debug, Default)]
pub(super) struct Plan {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    calls: u64,
    fault: Option<(u64, Fault, bool)>,
    /// Writes wait here: they say that they have come, and go on when they are let.
    gate: Option<(Sender<()>, Receiver<()>)>,
}

/// Whether a call reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Read,
    Write,
}

impl Plan {
    /// Fails at a call, counted from 0, and at all that follow if it lasts.
    pub(super) fn failing(at: u64, fault: Fault, lasts: bool) -> Arc<Self> {
        let state = State { fault: Some((at, fault, lasts)), ..State::default() };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Calls so far.
    pub(super) fn calls(&self) -> u64 {
        self.with(|state| state.calls)
    }

    /// Ends faults that last.
    pub(super) fn mend(&self) {
        self.with(|state| state.fault = state.fault.filter(|(at, _, _)| *at >= state.calls));
    }

    /// Holds up the next write: returns what hears of its coming, and what lets it go on.
    pub(super) fn hold(&self) -> (Receiver<()>, Sender<()>) {
        let ((come, coming), (go, going)) = (channel(), channel());
        self.with(|state| state.gate = Some((come, going)));
        (coming, go)
    }

    /// Holds nothing up any more; who waits for a write to come hears that none does.
    pub(super) fn open_gate(&self) {
        self.with(|state| state.gate = None);
    }

    fn begin(&self, call: Call) -> Option<Fault> {
        let (fault, gate) = self.with(|state| {
            let now = state.calls;
            state.calls += 1;
            let due = |(at, fault, lasts): (u64, Fault, bool)| {
                (now == at || (now > at && lasts)).then_some(fault)
            };
            let fault = state.fault.and_then(due);
            let gate = state.gate.take_if(|_| call == Call::Write);
            (fault.filter(|fault| call == Call::Write || *fault != Fault::Full), gate)
        });
        if let Some((come, going)) = gate {
            come.send(()).unwrap();
            going.recv().unwrap();
        }
        fault
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn log_error(fault: Fault) -> LogError {
    match fault {
        Fault::Full => LogError::Full { free: 0, needed: 1 },
        _ => {
            let source = std::io::Error::other("a fault of the test");
            LogError::Io { action: "do", file: "something".to_owned(), source }
        }
    }
}

/// A log whose calls fail.
#[derive(Debug)]
pub(super) struct FaultyLog {
    log: Box<dyn BlockLog>,
    plan: Arc<Plan>,
    /// Whether it has to be recovered.
    broken: bool,
}

impl FaultyLog {
    pub(super) fn new(log: Box<dyn BlockLog>, plan: Arc<Plan>) -> Self {
        Self { log, plan, broken: false }
    }

    /// Does a part of a call, or all, as the fault will have it.
    fn write<T>(
        &mut self,
        part: impl FnOnce(&mut dyn BlockLog) -> Result<(), LogError>,
        all: impl FnOnce(&mut dyn BlockLog) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        if self.broken {
            return Err(LogError::NeedsRecover);
        }
        let Some(fault) = self.plan.begin(Call::Write) else { return all(&mut *self.log) };
        self.broken = fault != Fault::Full;
        match fault {
            Fault::Refused | Fault::Full => {}
            Fault::Torn => part(&mut *self.log)?,
            Fault::Unknown => drop(all(&mut *self.log)?),
        }
        Err(log_error(fault))
    }
}

fn nothing(_: &mut dyn BlockLog) -> Result<(), LogError> {
    Ok(())
}

impl BlockLog for FaultyLog {
    fn append(&mut self, records: &[Record]) -> Result<(), LogError> {
        let part = &records[..records.len() / 2];
        self.write(|log| log.append(part), |log| log.append(records))
    }

    fn segment_is_full(&self) -> bool {
        self.log.segment_is_full()
    }

    fn begin_segment(&mut self, checkpoint: &[u8]) -> Result<(), LogError> {
        self.write(nothing, |log| log.begin_segment(checkpoint))
    }

    fn check_space(&self) -> Result<(), LogError> {
        match self.plan.begin(Call::Write) {
            None => self.log.check_space(),
            Some(fault) => Err(log_error(fault)),
        }
    }

    fn prune_payloads(&mut self, before: u64) -> Result<u64, LogError> {
        let part = |log: &mut dyn BlockLog| log.prune_payloads(before / 2).map(|_| ());
        self.write(part, |log| log.prune_payloads(before))
    }

    fn prune_payload(&mut self, ordinal: u64) -> Result<bool, LogError> {
        self.write(nothing, |log| log.prune_payload(ordinal))
    }

    fn put_checkpoint(&mut self, ordinal: u64, checkpoint: &[u8]) -> Result<(), LogError> {
        self.write(nothing, |log| log.put_checkpoint(ordinal, checkpoint))
    }

    fn prune_before(&mut self, ordinal: u64) -> Result<(), LogError> {
        self.write(nothing, |log| log.prune_before(ordinal))
    }

    fn recover(&mut self) -> Result<(), LogError> {
        self.broken = false;
        self.write(nothing, |log| log.recover())
    }

    fn reader(&self) -> Box<dyn LogRead> {
        Box::new(FaultyRead { log: self.log.reader(), plan: self.plan.clone() })
    }
}

#[derive(Debug)]
struct FaultyRead {
    log: Box<dyn LogRead>,
    plan: Arc<Plan>,
}

impl FaultyRead {
    fn begin(&self) -> Result<(), LogError> {
        self.plan.begin(Call::Read).map_or(Ok(()), |fault| Err(log_error(fault)))
    }
}

impl LogRead for FaultyRead {
    fn ordinals(&self) -> Range<u64> {
        self.log.ordinals()
    }

    fn read(&self, ordinal: u64) -> Result<Option<Record>, LogError> {
        self.begin()?;
        self.log.read(ordinal)
    }

    fn read_range(&self, range: Range<u64>, bytes: usize) -> Result<Vec<Record>, LogError> {
        self.begin()?;
        self.log.read_range(range, bytes)
    }

    fn checkpoints(&self) -> Vec<u64> {
        self.log.checkpoints()
    }

    fn checkpoint(&self, ordinal: u64) -> Result<Option<Vec<u8>>, LogError> {
        self.begin()?;
        self.log.checkpoint(ordinal)
    }
}

/// An index whose calls fail.
#[derive(Debug)]
pub(super) struct FaultyIndex {
    index: Box<dyn Index>,
    plan: Arc<Plan>,
}

impl FaultyIndex {
    pub(super) fn new(index: Box<dyn Index>, plan: Arc<Plan>) -> Self {
        Self { index, plan }
    }

    fn begin(&self) -> Result<(), Source> {
        self.plan.begin(Call::Read).map_or(Ok(()), |_| Err("a fault of the test".into()))
    }

    /// As an engine does, it writes nothing more after an error.
    fn write(
        &self,
        part: impl FnOnce(&dyn Index) -> Result<(), Source>,
        all: impl FnOnce(&dyn Index) -> Result<(), Source>,
    ) -> Result<(), Source> {
        let Some(fault) = self.plan.begin(Call::Write) else { return all(&*self.index) };
        match fault {
            Fault::Refused | Fault::Full => {}
            Fault::Torn => part(&*self.index)?,
            Fault::Unknown => all(&*self.index)?,
        }
        self.index.abandon();
        Err("a fault of the test".into())
    }
}

impl Index for FaultyIndex {
    fn get(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, Source> {
        self.begin()?;
        self.index.get(keys)
    }

    fn range(&self, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<Entry>, Source> {
        self.begin()?;
        self.index.range(start, end, limit)
    }

    fn last(&self, start: &[u8], end: &[u8]) -> Result<Option<Entry>, Source> {
        self.begin()?;
        self.index.last(start, end)
    }

    fn put(&self, entries: &[Entry]) -> Result<(), Source> {
        // Every other entry, as a batch that is not atomic may leave it.
        let part: Vec<Entry> = entries.iter().step_by(2).cloned().collect();
        self.write(|index| index.put(&part), |index| index.put(entries))
    }

    fn abandon(&self) {
        self.index.abandon();
    }

    fn sync(&self) -> Result<(), Source> {
        self.write(|_| Ok(()), |index| index.sync())
    }
}
