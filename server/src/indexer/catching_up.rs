//! Making the index from the log: what a crash took of it, or all of it.
//!
//! The blocks go the same way as new ones, but for their certificates: those were verified before the
//! blocks were logged.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::Versions;

use super::batch::BatchWriter;
use super::condition::{Condition, Conditions, Written};
use super::{IndexError, begin, resume};
use crate::ingest::{Chain, FORK_BLOCKS_MAX, Prepared};
use crate::prover::Prover;
use crate::store::{Beginning, LoggedBlock, NewStore, Opened, Store, StoreOptions, WriteBatch};

/// Where indexing goes on.
#[derive(Debug)]
pub(super) struct Position {
    pub(super) store: Store,
    pub(super) chain: Chain,
    pub(super) writer: BatchWriter,
}

impl Position {
    /// Where the index of a store goes on; of one that is lost, where it begins.
    pub(super) fn of(opened: Opened) -> Result<Self, IndexError> {
        match opened {
            Opened::New(store) => Self::of_log(store),
            Opened::Existing(store) => {
                let (chain, writer) = resume::restore(&Prover::new(store.reader()))?;
                Ok(Self { store, chain, writer })
            }
        }
    }

    /// Begins the index of a log that has blocks, with its root or where it was pruned.
    fn of_log(store: NewStore) -> Result<Self, IndexError> {
        let none = || Beginning { ordinal: 0, json: Vec::new() };
        let beginning = store.beginning()?.unwrap_or_else(none);
        let snapshot = Snapshot::from_json(&beginning.json)?;
        let (mut chain, root) = Chain::from_snapshot(&snapshot, FORK_BLOCKS_MAX)?;
        chain.begin_at(beginning.ordinal);
        let (store, writer) = begin(store, &snapshot, beginning, &root)?;
        Ok(Self { store, chain, writer })
    }

    /// Blocks that the log has and the index has not.
    pub(super) fn behind(&self) -> u64 {
        self.store.logged().saturating_sub(self.writer.next_ordinal())
    }

    /// Indexes what the log has, unless somebody asks to stop.
    pub(super) fn catch_up(
        &mut self,
        stop: &AtomicBool,
        conditions: &Conditions,
    ) -> Result<(), IndexError> {
        self.catch_up_to(self.store.logged(), stop, conditions)?;
        if self.behind() == 0 {
            self.store.caught_up()?;
        }
        conditions.set(Condition::Well);
        Ok(())
    }

    /// As [`Self::catch_up`], and returns whether all is indexed: while the disk refuses, it is not.
    pub(super) fn catch_up_unless_refused(
        &mut self,
        conditions: &mut Conditions,
    ) -> Result<bool, IndexError> {
        conditions.give_up();
        let caught_up = self.catch_up(&AtomicBool::new(false), conditions);
        conditions.try_again();
        match caught_up {
            Ok(()) => Ok(true),
            Err(IndexError::Commit(error)) if error.refusal().is_some() => {
                // Blocks that were not written may have been taken in already.
                let prover = Prover::new(self.store.reader());
                (self.chain, self.writer) = resume::restore(&prover)?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Indexes what the log has before an ordinal.
    fn catch_up_to(
        &mut self,
        total: u64,
        stop: &AtomicBool,
        conditions: &Conditions,
    ) -> Result<(), IndexError> {
        // Whoever logged a block knew its version.
        let known = self.chain.versions();
        self.chain.know_versions(Versions::Future);
        while self.writer.next_ordinal() < total && !stop.load(Ordering::Relaxed) {
            let done = self.writer.next_ordinal();
            conditions.set(Condition::CatchingUp { done, total });
            let mut blocks = self.store.logged_from(done)?;
            blocks.truncate(usize::try_from(total - done).unwrap_or(usize::MAX));
            while !blocks.is_empty() {
                let rest = blocks.split_off(blocks.len().min(BATCH_BLOCKS));
                let next = std::mem::replace(&mut blocks, rest);
                if self.index(next, stop, conditions)? == Written::Stopped {
                    return Ok(());
                }
            }
        }
        self.chain.know_versions(known);
        Ok(())
    }

    fn index(
        &mut self,
        blocks: Vec<LoggedBlock>,
        stop: &AtomicBool,
        conditions: &Conditions,
    ) -> Result<Written, IndexError> {
        let prepared: Vec<_> = blocks.into_par_iter().map(Prepared::logged).collect();
        let reader = self.store.reader();
        let mut batch = WriteBatch::new();
        for prepared in prepared {
            let ordinal = self.writer.next_ordinal();
            let extend =
                |prepared| self.chain.extend(prepared, ordinal).map_err(|error| error.to_string());
            let accepted = prepared.and_then(extend);
            let accepted = accepted.map_err(|reason| IndexError::Logged { ordinal, reason })?;
            self.writer.add(Some(&reader), &mut batch, &accepted)?;
        }
        self.writer.set_head(&mut batch, self.chain.resume_ordinal());
        let written = conditions.persist(&mut self.store, stop, |store| store.commit(&batch))?;
        self.chain.prune();
        Ok(written)
    }
}

/// Makes the index of a data folder as far as its log goes, and the checkpoints before some ordinals
/// with it.
///
/// # Errors
/// When the log cannot be opened or indexed, or the disk refuses.
pub fn remake(
    data: &Path,
    options: StoreOptions,
    checkpoints: &[u64],
) -> Result<Vec<(u64, Vec<u8>)>, IndexError> {
    let (mut at, conditions) = open(data, options)?;
    let (mut made, never) = (Vec::new(), AtomicBool::new(false));
    for ordinal in checkpoints {
        at.catch_up_to(*ordinal, &never, &conditions)?;
        made.push((*ordinal, at.store.checkpoint_bytes(&at.chain.preimage_ids())?));
    }
    at.catch_up(&never, &conditions)?;
    Ok(made)
}

/// Opens a data folder that has blocks, and makes its index as far as its log goes.
///
/// # Errors
/// As [`remake`].
pub fn open_whole(data: &Path, options: StoreOptions) -> Result<Store, IndexError> {
    let (mut at, conditions) = open(data, options)?;
    at.catch_up(&AtomicBool::new(false), &conditions)?;
    Ok(at.store)
}

fn open(data: &Path, options: StoreOptions) -> Result<(Position, Conditions), IndexError> {
    let mut conditions = Conditions::new();
    conditions.give_up();
    Ok((Position::of(Store::open(data, options)?)?, conditions))
}

/// Blocks indexed together, at most.
const BATCH_BLOCKS: usize = 256;
