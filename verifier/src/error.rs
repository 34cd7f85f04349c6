//! Verdicts that are not "verified", by who can act.

use alloc::sync::Arc;
use core::fmt;
use weir_protocol::evidence::{EVIDENCE_VERSION, EvidenceError};
use weir_protocol::model::{Identifier, KV_STORE_VERSION_MAX};
use weir_protocol::protocol_state::EpochName;

use super::Violation;

/// Why evidence did not verify, by who can act.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Rejection {
    /// Whoever asks has to do something: fetch this, take another checkpoint, set the clock.
    #[error("something is missing: {0}")]
    Missing(#[from] Missing),
    /// Nobody can prove it now.
    #[error("not proved: {0}")]
    NotYet(#[from] NotYet),
    /// Whoever asks needs a newer version of this program.
    #[error("this version cannot tell: {0}")]
    NeedsUpdate(#[from] NeedsUpdate),
    /// A rule is broken: whoever made the evidence is at fault.
    #[error("invalid evidence: {0}")]
    Invalid(Arc<Violation>),
}

impl Rejection {
    /// Whether it is about the caller's clock, or about how long the caller trusts: whoever sent the
    /// evidence has no part in it, and nobody else could send better evidence.
    #[must_use]
    pub fn is_about_time(&self) -> bool {
        use Missing::{Clock, PastCommittee, TrustExpired};
        matches!(self, Self::Missing(Clock { .. } | TrustExpired { .. } | PastCommittee { .. }))
    }

    /// Whether it is about a protocol version that is not known here, whoever scheduled it: only a newer
    /// version of this program can tell more of the block's state.
    #[must_use]
    pub fn is_about_version(&self) -> bool {
        matches!(
            self,
            Self::NeedsUpdate(NeedsUpdate::ProtocolVersion { .. })
                | Self::Missing(Missing::UpgradeSchedule { .. })
        )
    }
}

impl From<Violation> for Rejection {
    fn from(violation: Violation) -> Self {
        Self::Invalid(Arc::new(violation))
    }
}

impl From<EvidenceError> for Rejection {
    fn from(error: EvidenceError) -> Self {
        match error {
            EvidenceError::Version { found } => NeedsUpdate::Evidence { found }.into(),
            error => Violation::Evidence(error).into(),
        }
    }
}

/// What is missing, and who asks can get or mend.
#[derive(Debug, Clone, PartialEq, Eq, strum::IntoStaticStr, thiserror::Error)]
#[non_exhaustive]
pub enum Missing {
    /// The state of a block is not opened.
    #[error("the payload roots of block {block_id} are missing")]
    PayloadRoots {
        /// The block.
        block_id: Identifier,
    },
    /// A preimage is neither in the evidence nor held.
    #[error("the {what} with id {id} is missing")]
    Preimage {
        /// What it would be.
        what: &'static str,
        /// Its ID.
        id: Identifier,
    },
    /// Committees of later epochs are needed first.
    #[error("the committee of a later epoch is needed; newest known epoch is {newest_known}")]
    LaterEpoch {
        /// Newest epoch whose committee is known.
        newest_known: u64,
    },
    /// The block lies before the checkpoint's epoch and is not linked to the checkpoint.
    #[error(
        "view {view} lies before epoch {oldest_known}, the oldest known, and no hash links lead \
         to it; use an older checkpoint"
    )]
    EarlierEpoch {
        /// View of the block.
        view: u64,
        /// Oldest epoch whose committee is known.
        oldest_known: u64,
    },
    /// A block's protocol state has a version that is not known here, and no state that is proved
    /// schedules it. Whether it is the network's shows the state of a block before it.
    #[error(
        "block {block_id} at height {height}, view {view}, has protocol version {version}, which is not \
         known here (up to {KV_STORE_VERSION_MAX}), and no proved state schedules it; prove the \
         state of the last block before the upgrade"
    )]
    UpgradeSchedule {
        /// The version.
        version: u64,
        /// The block.
        block_id: Identifier,
        /// Its height.
        height: u64,
        /// Its view.
        view: u64,
    },
    /// Only a past committee certifies a block that is older than the caller allows for that.
    #[error(
        "block {block_id} is {age_ms} ms old, and only the committee of epoch {epoch_counter}, which \
         is past, certifies it; that is proof for {age_ms_max} ms; use a checkpoint of that epoch, or \
         allow a larger age"
    )]
    PastCommittee {
        /// The block.
        block_id: Identifier,
        /// The committee's epoch.
        epoch_counter: u64,
        /// Age of the block, or of the end of the epoch if that is older.
        age_ms: u64,
        /// Greatest age allowed.
        age_ms_max: u64,
    },
    /// The caller's clock is before a block that a committee made: the clock is slow, or the
    /// committee's was fast.
    #[error(
        "block {block_id} is of {timestamp_ms} ms, and the clock says {now_ms} ms, which is earlier \
         by more than the clock skew of {clock_skew_ms} ms; set the clock, or allow a larger skew"
    )]
    Clock {
        /// Time the caller gave, Unix milliseconds.
        now_ms: u64,
        /// The block.
        block_id: Identifier,
        /// Its time.
        timestamp_ms: u64,
        /// How far ahead of the clock a block may be.
        clock_skew_ms: u64,
    },
    /// The newest trusted block is older than the trusting period.
    #[error(
        "the trusted block {block_id} is {age_ms} ms old, the trusting period is \
         {trusting_period_ms} ms; use a newer checkpoint"
    )]
    TrustExpired {
        /// Newest trusted block.
        block_id: Identifier,
        /// Its age.
        age_ms: u64,
        /// Greatest age allowed.
        trusting_period_ms: u64,
    },
}

