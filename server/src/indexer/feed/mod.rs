//! What the indexer takes blocks from: a folder that ends, or a network that goes on.

mod access;
mod doubts;
mod folder;

use std::fmt;

use weir_proto::flow::entities;
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::Identifier;

use super::IndexError;
use crate::ingest::{Accepted, Chain, Halt, IngestError};
use crate::prover::Prover;
use crate::store::{ReadError, Reader};

pub use access::{AccessFeed, Origin};
pub(super) use folder::FolderFeed;
pub(crate) use folder::certified_in;

/// Hands blocks to the indexer, one after another.
pub trait Feed: fmt::Debug + Send {
    /// The snapshot to begin a new store with, and its JSON.
    ///
    /// # Errors
    /// When there is none.
    fn root_snapshot(&mut self) -> Result<(Snapshot, Vec<u8>), IndexError>;

    /// Gets ready to hand out the blocks after the root.
    ///
    /// # Errors
    /// When the blocks do not begin there.
    fn begin(&mut self, snapshot: &Snapshot, root: &Accepted) -> Result<(), IndexError>;

    /// Gets ready to hand out the blocks that a store does not have yet.
    ///
    /// # Errors
    /// When the store is of another chain, or of other blocks.
    fn resume(&mut self, prover: &Prover) -> Result<(), IndexError>;

    /// The next block.
    ///
    /// # Errors
    /// When no more blocks can be had.
    fn next(&mut self, wait: Wait) -> Result<Next, IndexError>;

    /// Whether a block that is not accepted may simply be left out.
    fn skips(&self, error: &IngestError) -> bool;

    /// Hears which of the blocks handed out since the last were settled breaks a rule, and decides
    /// how to go on. Those before it are on disk, those after it were not looked at. The chain has its
    /// parent, if that is known.
    fn reject(&mut self, position: usize, error: &IngestError, chain: &mut Chain) -> Verdict;

    /// Hears that this version stops before a block of the network's.
    fn halted(&mut self, halt: &Halt);

    /// Hears what is on disk now.
    ///
    /// # Errors
    /// None benign.
    fn written(&mut self, reader: &Reader) -> Result<(), ReadError>;

    /// Hears that all blocks handed out so far are on disk or were left out.
    fn settled(&mut self);

    /// Hears that no more blocks are taken, and that this was meant so.
    fn ended(&mut self);

    /// How far it is, and how far there is to go, in bytes or heights.
    fn progress(&self) -> (u64, u64);
}

/// Whether to wait for a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A little while.
    Yes,
    /// Not at all.
    No,
}

/// What a feed has.
#[derive(Debug)]
pub enum Next {
    /// A block.
    Block(Box<entities::Block>),
    /// None at the moment.
    Nothing,
    /// No more, ever.
    End,
}

/// How to go on after a block that breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Somebody else may have the right one: go on from what is stored.
    GoOn,
    /// There is no other source, and this one is wrong: stop here.
    Stop,
    /// The block is the network's: this version has to stop before it.
    Halt,
}

/// The ID that a block claims.
fn claimed_id(block: &entities::Block) -> Option<Identifier> {
    Identifier::try_from(&block.id[..]).ok()
}
