//! Verdicts that are not "verified", by who can act.

use alloc::boxed::Box;
use alloc::string::String;
use weir_protocol::codec::rlp::RlpError;
use weir_protocol::evidence::{DeltaError, EVIDENCE_VERSION, EvidenceError};
use weir_protocol::hotstuff::{CertificateError, CommitteeError};
use weir_protocol::model::Identifier;
use weir_protocol::protocol_state::EpochName;
use weir_protocol::snapshot_tree::TreeError;

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
    Invalid(Box<Violation>),
}

impl Rejection {
    /// Whether it is about the caller's clock, or about how long the caller trusts: whoever sent the
    /// evidence has no part in it, and nobody else could send better evidence.
    #[must_use]
    pub fn is_about_time(&self) -> bool {
        use Missing::{Clock, PastCommittee, TrustExpired};
        matches!(self, Self::Missing(Clock { .. } | TrustExpired { .. } | PastCommittee { .. }))
    }
}

impl From<Violation> for Rejection {
    fn from(violation: Violation) -> Self {
        Self::Invalid(Box::new(violation))
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
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NeedsUpdate {
    /// Evidence of a version that is not known here.
    #[error("evidence version {EVIDENCE_VERSION} is understood, found version {found}")]
    Evidence {
        /// Version found.
        found: u64,
    },
}

/// The rule that is broken, with what it expected and what it found.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// The bytes are not evidence.
    #[error(transparent)]
    Evidence(EvidenceError),
    /// A delta does not expand.
    #[error(transparent)]
    Delta(DeltaError),
    /// The checkpoint's header does not hash to its ID.
    #[error("checkpoint: expected block {expected}, found {found}")]
    CheckpointId {
        /// ID the caller trusts.
        expected: Identifier,
        /// ID of the header found.
        found: Identifier,
    },
    /// The answer is for another question.
    #[error("the answer is for another question than the one asked")]
    AnotherQuestion,
    /// The answer is about another block.
    #[error("asked for block {expected}, answered for block {found}")]
    AnotherBlock {
        /// Block asked for.
        expected: Identifier,
        /// Block found.
        found: Identifier,
    },
    /// The answer is about another height.
    #[error("asked for height {expected}, answered for height {found}")]
    AnotherHeight {
        /// Height asked for.
        expected: u64,
        /// Height found.
        found: u64,
    },
    /// A block is of another network.
    #[error("expected a block of chain {expected}, found one of chain {found}")]
    AnotherChain {
        /// Chain of the checkpoint.
        expected: String,
        /// Chain of the block.
        found: String,
    },
    /// The payload roots do not hash to the header's payload hash.
    #[error("payload hash of block {block_id}: expected {expected}, found {found}")]
    PayloadHash {
        /// The block.
        block_id: Identifier,
        /// Hash in the header.
        expected: Identifier,
        /// Hash of the roots.
        found: Identifier,
    },
    /// A header does not continue the one before it.
    #[error("header at height {height} does not continue its parent: {field} differs")]
    HeaderLink {
        /// Height of the child.
        height: u64,
        /// Field that differs.
        field: &'static str,
    },
    /// A certificate is for another block.
    #[error("certificate for block {found}, expected one for block {expected}")]
    CertificateBlock {
        /// Block to certify.
        expected: Identifier,
        /// Block the certificate is for.
        found: Identifier,
    },
    /// A certificate does not verify.
    #[error("certificate of block {block_id}, view {view}: {source}")]
    Certificate {
        /// The block.
        block_id: Identifier,
        /// Its view.
        view: u64,
        /// Why.
        source: CertificateError,
    },
    /// The block's state names another committee than the one trusted for its epoch.
    #[error("epoch {counter}: block's state names setup {found}, trusted is {expected}")]
    EpochSetup {
        /// The epoch.
        counter: u64,
        /// Setup that is trusted.
        expected: Identifier,
        /// Setup the state names.
        found: Identifier,
    },
    /// The block's view lies outside the epoch its state is in.
    #[error("view {view} lies outside epoch {counter}, views {first_view} to {final_view}")]
    ViewOutsideEpoch {
        /// View of the block.
        view: u64,
        /// Epoch of its state.
        counter: u64,
        /// First view of that epoch.
        first_view: u64,
        /// Last view, extensions counted.
        final_view: u64,
    },
    /// A hop does not commit the next epoch.
    #[error("epoch hop from epoch {counter}: the block's state commits no next epoch")]
    HopNotCommitted {
        /// The epoch hopped from.
        counter: u64,
    },
    /// A hop leads to an epoch before one that the same page has proved.
    #[error("epoch hop at view {view} after one that proved epoch {newest_known}")]
    HopOrder {
        /// View of the hop's block.
        view: u64,
        /// Newest epoch known by then.
        newest_known: u64,
    },
    /// Two final blocks contradict each other: more than a third of a committee broke the rules.
    #[error(
        "conflicting finality: block {found} at height {found_height} is final, and so is \
         {expected} at height {expected_height}"
    )]
    ConflictingFinality {
        /// Block known to be final.
        expected: Identifier,
        /// Its height.
        expected_height: u64,
        /// Block proved final as well.
        found: Identifier,
        /// Its height.
        found_height: u64,
    },
    /// A next epoch does not follow the one before it.
    #[error("epoch {found} does not follow epoch {counter}: {field}")]
    EpochOrder {
        /// The earlier epoch.
        counter: u64,
        /// Counter found after it.
        found: u64,
        /// What does not follow.
        field: &'static str,
    },
    /// A committee cannot be built from setup and commit.
    #[error("committee of epoch {counter}: {source}")]
    Committee {
        /// The epoch.
        counter: u64,
        /// Why.
        source: CommitteeError,
    },
    /// A preimage is not what it should be.
    #[error("{what} with id {id}: {source}")]
    Preimage {
        /// What it should be.
        what: &'static str,
        /// Its ID.
        id: Identifier,
        /// Why.
        source: RlpError,
    },
    /// A seal is for another block.
    #[error("seal for block {found}, expected one for block {expected}")]
    SealedBlock {
        /// Block to be sealed.
        expected: Identifier,
        /// Block the seal is for.
        found: Identifier,
    },
    /// A seal's Merkle proof fails.
    #[error("seal {seal_id} is not in the payload of block {block_id} at position {index}")]
    SealInclusion {
        /// The seal.
        seal_id: Identifier,
        /// Block said to hold it.
        block_id: Identifier,
        /// Position.
        index: u64,
    },
    /// A sealing block does not come after the block it seals.
    #[error("sealing block at height {sealing}, sealed block at height {sealed}")]
    SealOrder {
        /// Height of the sealing block.
        sealing: u64,
        /// Height of the sealed block.
        sealed: u64,
    },
    /// The proof of the last sealed block fails.
    #[error("last sealed block: {reason}")]
    LastSealed {
        /// Why.
        reason: &'static str,
    },
    /// Bytes are not the proof of an answer about the snapshot tree.
    #[error("snapshot tree: {0}")]
    Tree(TreeError),
    /// The protocol state contradicts itself.
    #[error("protocol state: {reason}")]
    State {
        /// Why.
        reason: &'static str,
    },
}
