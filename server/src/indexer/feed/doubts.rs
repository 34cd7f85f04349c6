//! Whose fault a block is that breaks a rule: who sent it, or this version.
//!
//! A broken rule is a fact about a message, not yet a verdict. What settles it:
//!
//! - a rule about the message alone: its sender is wrong, at once;
//! - a certificate for the block: the network has it, so this version halts and nobody is set aside.
//!   Where the message may be another than what was certified, only when nobody has another;
//! - the sender's own next block builds on another one, or the height becomes final without this
//!   message: its sender is wrong.
//!
//! Until then the sender rests, another upstream is asked, and nobody is called wrong.

use prost::Message as _;
use weir_proto::flow::entities;
use weir_protocol::model::Identifier;

use super::{AccessFeed, Feed as _, Verdict, Wait};
use crate::ingest::{Breach, Certifiers, Chain, IngestError};
use crate::source::access::{
    Fault, Fetched, Rejection, Standing, SyncState, WRONG_ANSWER_BYTES_MAX,
};
use crate::store::{ReadError, Reader};

/// A message that breaks a rule, while nothing settles whose fault that is.
#[derive(Debug)]
pub(super) struct Doubt {
    upstream: usize,
    height: u64,
    block_id: Identifier,
    breach: Breach,
    reason: String,
    block: Option<Box<entities::Block>>,
}

/// What the blocks after one say of it.
enum Proof {
    /// It is certified.
    Certified,
    /// Its sender goes on from another block.
    Contradicted,
    /// Nothing yet.
    Open,
}

impl AccessFeed {
    /// Judges a block that breaks a rule; those handed out before it are on disk.
    pub(super) fn judge(
        &mut self,
        position: usize,
        error: &IngestError,
        chain: &mut Chain,
    ) -> Verdict {
        let (reason, breach) = (error.to_string(), error.rule.breach());
        if breach == Breach::Message {
            return self.refuse(position, Fault::Broken, reason);
        }
        // The blocks after it need the share of the memory that it and those before it have.
        self.unsettled.drain(..position);
        self.unsettled[0].release();
        let certifiers = chain.certifiers(&self.unsettled[0].block);
        match self.wait_for_proof(certifiers.as_ref(), &reason) {
            Proof::Contradicted => self.refuse(0, Fault::Broken, reason),
            Proof::Certified if breach == Breach::Content || self.all_agree(error.block_id) => {
                Verdict::Halt
            }
            Proof::Certified => {
                let text =
                    format!("certified, but maybe not in the form that this node has: {reason}");
                self.doubt(error, text)
            }
            Proof::Open => self.doubt(error, unproved(&reason)),
        }
    }

    /// Waits a little for the blocks after the first one not settled, which may certify it.
    fn wait_for_proof(&mut self, certifiers: Option<&Certifiers>, reason: &str) -> Proof {
        let mut seen = 0;
        for wait in 0..=CHILD_WAITS {
            let after = self.blocks_after();
            if after.first().is_some_and(|next| !is_child(next, &self.unsettled[0].block)) {
                return Proof::Contradicted;
            }
            if after.len() > seen {
                seen = after.len();
                if certifiers.is_some_and(|certifiers| certifiers.certified_by(after)) {
                    return Proof::Certified;
                }
            }
            if seen >= BLOCKS_AFTER || wait == CHILD_WAITS {
                break;
            }
            self.handle.state.send_replace(SyncState::Stalled { reason: unproved(reason) });
            if self.next(Wait::Yes).is_err() {
                break;
            }
        }
        Proof::Open
    }

    /// The blocks after the first one not settled, as far as its sender sent them.
    fn blocks_after(&self) -> Vec<&entities::Block> {
        let Some((first, after)) = self.unsettled.split_first() else { return Vec::new() };
        let follows = |(block, height): &(&Fetched, u64)| {
            block.upstream == first.upstream && block.height() == *height
        };
        let after = after.iter().zip(first.height().saturating_add(1)..).take_while(follows);
        after.map(|(fetched, _)| &fetched.block).take(BLOCKS_AFTER).collect()
    }

    /// Whether every upstream that is still asked sent this block in a form that breaks a rule.
    fn all_agree(&self, block_id: Identifier) -> bool {
        let sender = self.unsettled[0].upstream;
        let upstreams = self.handle.upstreams.borrow();
        upstreams.iter().enumerate().all(|(index, state)| {
            let same = |doubt: &Doubt| doubt.upstream == index && doubt.block_id == block_id;
            index == sender
                || matches!(state, Standing::SetAside { .. })
                || self.doubts.iter().any(same)
        })
    }

    /// Lets the sender of the first block not settled rest, and remembers what it said until that is
    /// settled.
    fn doubt(&mut self, error: &IngestError, text: String) -> Verdict {
        let Fetched { upstream, block, .. } = &self.unsettled[0];
        let of_sender = self.doubts.iter().filter(|doubt| doubt.upstream == *upstream);
        let known = of_sender.clone().any(|doubt| doubt.block_id == error.block_id);
        if !known && of_sender.count() < DOUBTS_MAX {
            self.doubts.push(Doubt {
                upstream: *upstream,
                height: error.height,
                block_id: error.block_id,
                breach: error.rule.breach(),
                reason: error.to_string(),
                block: (block.encoded_len() <= WRONG_ANSWER_BYTES_MAX)
                    .then(|| Box::new(block.clone())),
            });
        }
        self.refuse(0, Fault::Unproved, text)
    }

    /// Settles the doubts up to the final height: the network has other blocks there, or the same ones
    /// in another form.
    ///
    /// The very same block may be final as well, as a certificate inside it is not looked at where a
    /// later one vouches for it: its sender is then acquitted.
    pub(super) fn settle_doubts(&mut self, reader: &Reader) -> Result<(), ReadError> {
        let finalized_height = reader.head().finalized.height;
        let settled = self.doubts.extract_if(.., |doubt| doubt.height <= finalized_height);
        for Doubt { upstream, height, block_id, breach, reason, block } in settled {
            let ordinal = reader.finalized_at(height)?;
            let same = ordinal.is_some() && ordinal == reader.ordinal_of(&block_id)?;
            if same && breach == Breach::Content {
                continue;
            }
            self.generation += 1;
            let generation = self.generation;
            let fault = Fault::Broken;
            self.handle.reject(Rejection { upstream, fault, reason, block, generation });
        }
        Ok(())
    }

    fn refuse(&mut self, position: usize, fault: Fault, reason: String) -> Verdict {
        let Fetched { upstream, block, .. } = self.unsettled.swap_remove(position);
        self.unsettled.clear();
        self.generation += 1;
        let (block, generation) = (Some(Box::new(block)), self.generation);
        self.handle.reject(Rejection { upstream, fault, reason, block, generation });
        Verdict::GoOn
    }
}

fn is_child(block: &entities::Block, parent: &entities::Block) -> bool {
    match (&block.block_header, &parent.block_header) {
        (Some(block), Some(parent)) => block.parent_id == parent.id,
        _ => false,
    }
}

fn unproved(reason: &str) -> String {
    format!("not certified yet: {reason}")
}

/// How often the blocks after one that breaks a rule are waited for: two seconds.
const CHILD_WAITS: usize = 10;
/// Blocks looked at for a certificate: more Byzantine leaders in a row than that are unlikely.
const BLOCKS_AFTER: usize = 8;
/// Doubts kept of one upstream. A later one says the same of it, so that an earlier one is enough.
const DOUBTS_MAX: usize = 4;
