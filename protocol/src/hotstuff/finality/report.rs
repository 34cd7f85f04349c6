//! What the forks report: final blocks, conflicts, and blocks that do not fit.

use crate::model::Identifier;
use alloc::vec::Vec;

/// What finality needs to know of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForkBlock {
    /// Block ID.
    pub block_id: Identifier,
    /// ID of the parent block.
    pub parent_id: Identifier,
    /// View.
    pub view: u64,
    /// Height.
    pub height: u64,
}

/// How final a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finality {
    /// Not final as far as is known.
    Pending,
    /// Final.
    Finalized,
    /// Satisfies the rule, but on a branch that conflicts with a final block.
    Conflicting,
}

/// Two certified facts that no honest supermajority makes both of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Evidence {
    /// Two certified blocks of one view.
    DoubleCertification {
        /// The block certified first.
        first: ForkBlock,
        /// The other one.
        second: ForkBlock,
    },
    /// Two conflicting blocks that both satisfy the finality rule.
    ConflictingFinality {
        /// The lowest final block that is no ancestor of the other; it stays final.
        finalized: ForkBlock,
        /// The block that satisfies the rule on another branch.
        conflicting: ForkBlock,
    },
}

/// A certified block of a later view that leaves out a final block.
///
/// No honest supermajority certifies it, for most voters were bound to the final block. Yet which
/// of them broke the rule shows only in the timeouts behind it, and flow-go takes it for an
/// ordinary fork; so it is reported, but apart from [`Evidence`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The final block, which satisfies the rule itself.
    pub finalized: ForkBlock,
    /// First block of the other branch that is certified after it.
    pub certified: ForkBlock,
}

/// What a new fact about the forks led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForksProgress {
    /// Blocks that became final, by ascending height.
    pub finalized: Vec<ForkBlock>,
    /// Conflicts that became known.
    pub evidence: Vec<Evidence>,
    /// Final blocks found to be left out.
    pub left_out: Vec<LeftOut>,
}

/// Why a block does not fit the known forks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForksError {
    /// The block is not held.
    #[error("unknown block {block_id}")]
    UnknownBlock {
        /// The block.
        block_id: Identifier,
    },
    /// The parent is not held.
    #[error("unknown parent block {parent_id}")]
    UnknownParent {
        /// The parent.
        parent_id: Identifier,
    },
    /// The height is not one above the parent's.
    #[error("expected the height after {parent}, found {found}")]
    Height {
        /// Height of the parent.
        parent: u64,
        /// Height of the block.
        found: u64,
    },
    /// The view is not above the parent's.
    #[error("expected a view above {parent}, found {found}")]
    View {
        /// View of the parent.
        parent: u64,
        /// View of the block.
        found: u64,
    },
    /// No room for another block.
    #[error("expected at most {limit} blocks, found one more")]
    TooManyBlocks {
        /// Most blocks that are held.
        limit: usize,
    },
}
