//! Taking the next blocks of a feed: hashed on all cores, checked one by one, certificates last.

use prost::Message as _;
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use weir_proto::flow::entities;

use super::feed::{Next, Wait};
use super::{IndexError, Indexer};
use crate::ingest::certificates::{Claim, Thoroughness, verify};
use crate::ingest::{Accepted, IngestError, Prepared};

/// Blocks that were accepted, and why there are not more of them.
pub(super) struct Batch {
    pub(super) accepted: Vec<Accepted>,
    /// Where they were among the blocks that the source handed out.
    pub(super) positions: Vec<usize>,
    pub(super) outcome: Outcome,
}

pub(super) enum Outcome {
    /// The batch is full.
    Full,
    /// The source has nothing more at the moment.
    Idle,
    /// The source has no more blocks.
    End,
    /// A block breaks a rule.
    Rejected {
        /// Where it was among the blocks that the source handed out.
        position: usize,
        /// The rule.
        error: IngestError,
    },
    /// The source fails.
    Failed(IndexError),
}

impl Indexer {
    /// The next blocks of the source, hashed on all cores and then taken one by one.
    pub(super) fn next_batch(&mut self) -> Result<Batch, IndexError> {
        let (wires, mut outcome) = self.next_wires()?;
        let prepared: Vec<_> = wires.into_par_iter().map(Prepared::new).collect();
        let mut accepted = Vec::with_capacity(prepared.len());
        let mut positions = Vec::with_capacity(prepared.len());
        for (position, block) in prepared.into_iter().enumerate() {
            let ordinal = self.at.writer.next_ordinal() + accepted.len() as u64;
            match block.and_then(|block| self.at.chain.extend(block, ordinal)) {
                Ok(block) => {
                    accepted.push(block);
                    positions.push(position);
                }
                Err(error) if self.feed.skips(&error) => {}
                Err(error) => {
                    outcome = Outcome::Rejected { position, error };
                    break;
                }
            }
        }
        Ok(Batch { accepted, positions, outcome })
    }

    /// Waits for a block, and takes what else there is already.
    fn next_wires(&mut self) -> Result<(Vec<entities::Block>, Outcome), IndexError> {
        let (mut wires, mut bytes) = (Vec::new(), 0);
        while wires.len() < BATCH_BLOCKS && bytes < BATCH_BYTES {
            let wait = if wires.is_empty() { Wait::Yes } else { Wait::No };
            match self.feed.next(wait) {
                Ok(Next::Block(wire)) => {
                    bytes += wire.encoded_len();
                    wires.push(*wire);
                }
                Ok(Next::Nothing) => return Ok((wires, Outcome::Idle)),
                Ok(Next::End) => return Ok((wires, Outcome::End)),
                Err(error) if wires.is_empty() => return Err(error),
                // The blocks before it come first.
                Err(error) => return Ok((wires, Outcome::Failed(error))),
            }
        }
        Ok((wires, Outcome::Full))
    }
}

/// Checks the certificates of a batch; on failure only the blocks before the failing one remain.
pub(super) fn check_certificates(accepted: &mut Vec<Accepted>) -> Result<(), IngestError> {
    let claims: Vec<Claim> = accepted.iter().filter_map(|block| block.claim.clone()).collect();
    let result = verify(&claims, Thoroughness::Unvouched);
    if let Err(error) = &result {
        let failing = accepted.iter().position(|block| block.block_id == error.block_id);
        accepted.truncate(failing.unwrap_or_default());
    }
    result
}

/// Blocks checked and written together, at most.
const BATCH_BLOCKS: usize = 256;
/// Bytes of blocks checked and written together, but for the last one.
const BATCH_BYTES: usize = 64 << 20;
