//! Making the index from the log: what a crash took of it, or all of it.
//!
//! The blocks go the same way as new ones, but for their certificates: those were verified before the
//! blocks were logged.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::Versions;

use super::batch::BatchWriter;
use super::condition::{Condition, Conditions, Written};
use super::{IndexError, begin};
use crate::ingest::{Chain, FORK_BLOCKS_MAX, Prepared};
use crate::store::{LoggedBlock, NewStore, Store, WriteBatch};

/// Where indexing goes on.
#[derive(Debug)]
pub(super) struct Position {
    pub(super) store: Store,
    pub(super) chain: Chain,
    pub(super) writer: BatchWriter,
}

impl Position {
    /// Begins the index of a log that has blocks, with its root.
    pub(super) fn of_log(store: NewStore) -> Result<Self, IndexError> {
        let json = store.root_snapshot()?.unwrap_or_default();
        let snapshot = Snapshot::from_json(&json)?;
        let (chain, root) = Chain::from_snapshot(&snapshot, FORK_BLOCKS_MAX)?;
        let (store, writer) = begin(store, &snapshot, json, &root)?;
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
        let total = self.store.logged();
        // Whoever logged a block knew its version.
        let known = self.chain.versions();
        self.chain.know_versions(Versions::Future);
        while self.behind() > 0 {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let done = self.writer.next_ordinal();
            conditions.set(Condition::CatchingUp { done, total });
            let mut blocks = self.store.logged_from(done)?;
            while !blocks.is_empty() {
                let rest = blocks.split_off(blocks.len().min(BATCH_BLOCKS));
                let next = std::mem::replace(&mut blocks, rest);
                if self.index(next, stop, conditions)? == Written::Stopped {
                    return Ok(());
                }
            }
        }
        self.chain.know_versions(known);
        self.store.caught_up()?;
        conditions.set(Condition::Well);
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

/// Blocks indexed together, at most.
const BATCH_BLOCKS: usize = 256;
