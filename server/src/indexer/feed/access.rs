//! Blocks from access nodes.

use std::time::Duration;

use tokio::runtime;
use tokio::sync::mpsc::error::TryRecvError;
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::Identifier;

use super::doubts::Doubt;
use super::{Feed, Next, Verdict, Wait};
use crate::indexer::{IndexError, resume};
use crate::ingest::{Accepted, Chain, Halt, IngestError, Rule};
use crate::prover::Prover;
use crate::source::access::{
    CheckpointError, Fetched, Fetcher, Handle, Network, SporkBasis, SyncState,
};
use crate::store::{ReadError, Reader};

/// Hands out the finalized blocks of a network, and tells the fetcher which were wrong.
#[derive(Debug)]
pub struct AccessFeed {
    runtime: runtime::Handle,
    origin: Origin,
    /// The spork that the operator names.
    pinned_spork: Option<Identifier>,
    fetcher: Option<Fetcher>,
    pub(super) handle: Handle,
    pub(super) generation: u64,
    height: u64,
    finalized_height: u64,
    /// Blocks handed out that are not settled, in order, with their share of the memory.
    pub(super) unsettled: Vec<Fetched>,
    /// Messages that break a rule, while it is open whose fault that is; a few an upstream.
    pub(super) doubts: Vec<Doubt>,
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
            pinned_spork: fetcher.pinned_spork(),
            fetcher: Some(fetcher),
            handle,
            generation: 0,
            height: 0,
            finalized_height: 0,
            unsettled: Vec::new(),
            doubts: Vec::new(),
        }
    }

    fn start(&mut self, network: Network, finalized_height: u64, finalized: Identifier) {
        self.finalized_height = finalized_height;
        self.handle.finalized(finalized_height, finalized);
        if let Some(fetcher) = self.fetcher.take() {
            self.runtime.spawn(fetcher.run(network));
        }
    }

    /// The network, of which the operator may have named the spork.
    fn network(
        &self,
        of: &'static str,
        chain_id: &str,
        spork_id: Identifier,
    ) -> Result<Network, IndexError> {
        if let Some(expected) = self.pinned_spork.filter(|pinned| *pinned != spork_id) {
            return Err(IndexError::AnotherSpork { expected, of, found: spork_id });
        }
        let spork_basis = match (&self.origin, self.pinned_spork) {
            (Origin::Checkpoint(_), None) => SporkBasis::Nodes,
            (Origin::Checkpoint(_), Some(_)) | (Origin::Snapshot(_), _) => SporkBasis::Operator,
        };
        Ok(Network { chain_id: chain_id.to_owned(), spork_id, spork_basis })
    }

    fn take(&mut self, fetched: Fetched) -> Option<Next> {
        if fetched.generation != self.generation {
            return None;
        }
        let block = fetched.block.clone();
        self.height = fetched.height();
        // After a change of upstream; the chain may have forgotten what these build upon.
        if self.height <= self.finalized_height {
            return None;
        }
        self.unsettled.push(fetched);
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
                let check = |snapshot: &Snapshot| match Chain::from_snapshot(snapshot, 1) {
                    Ok(_) => Ok(()),
                    Err(error) => Err(error.to_string()),
                };
                let snapshot = self.runtime.block_on(fetcher.checkpoint(block_id, check));
                snapshot.map_err(|error| match error {
                    CheckpointError::NoSnapshot(reasons) => {
                        IndexError::NoCheckpoint { block_id, reasons }
                    }
                    CheckpointError::Sporks(claims) => IndexError::Sporks { block_id, claims },
                })?
            }
        };
        Ok((Snapshot::from_json(&json)?, json))
    }

    fn begin(&mut self, snapshot: &Snapshot, root: &Accepted) -> Result<(), IndexError> {
        let params = snapshot.params();
        let network = self.network("the root snapshot", &params.chain_id, params.spork_id)?;
        self.start(network, root.block.header.height, root.block_id);
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
        let chain = &head.chain;
        let network = self.network("the data folder", &chain.chain_id, chain.spork_id)?;
        self.start(network, head.finalized.height, head.finalized.id);
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

    fn skips(&self, error: &IngestError) -> bool {
        matches!(*error.rule, Rule::Duplicate)
    }

    fn reject(&mut self, position: usize, error: &IngestError, chain: &mut Chain) -> Verdict {
        self.judge(position, error, chain)
    }

    fn halted(&mut self, halt: &Halt) {
        // Before anybody hears of it, so that whoever then kills the process makes nobody suspect.
        self.handle.ended();
        let reason = halt.to_string();
        self.handle.state.send_replace(SyncState::Halted { reason });
    }

    fn written(&mut self, reader: &Reader) -> Result<(), ReadError> {
        let finalized = &reader.head().finalized;
        self.finalized_height = finalized.height;
        self.handle.finalized(finalized.height, finalized.id);
        self.settle_doubts(reader)
    }

    fn settled(&mut self) {
        self.unsettled.clear();
    }

    fn ended(&mut self) {
        self.handle.ended();
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
