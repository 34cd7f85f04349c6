//! Blocks from access nodes.

use std::collections::HashMap;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::mpsc::error::TryRecvError;
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::Identifier;

use super::{Feed, Next, Verdict, Wait, claimed_id};
use crate::indexer::{IndexError, resume};
use crate::ingest::{Accepted, IngestError, Rule};
use crate::prover::Prover;
use crate::source::access::{Fetched, Fetcher, Handle, Network, Rejection, SyncState};
use crate::store::BlockRef;

/// Hands out the finalized blocks of a network, and tells the fetcher which were wrong.
#[derive(Debug)]
pub struct AccessFeed {
    runtime: runtime::Handle,
    origin: Origin,
    fetcher: Option<Fetcher>,
    handle: Handle,
    generation: u64,
    height: u64,
    /// Who sent the newest block.
    newest_upstream: usize,
    /// Blocks that are not on disk yet, with their share of the memory and who sent them.
    pending: HashMap<Identifier, Fetched>,
    /// The upstream whose block had an unknown parent, since the last block that fitted.
    unlinked: Option<usize>,
}

/// What a new store begins with.
#[derive(Clone, Debug)]
pub enum Origin {
    /// The snapshot at a block that the user trusts.
    Checkpoint(Identifier),
    /// A snapshot that the user trusts.
    Snapshot(Vec<u8>),
}

impl AccessFeed {
    /// A feed from the fetcher, which runs on `runtime` once the store is open.
    #[must_use]
    pub fn new(runtime: runtime::Handle, origin: Origin, fetcher: (Fetcher, Handle)) -> Self {
        let (fetcher, handle) = fetcher;
        Self {
            runtime,
            origin,
            fetcher: Some(fetcher),
            handle,
            generation: 0,
            height: 0,
            newest_upstream: 0,
            pending: HashMap::new(),
            unlinked: None,
        }
    }

    fn start(&mut self, network: Network, next_height: u64) {
        if let Some(fetcher) = self.fetcher.take() {
            self.runtime.spawn(fetcher.run(network, next_height));
        }
    }

    fn take(&mut self, fetched: Fetched) -> Option<Next> {
        if fetched.generation != self.generation {
            return None;
        }
        let block = fetched.block.clone();
        self.newest_upstream = fetched.upstream;
        self.height = block.height;
        if let Some(id) = claimed_id(&block) {
            self.pending.insert(id, fetched);
        }
        Some(Next::Block(Box::new(block)))
    }
}

impl Feed for AccessFeed {
    fn root_snapshot(&mut self) -> Result<(Snapshot, Vec<u8>), IndexError> {
        let json = match &self.origin {
            Origin::Snapshot(json) => json.clone(),
            Origin::Checkpoint(block_id) => {
                let block_id = *block_id;
                let fetcher = self.fetcher.as_mut().ok_or(IndexError::SourceGone)?;
                let snapshot = self.runtime.block_on(fetcher.checkpoint(block_id));
                snapshot.map_err(|reasons| IndexError::NoCheckpoint { block_id, reasons })?
            }
        };
        Ok((Snapshot::from_json(&json)?, json))
    }

    fn begin(&mut self, snapshot: &Snapshot, root: &Accepted) -> Result<(), IndexError> {
        let params = snapshot.params();
        let network = Network { chain_id: params.chain_id.clone(), spork_id: params.spork_id };
        self.start(network, root.block.header.height + 1);
        Ok(())
    }

    fn resume(&mut self, prover: &Prover) -> Result<(), IndexError> {
        let head = prover.head();
        match &self.origin {
            Origin::Checkpoint(block_id) => {
                if prover.reader().ordinal_of(block_id)?.is_none() {
                    return Err(IndexError::AnotherCheckpoint { block_id: *block_id });
                }
            }
            Origin::Snapshot(json) => {
                let snapshot = Snapshot::from_json(json)?;
                let params = snapshot.params();
                resume::check_same_chain(&head, &params.chain_id, params.spork_id)?;
            }
        }
        let (chain_id, spork_id) = (head.chain.chain_id.clone(), head.chain.spork_id);
        self.handle.finalized(head.finalized.height, head.finalized.id);
        self.start(Network { chain_id, spork_id }, head.finalized.height + 1);
        Ok(())
    }

    fn next(&mut self, wait: Wait) -> Result<Next, IndexError> {
        loop {
            let fetched = match (self.handle.blocks.try_recv(), wait) {
                (Ok(fetched), _) => fetched,
                (Err(TryRecvError::Disconnected), _) => return Err(IndexError::SourceGone),
                (Err(TryRecvError::Empty), Wait::No) => return Ok(Next::Nothing),
                (Err(TryRecvError::Empty), Wait::Yes) => {
                    let blocks = &mut self.handle.blocks;
                    let waiting = async { tokio::time::timeout(WAIT_MAX, blocks.recv()).await };
                    match self.runtime.block_on(waiting) {
                        Ok(Some(fetched)) => fetched,
                        Ok(None) => return Err(IndexError::SourceGone),
                        Err(_) => return Ok(Next::Nothing),
                    }
                }
            };
            if let Some(next) = self.take(fetched) {
                return Ok(next);
            }
        }
    }

    fn skips(&mut self, error: &IngestError) -> bool {
        let skips = matches!(*error.rule, Rule::Duplicate);
        if skips {
            self.pending.remove(&error.block_id);
        }
        skips
    }

    fn reject(&mut self, error: &IngestError, finalized: &BlockRef) -> Verdict {
        if let Rule::Step(step) = &*error.rule
            && step.is_unsupported_version()
        {
            let reason = error.to_string();
            self.handle.state.send_replace(SyncState::Halted { reason });
            return Verdict::Stop;
        }
        let sent = self.pending.remove(&error.block_id);
        self.pending.clear();
        let (upstream, block) = match sent {
            Some(sent) => (sent.upstream, Some(sent.block)),
            None => (self.newest_upstream, None),
        };
        // A block below may have been another's lie: that is found out by fetching it again.
        let unlinked = matches!(*error.rule, Rule::UnknownParent { .. });
        let blame = !unlinked || self.unlinked == Some(upstream);
        self.unlinked = unlinked.then_some(upstream);
        self.generation += 1;
        self.handle.reject(Rejection {
            upstream,
            reason: error.to_string(),
            block,
            blame,
            next_height: finalized.height + 1,
            generation: self.generation,
        });
        Verdict::GoOn
    }

    fn written(&mut self, finalized: &BlockRef) {
        self.unlinked = None;
        self.pending.clear();
        self.handle.finalized(finalized.height, finalized.id);
    }

    fn progress(&self) -> (u64, u64) {
        match &*self.handle.state.borrow() {
            SyncState::Syncing { target, .. } => (self.height, *target),
            _ => (self.height, self.height),
        }
    }
}

/// Longest wait for a block before looking whether to stop.
const WAIT_MAX: Duration = Duration::from_millis(200);
