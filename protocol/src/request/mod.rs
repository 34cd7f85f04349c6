//! Requests: what a client asks of a server.
//!
//! One request, whoever handles it: the walk makes it, the wire carries it, the server parses it and
//! signs its ID, and whoever shows to others what was answered stores it. `docs/servers.md` has the
//! encoding that the ID is the hash of.

mod bytes;
mod held;
mod question;
mod refusal;
mod watch;

pub use held::{HELD_IDS_MAX, Held};
pub use question::{FILTER_IDS_MAX, IdentityFilter, Question, Selector, Topic};
pub use refusal::RefusalReason;
pub use watch::{Level, Notice, WATCHED_BLOCKS_MAX, WatchRequest};

use crate::model::Identifier;
use crate::snapshot_tree::TreeQuestion;

/// What a client asks of a server, as its answer is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Evidence for a checkpoint: the block with this ID.
    Checkpoint(Identifier),
    /// A page of epoch hops.
    EpochHops(HopsRequest),
    /// Evidence for the answer to a question.
    Answer(AnswerRequest),
    /// A proof about the snapshot tree at a block.
    TreeProof(TreeRequest),
}

/// Asks for a page of epoch hops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HopsRequest {
    /// The newest epoch whose committee the client knows.
    pub epoch_counter: u64,
    /// What the client holds.
    pub held: Held,
    /// How many hops are wanted.
    pub max_hops: MaxHops,
}

/// Asks for evidence for the answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerRequest {
    /// The question.
    pub question: Question,
    /// What the client holds.
    pub held: Held,
    /// How far the block is to be proved.
    pub depth: Depth,
}

/// Asks for a proof about the snapshot tree at a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeRequest {
    /// The block.
    pub block: Selector,
    /// What is asked of the tree.
    pub question: TreeQuestion,
}

/// How far a block is to be proved, where the chain is that far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Certificate and finality.
    #[default]
    Finality,
    /// Also the seal of the block.
    Seal,
    /// Nothing: the client knows the block ID, and hashing alone decides.
    KnownBlock,
    /// Hash links from the client's head to the block, and to the block that seals it where that is
    /// not above the head.
    Linked,
}

impl Depth {
    /// All depths, by their number.
    pub const ALL: [Self; 4] = [Self::Finality, Self::Seal, Self::KnownBlock, Self::Linked];

    /// Its number, in requests and on the wire.
    #[must_use]
    pub fn number(self) -> u64 {
        match self {
            Self::Finality => 0,
            Self::Seal => 1,
            Self::KnownBlock => 2,
            Self::Linked => 3,
        }
    }

    /// The depth of this number.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|depth| depth.number() == number)
    }
}

/// How many hops of a page are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaxHops(pub u32);

impl MaxHops {
    /// Leaves it to the server: it sends at most 64 hops ([`HOPS_PER_PAGE_MAX`]), in about 1 MiB.
    pub const LEFT_TO_SERVER: Self = Self(0);

    /// Most hops that a server sends.
    #[must_use]
    pub fn count(self) -> usize {
        match usize::try_from(self.0) {
            Ok(0) | Err(_) => HOPS_PER_PAGE_MAX,
            Ok(wanted) => wanted.min(HOPS_PER_PAGE_MAX),
        }
    }
}

/// Most hops in one page.
pub const HOPS_PER_PAGE_MAX: usize = 64;
