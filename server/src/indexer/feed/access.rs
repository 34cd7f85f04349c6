//! Blocks from access nodes.

use std::collections::HashMap;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::mpsc::error::TryRecvError;
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::Identifier;

use super::{Feed, Next, Verdict, Wait};
use crate::indexer::{IndexError, resume};
use crate::ingest::{Accepted, Chain, IngestError, Rule};
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
    finalized_height: u64,
    /// Accepted blocks that are not on disk yet, with their share of the memory.
    pending: HashMap<Identifier, Fetched>,
    /// The newest block, with the ID it claims: another's, if it is forged.
    newest: Option<(Identifier, Fetched)>,
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
            finalized_height: 0,
            pending: HashMap::new(),
            newest: None,
        }
    }

    fn start(&mut self, network: Network, finalized_height: u64, finalized: Identifier) {
        self.finalized_height = finalized_height;
        self.handle.finalized(finalized_height, finalized);
        if let Some(fetcher) = self.fetcher.take() {
            self.runtime.spawn(fetcher.run(network));
        }
    }

    fn take(&mut self, fetched: Fetched) -> Option<Next> {
        if fetched.generation != self.generation {
            return None;
        }
        let block = fetched.block.clone();
        let header = block.block_header.as_ref();
        self.height = header.map_or(block.height, |header| header.height);
        // After a change of upstream; the chain may have forgotten what these build upon.
        if self.height <= self.finalized_height {
            return None;
        }
        // As errors name the block.
        let id = header.map_or(&block.id, |header| &header.id);
        let id = Identifier::try_from(&id[..]).unwrap_or_default();
        // That there is another now means that the one before was accepted.
        self.pending.extend(self.newest.replace((id, fetched)));
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
                snapshot.map_err(|reasons| IndexError::NoCheckpoint { block_id, reasons })?
            }
        };
        Ok((Snapshot::from_json(&json)?, json))
    }

    fn begin(&mut self, snapshot: &Snapshot, root: &Accepted) -> Result<(), IndexError> {
        let params = snapshot.params();
        let network = Network { chain_id: params.chain_id.clone(), spork_id: params.spork_id };
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
        let (chain_id, spork_id) = (head.chain.chain_id.clone(), head.chain.spork_id);
        let network = Network { chain_id, spork_id };
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

    fn skips(&mut self, error: &IngestError) -> bool {
        let skips = matches!(*error.rule, Rule::Duplicate);
        if skips {
            self.newest = None;
        }
        skips
    }

    fn reject(&mut self, error: &IngestError, _finalized: &BlockRef) -> Verdict {
        if let Rule::Step(step) = &*error.rule
            && step.is_unsupported_version()
        {
            let reason = error.to_string();
            self.handle.state.send_replace(SyncState::Halted { reason });
            return Verdict::Stop;
        }
        let newest = self.newest.take().map(|(_, fetched)| fetched);
        let sent = match *error.rule {
            // Found after the whole batch was accepted.
            Rule::QuorumCertificate { .. } | Rule::TimeoutCertificate { .. } => {
                self.pending.remove(&error.block_id).or(newest)
            }
            _ => newest,
        };
        let Fetched { upstream, block, .. } = sent.expect("a rejected block was handed out");
        self.pending.clear();
        self.generation += 1;
        let (reason, block) = (error.to_string(), Box::new(block));
        let generation = self.generation;
        self.handle.reject(Rejection { upstream, reason, block, generation });
        Verdict::GoOn
    }

    fn written(&mut self, blocks: &[Accepted], finalized: &BlockRef) {
        for block in blocks {
            self.pending.remove(&block.block_id);
        }
        // It may still be rejected, yet must not keep the room that the next one needs.
        if let Some((_, newest)) = &mut self.newest {
            newest.release();
        }
        self.finalized_height = finalized.height;
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
