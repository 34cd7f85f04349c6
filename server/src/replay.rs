//! `weir-server replay`: reads a chain folder, checks everything, stores nothing.

use std::io::{self, Write};

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use serde_json::{Map, Value};
use thiserror::Error;
use weir_proto::flow::entities;
use weir_protocol::hotstuff::finality::{Evidence, Finality, ForkBlock};
use weir_protocol::model::{EpochPhase, Identifier, PayloadRoots};

use crate::indexer::feed::certified_in;
use crate::ingest::certificates::{Claim, Thoroughness, verify};
use crate::ingest::{Accepted, Chain, Halt, IngestError, Prepared};
use crate::source::{ChainFolder, SourceError};

/// What a chain folder amounts to.
#[derive(Debug)]
pub struct Replay {
    chain: Chain,
    rows: Vec<Row>,
    /// Conflicting certificates, in the order they became known.
    pub evidence: Vec<Evidence>,
}

/// What is printed of a block, besides what only later blocks decide.
#[derive(Debug)]
struct Row {
    position: ForkBlock,
    payload_hash: Identifier,
    roots: PayloadRoots,
    last_view_tc_id: Identifier,
    protocol_state_version: u64,
    epoch_state_id: Identifier,
    epoch_counter: u64,
    epoch_phase: EpochPhase,
    epoch_fallback_triggered: bool,
    last_sealed_block_id: Identifier,
}

impl Replay {
    /// Reads and checks the whole folder.
    ///
    /// # Errors
    /// When a file cannot be read, or a block breaks a rule; [`ReplayError::Halted`] when the block is
    /// certified in the folder all the same.
    pub fn run(folder: &ChainFolder, thoroughness: Thoroughness) -> Result<Self, ReplayError> {
        let snapshot = folder.parse_snapshot(&folder.snapshot_json()?)?;
        let (chain, root) = Chain::from_snapshot(&snapshot, usize::MAX)?;
        let mut replay = Self { chain, rows: Vec::new(), evidence: Vec::new() };
        let mut blocks = folder.blocks()?;
        replay.expect_root(&root, blocks.next())?;
        replay.keep(&root);
        loop {
            let batch: Vec<_> = blocks.by_ref().take(BATCH_BLOCKS).collect();
            if batch.is_empty() {
                return Ok(replay);
            }
            let taken = replay.take_batch(batch, thoroughness);
            taken.map_err(|error| replay.judge(folder, error))?;
            // Blocks are kept to the end, which decides how final they are; results are not.
            replay.chain.prune_results();
        }
    }

    /// Takes blocks, hashed on all cores and then one by one, and checks their certificates.
    fn take_batch(
        &mut self,
        batch: Vec<Result<entities::Block, SourceError>>,
        thoroughness: Thoroughness,
    ) -> Result<(), ReplayError> {
        let prepared: Vec<Result<Prepared, ReplayError>> =
            batch.into_par_iter().map(|wire| Ok(Prepared::new(wire?)?)).collect();
        let mut claims = Vec::with_capacity(prepared.len());
        for block in prepared {
            let ordinal = self.rows.len() as u64;
            let accepted =
                block.and_then(|block| self.chain.extend(block, ordinal).map_err(Into::into));
            let accepted = accepted.map_err(|error| first_failure(&claims, error))?;
            self.keep(&accepted);
            claims.extend(accepted.claim);
        }
        Ok(verify(&claims, thoroughness)?)
    }

    /// Whose fault a broken rule is.
    fn judge(&mut self, folder: &ChainFolder, error: ReplayError) -> ReplayError {
        match error {
            ReplayError::Ingest(error) if certified_in(folder, &mut self.chain, &error) => {
                Halt { error }.into()
            }
            error => error,
        }
    }

    /// The first block in the file must be the head of the root snapshot.
    fn expect_root(
        &self,
        root: &Accepted,
        first: Option<Result<entities::Block, SourceError>>,
    ) -> Result<(), ReplayError> {
        let first = first.ok_or(ReplayError::NoBlocks)??;
        crate::ingest::check_root(root, first).map_err(ReplayError::from)
    }

