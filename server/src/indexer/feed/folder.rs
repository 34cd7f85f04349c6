//! Blocks of a chain folder.

use weir_proto::flow::entities;
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::Identifier;

use super::{Feed, Next, Verdict, Wait, claimed_id};
use crate::indexer::{IndexError, resume};
use crate::ingest::{Accepted, Breach, Chain, Halt, IngestError, check_root};
use crate::prover::Prover;
use crate::source::{Blocks, ChainFolder};
use crate::store::{ReadError, Reader};

/// Hands out a folder's blocks in file order.
#[derive(Debug)]
pub(in super::super) struct FolderFeed {
    folder: ChainFolder,
    snapshot: Snapshot,
    json: Vec<u8>,
    first: Option<entities::Block>,
    blocks: Blocks,
}

impl FolderFeed {
    pub(in super::super) fn open(folder: &ChainFolder) -> Result<Self, IndexError> {
        let json = folder.snapshot_json()?;
        let snapshot = folder.parse_snapshot(&json)?;
        let mut blocks = folder.blocks()?;
        let first = Some(blocks.next().ok_or(IndexError::NoBlocks)??);
        Ok(Self { folder: folder.clone(), snapshot, json, first, blocks })
    }
}

impl Feed for FolderFeed {
    fn root_snapshot(&mut self) -> Result<(Snapshot, Vec<u8>), IndexError> {
        Ok((self.snapshot.clone(), std::mem::take(&mut self.json)))
    }

    fn begin(&mut self, _snapshot: &Snapshot, root: &Accepted) -> Result<(), IndexError> {
        let first = self.first.take().ok_or(IndexError::NoBlocks)?;
        Ok(check_root(root, first)?)
    }

    /// Passes over the blocks that the store has, checking that the first and the last are the same;
    /// those before its first one were pruned from it.
    fn resume(&mut self, prover: &Prover) -> Result<(), IndexError> {
        self.json = Vec::new();
        let params = self.snapshot.params();
        resume::check_same_chain(&prover.head(), &params.chain_id, params.spork_id)?;
        let (mut wire, first) = (self.first.take(), prover.reader().first_ordinal()?);
        let first_id = prover.block_at(first)?.block_id;
        while first > 0 && wire.as_ref().is_some_and(|block| claimed_id(block) != Some(first_id)) {
            wire = self.blocks.next().transpose()?;
        }
        expect(first, first_id, wire.as_ref())?;
        let last = prover.head().blocks.saturating_sub(1);
        if last == first {
            return Ok(());
        }
        self.blocks.pass_over(last - first - 1)?;
        expect(last, prover.block_at(last)?.block_id, self.blocks.next().transpose()?.as_ref())
    }

    fn next(&mut self, _wait: Wait) -> Result<Next, IndexError> {
        Ok(match self.blocks.next().transpose()? {
            Some(block) => Next::Block(Box::new(block)),
            None => Next::End,
        })
    }

    fn skips(&self, _error: &IngestError) -> bool {
        false
    }

    fn reject(&mut self, _position: usize, error: &IngestError, chain: &mut Chain) -> Verdict {
        if certified_in(&self.folder, chain, error) { Verdict::Halt } else { Verdict::Stop }
    }

    fn halted(&mut self, _halt: &Halt) {}

    fn written(&mut self, _reader: &Reader) -> Result<(), ReadError> {
        Ok(())
    }

    fn settled(&mut self) {}

    fn ended(&mut self) {}

    fn progress(&self) -> (u64, u64) {
        self.blocks.progress()
    }
}

/// A block at an ordinal is the one that the store has there.
fn expect(
    ordinal: u64,
    expected: Identifier,
    wire: Option<&entities::Block>,
) -> Result<(), IndexError> {
    let found = wire.and_then(claimed_id);
    if found == Some(expected) {
        return Ok(());
    }
    let found = found.map_or_else(|| "missing".to_owned(), |id| id.to_string());
    Err(IndexError::AnotherOrder { ordinal, expected, found })
}

/// Returns whether a folder proves that a block which breaks a rule is the network's: a block soon
/// after it carries its certificate. The chain has its parent.
///
/// The folder is read again, as this happens once.
pub(crate) fn certified_in(folder: &ChainFolder, chain: &mut Chain, error: &IngestError) -> bool {
    // What is not in the form that was certified may have been changed in the folder.
    if error.rule.breach() != Breach::Content {
        return false;
    }
    let Ok(blocks) = folder.blocks() else { return false };
    let mut blocks = blocks.map_while(Result::ok);
    let block = blocks.find(|block| claimed_id(block) == Some(error.block_id));
    let Some(certifiers) = block.and_then(|block| chain.certifiers(&block)) else { return false };
    let after: Vec<_> = blocks.take(BLOCKS_AFTER).collect();
    certifiers.certified_by(&after)
}

/// Blocks looked at for a certificate; those of other forks may come in between.
const BLOCKS_AFTER: usize = 64;
