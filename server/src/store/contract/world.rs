//! A store over engines in memory: processes that open it and write to it, one after another, and
//! what it has to be in the end.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use tempfile::TempDir;
use weir_log::testing::Memory;
use weir_log::{Damage, LogError, verify};

use super::chain::Chain;
use super::faulty::{FaultyIndex, FaultyLog, Plan};
use super::volatile::Volatile;
use super::{memory_folder, small};
use crate::store::block::Body;
use crate::store::engine::{BlockLog, Index};
use crate::store::entries::Entries;
use crate::store::log::SegmentLog;
use crate::store::open::{Parts, check_ahead, head_of};
use crate::store::{CommitError, OpenError, Opened, Store, WriteBatch};

/// What outlives processes.
pub(super) struct World {
    pub(super) disk: Arc<Memory>,
    pub(super) index: Volatile,
    folder: TempDir,
    /// What fails between the store and its engines.
    pub(super) plan: Option<Arc<Plan>>,
    /// Blocks of heads that were announced.
    pub(super) announced: u64,
}

/// How blocks come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    Backfill,
    Live,
}

/// What is done about a disk that refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnRefusal {
    /// It is mended, and the process goes on.
    Mend,
    /// The process is gone.
    End,
}

/// Why a process ended before its work was done, in words.
pub(super) type Ended = String;

impl World {
    pub(super) fn new() -> Self {
        let disk = Arc::new(Memory::default());
        let index = Volatile::on(disk.clone());
        // For the fence alone.
        let folder = memory_folder();
        Self { disk, index, folder, plan: None, announced: 0 }
    }

    pub(super) fn fork(&self) -> Self {
        let disk = Arc::new(self.disk.fork());
        let index = self.index.fork(disk.clone());
        Self { disk, index, announced: self.announced, ..Self::new() }
    }

    /// A process: opens the store, writes up to so many blocks, and ends cleanly.
    pub(super) fn process(
        &mut self,
        end: u64,
        pace: Pace,
        on_refusal: OnRefusal,
    ) -> Result<(), Ended> {
        let mut store = match self.open().map_err(|error| error.to_string())? {
            Opened::Existing(store) => store,
            Opened::New(new) => {
                let batch = chain().batch(0, 3);
                new.initialize(&batch).map_err(|error| refused_or_final(&error))?
            }
        };
        self.see(&store);
        while self.announced < end || store.reader().head().blocks < end {
            let from = store.reader().head().blocks;
            let to = from + if pace == Pace::Live { 1 } else { 1 + from % 3 };
            let [first, last] = [from, to.min(end)].map(|at| usize::try_from(at).unwrap());
            let batch = chain().batch(first, last);
            self.persist(&mut store, on_refusal, |store| store.commit(&batch))?;
            assert_eq!(store.reader().head().blocks, to.min(end));
            if store.checkpoint_is_due() {
                self.persist(&mut store, on_refusal, |store| {
                    store.checkpoint(&Default::default())
                })?;
            }
            if from == PRUNED_AT {
                let prune = |store: &mut Store| store.prune_payloads(KEPT).map(|_| ());
                self.persist(&mut store, on_refusal, prune)?;
            }
        }
        Ok(())
    }

    /// As [`Store::open`] does it.
    pub(super) fn open(&mut self) -> Result<Opened, OpenError> {
        let path = Path::new("the test's").to_owned();
        let log = SegmentLog::over(self.disk.clone(), &small())
            .map_err(|source| OpenError::from_log(path.clone(), source))
            .inspect_err(|error| assert!(!is_damage(error), "{error:?}"))?;
        let mut log: Box<dyn BlockLog> = Box::new(log);
        if let Some(plan) = &self.plan {
            log = Box::new(FaultyLog::new(log, plan.clone()));
        }
        let logged = log.reader().ordinals().end;
        assert!(logged >= self.announced, "{logged} of {} announced blocks", self.announced);
        let mut index = self.opened_index();
        let head = head_of(&*index, &*log).unwrap_or_else(|_set_aside| {
            self.index = Volatile::on(self.disk.clone());
            index = self.opened_index();
            None
        });
        check_ahead(&path, head.as_ref(), &*log)?;
        let parts = Parts { log, entries: Entries::new(index), aside: Vec::new(), lock: None };
        Ok(Store::over(parts, head, self.folder.path().to_owned(), small()))
    }

    fn opened_index(&self) -> Box<dyn Index> {
        let index = Box::new(self.index.opened());
        match &self.plan {
            Some(plan) => Box::new(FaultyIndex::new(index, plan.clone())),
            None => index,
        }
    }