/// What nobody can prove now.
#[derive(Debug, Clone, PartialEq, Eq, strum::IntoStaticStr, thiserror::Error)]
#[non_exhaustive]
pub enum NotYet {
    /// Nothing certifies a block.
    #[error("block {block_id} at height {height} is not certified: no quorum certificate")]
    Certificate {
        /// The block.
        block_id: Identifier,
        /// Its height.
        height: u64,
    },
    /// A block is certified, but not proved final.
    #[error("block {block_id} at height {height} is certified but not proved final")]
    Finality {
        /// The block.
        block_id: Identifier,
        /// Its height.
        height: u64,
    },
    /// A block is not proved sealed.
    #[error("block {block_id} at height {height} is not proved sealed")]
    Seal {
        /// The block.
        block_id: Identifier,
        /// Its height.
        height: u64,
    },
    /// The block's protocol state commits to no snapshot tree.
    #[error(
        "block {block_id} commits to no snapshot tree: its protocol state has version {version}; \
         the root can be derived from its epochs"
    )]
    CommittedTree {
        /// The block.
        block_id: Identifier,
        /// Version of its protocol state.
        version: u64,
    },
    /// The state has no such epoch.
    #[error("there is no {name} at this block")]
    Epoch {
        /// Which epoch.
        name: EpochName,
    },
}

/// What only a newer version of this program understands.
#[derive(Debug, Clone, PartialEq, Eq, strum::IntoStaticStr, thiserror::Error)]
#[non_exhaustive]
pub enum NeedsUpdate {
    /// Evidence of a version that is not known here.
    #[error("evidence version {EVIDENCE_VERSION} is understood, found version {found}")]
    Evidence {
        /// Version found.
        found: u64,
    },
    /// The network runs a version of the protocol state that is not known here: what follows from the
    /// state cannot be told. A proved state schedules it, or the caller vouches for the block.
    #[error(
        "protocol version {version} is in force{}; this version knows up to {KV_STORE_VERSION_MAX}",
        Since(*since_view)
    )]
    ProtocolVersion {
        /// The version found.
        version: u64,
        /// View from which on the first version that is not known is in force, if a proved state says.
        since_view: Option<u64>,
    },
}

struct Since(Option<u64>);

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |view| write!(f, " since view {view}"))
    }
}