    fn keep(&mut self, accepted: &Accepted) {
        let header = &accepted.block.header;
        let state = &accepted.state;
        self.rows.push(Row {
            position: ForkBlock {
                block_id: accepted.block_id,
                parent_id: header.parent_id,
                view: header.view,
                height: header.height,
            },
            payload_hash: header.payload_hash,
            roots: accepted.roots,
            last_view_tc_id: header.last_view_tc_id,
            protocol_state_version: state.version(),
            epoch_state_id: state.epoch_state_id(),
            epoch_counter: state.epoch_counter(),
            epoch_phase: state.phase(),
            epoch_fallback_triggered: state.epoch_fallback_triggered(),
            last_sealed_block_id: accepted.last_sealed.block_id,
        });
        self.evidence.extend(accepted.progress.evidence.iter().cloned());
    }

    /// Writes one JSON line a block, in the order of the folder.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        self.rows.iter().try_for_each(|row| writeln!(out, "{}", self.json(row)))
    }

    fn json(&self, row: &Row) -> Value {
        let finality = self.chain.finality(&row.position.block_id);
        let mut fields = Map::new();
        let mut id = |name: &str, id: Identifier| fields.insert(name.into(), id.to_hex().into());
        id("block_id", row.position.block_id);
        id("parent_id", row.position.parent_id);
        id("payload_hash", row.payload_hash);
        id("guarantees_root", row.roots.guarantees_root);
        id("seals_root", row.roots.seals_root);
        id("receipts_root", row.roots.receipts_root);
        id("results_root", row.roots.results_root);
        id("protocol_state_id", row.roots.protocol_state_id);
        id("epoch_state_id", row.epoch_state_id);
        id("last_sealed_block_id", row.last_sealed_block_id);
        let mut field = |name: &str, value: Value| fields.insert(name.into(), value);
        let tc = Some(row.last_view_tc_id).filter(|id| !id.is_zero());
        field("last_view_tc_id", tc.map(|id| id.to_hex()).unwrap_or_default().into());
        field("height", row.position.height.into());
        field("view", row.position.view.into());
        field("protocol_state_version", row.protocol_state_version.into());
        field("epoch_counter", row.epoch_counter.into());
        field("epoch_phase", row.epoch_phase.name().into());
        field("epoch_fallback_triggered", row.epoch_fallback_triggered.into());
        field("finalized", (finality != Some(Finality::Pending)).into());
        field("certified", self.chain.is_certified(&row.position.block_id).into());
        Value::Object(fields)
    }

    /// A few lines for people.
    #[must_use]
    pub fn summary(&self) -> String {
        let finalized = self.chain.latest_finalized();
        let sealed = self.chain.latest_sealed();
        let count = self.rows.len();
        let epochs = self.rows.iter().map(|row| row.epoch_counter);
        let (first, last) = (epochs.clone().min().unwrap_or(0), epochs.max().unwrap_or(0));
        format!(
            "{count} blocks, every one consistent\n\
             latest finalized: height {}, block {}\n\
             latest sealed:    height {}, block {}\n\
             epochs {first} to {last}",
            finalized.height, finalized.block_id, sealed.height, sealed.block_id
        )
    }
}

/// A certificate before the failing block may fail first, and is then the one to name.
fn first_failure(claims: &[Claim], error: ReplayError) -> ReplayError {
    verify(claims, Thoroughness::Unvouched).err().map_or(error, ReplayError::from)
}

/// Why a chain folder is not consistent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The folder cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A block breaks a rule, and nothing shows it to be the network's.
    #[error(
        "{0}; nothing in the folder shows that the network has this block in this form: the folder is \
         wrong, unless a newer version reads it"
    )]
    Ingest(#[from] IngestError),
    /// A certified block breaks a rule.
    #[error(transparent)]
    Halted(#[from] Halt),
    /// There is not even a root block.
    #[error("the folder has no blocks; the first must be the head of the root snapshot")]
    NoBlocks,
}

/// Blocks whose certificates are checked together.
const BATCH_BLOCKS: usize = 256;
