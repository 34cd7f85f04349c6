//! The rules that evidence can break.

use alloc::string::String;
use weir_protocol::codec::rlp::RlpError;
use weir_protocol::evidence::{DeltaError, EvidenceError};
use weir_protocol::hotstuff::{CertificateError, CommitteeError};
use weir_protocol::model::Identifier;
use weir_protocol::snapshot_tree::TreeError;

/// The rule that is broken, with what it expected and what it found.
#[derive(Debug, Clone, PartialEq, strum::IntoStaticStr, thiserror::Error)]
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
    /// A block has a protocol version that is not known here, and so soon after a state that does not
    /// schedule it that it cannot be in force.
    #[error(
        "protocol version {version} at view {view}: the state at view {proved_view} does not schedule \
         it, which it must more than the safety threshold of views before"
    )]
    UnscheduledVersion {
        /// The version.
        version: u64,
        /// View of the block.
        view: u64,
        /// View of the proved state.
        proved_view: u64,
    },
    /// The protocol state contradicts itself.
    #[error("protocol state: {reason}")]
    State {
        /// Why.
        reason: &'static str,
    },
}
