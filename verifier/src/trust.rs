//! How far a block is proved, and by what: part of every answer.

use core::fmt;
use weir_protocol::codec::Entity as _;
use weir_protocol::model::{Header, Identifier};

/// How far a block is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// The caller named the block ID; what it commits to is proved, nothing about consensus.
    Known,
    /// A quorum of the epoch's committee voted for the block.
    Certified,
    /// The block is final: it, or a descendant, heads a 2-chain, or the checkpoint descends from
    /// it.
    Finalized,
    /// The block is final and its execution result is sealed.
    Sealed,
}

impl Trust {
    /// The level's name in answers, such as `finalized`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Certified => "certified",
            Self::Finalized => "finalized",
            Self::Sealed => "sealed",
        }
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// By what a block is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnchoredBy {
    /// The caller named the block ID.
    KnownBlock,
    /// Hash links lead to it from a block that is trusted to be final.
    HashLinks {
        /// The trusted block.
        block_id: Identifier,
        /// Its height.
        height: u64,
    },
    /// Certificates of the committee of an epoch that the caller accepted: that of the trusted head or
    /// a later one.
    Committee {
        /// Counter of the epoch.
        epoch_counter: u64,
    },
    /// Certificates of the committee of an epoch before that of the trusted head.
    ///
    /// This is weaker: its keys may have been sold since. The caller's clock says how long it is
    /// believed.
    PastCommittee {
        /// Counter of the epoch.
        epoch_counter: u64,
        /// From when on its age counts, Unix milliseconds: the block's time, or that of the first
        /// block known to be final after the epoch if it is earlier.
        since_ms: u64,
        /// Greatest age that the caller allows, in milliseconds.
        age_ms_max: u64,
    },
}

impl AnchoredBy {
    pub(super) fn links_to(known: &Header) -> Self {
        Self::HashLinks { block_id: known.id(), height: known.height }
    }

    /// The weaker of what proves a block and what proves the block that seals it.
    pub(super) fn and(self, seal: Self) -> Self {
        match seal {
            Self::PastCommittee { .. } if !matches!(self, Self::PastCommittee { .. }) => seal,
            _ => self,
        }
    }
}

/// How far a block is proved, and by what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchored {
    pub(super) trust: Trust,
    pub(super) by: AnchoredBy,
}