    /// Writes as the indexer does: again, as long as the disk refuses.
    fn persist(
        &mut self,
        store: &mut Store,
        on_refusal: OnRefusal,
        mut write: impl FnMut(&mut Store) -> Result<(), CommitError>,
    ) -> Result<(), Ended> {
        for _ in 0..TRIES {
            let written = write(store);
            self.see(store);
            let error = match written {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if error.refusal().is_none() {
                if matches!(error, CommitError::Index { .. }) {
                    let again = store.commit(&WriteBatch::new());
                    assert!(matches!(again, Err(CommitError::Stopped)), "{again:?} after {error}");
                }
                return Err(refused_or_final(&error));
            }
            if on_refusal == OnRefusal::End {
                return Err(error.to_string());
            }
            for _ in 0..TRIES {
                self.disk.mend();
                if let Some(plan) = &self.plan {
                    plan.mend();
                }
                match store.recover() {
                    Ok(()) => break,
                    Err(error) => assert!(error.refusal().is_some(), "{error:?}"),
                }
            }
        }
        panic!("the disk is mended, and still refuses");
    }

    /// Notes what is announced: never fewer blocks than before in one process, and all in the log.
    fn see(&mut self, store: &Store) {
        let blocks = store.reader().head().blocks;
        assert!(store.logged() >= blocks, "{blocks} are announced");
        self.announced = self.announced.max(blocks);
    }

    /// The power is cut, or the process is killed; seeds as [`Memory::cut_power`] has them.
    pub(super) fn cut(&mut self, seed: Option<u64>) {
        match seed {
            Some(seed) => {
                self.disk.cut_power(seed);
                self.index.cut_power(seed);
            }
            None => self.disk.mend(),
        }
        self.plan = None;
    }

    /// Goes on without faults, and is then as a store that nothing happened to.
    pub(super) fn ends_as_undisturbed(&mut self, end: u64, context: &str) {
        self.disk.mend();
        self.plan = None;
        let ran = self.process(end, Pace::Backfill, OnRefusal::End);
        ran.unwrap_or_else(|error| panic!("{context}: {error}"));
        self.is_undisturbed(end, context);
        // A clean end leaves nothing to catch up, whatever happens to the machine.
        self.cut(Some(0));
        match self.open() {
            Ok(Opened::Existing(store)) => assert_eq!(store.reader().head().blocks, end),
            other => panic!("{context}: {other:?}"),
        }
    }

    fn is_undisturbed(&self, end: u64, context: &str) {
        let log = SegmentLog::over(self.disk.clone(), &small()).unwrap();
        let reader = log.reader();
        assert_eq!(reader.ordinals(), 0..end, "{context}");
        let expected = chain().batch(0, usize::try_from(end).unwrap()).records;
        for (ordinal, expected) in (0..).zip(expected) {
            let found = reader.read(ordinal).unwrap().unwrap();
            let pruned = Body::pruned(&expected.body, &expected.parent).unwrap();
            let body = found.body == expected.body || Some(&found.body) == pruned.as_ref();
            let same = (found.id, found.parent) == (expected.id, expected.parent);
            assert!(same && body, "{context}: block {ordinal}");
        }
        let report = verify(&*self.disk, &mut |_| ()).unwrap();
        assert!(report.is_whole(), "{context}: {:?}", report.findings);
        assert!(self.index.entries() == *undisturbed_entries(end), "{context}: other entries");
    }
}

/// A final error's text; after one the next commit would be refused, so a process ends with it.
fn refused_or_final(error: &CommitError) -> Ended {
    let named =
        matches!(error, CommitError::Log(_) | CommitError::Index { .. } | CommitError::Read(_));
    assert!(named, "{error:?}");
    error.to_string()
}

/// Whether an error says that a file is not as it was written, and not that the disk cannot read it.
fn is_damage(error: &OpenError) -> bool {
    let OpenError::Log { source, .. } = error else { return false };
    !matches!(
        **source,
        LogError::Damaged { damage: Damage::Unreadable, .. }
            | LogError::Lost { damage: Damage::Unreadable, .. }
    )
}

pub(super) fn chain() -> &'static Chain {
    static CHAIN: OnceLock<Chain> = OnceLock::new();
    CHAIN.get_or_init(|| Chain::with_payloads(END, 40))
}

fn undisturbed_entries(end: u64) -> &'static BTreeMap<Vec<u8>, Vec<u8>> {
    static ENTRIES: OnceLock<BTreeMap<Vec<u8>, Vec<u8>>> = OnceLock::new();
    assert_eq!(end, END);
    ENTRIES.get_or_init(|| {
        let mut world = World::new();
        world.process(END, Pace::Backfill, OnRefusal::End).unwrap();
        world.index.entries()
    })
}

/// Blocks of all stores in the end.
pub(super) const END: u64 = 36;
/// The head at which payloads are pruned, where a batch of backfill and of live both end.
const PRUNED_AT: u64 = 26;
const KEPT: u64 = 12;
const TRIES: usize = 8;
