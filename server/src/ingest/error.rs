//! Why a block is not accepted.

use thiserror::Error;
use weir_proto::convert::ConvertError;
use weir_protocol::hotstuff::finality::ForksError;
use weir_protocol::hotstuff::{CertificateError, CommitteeError};
use weir_protocol::model::Identifier;
use weir_protocol::protocol_state::sealing::SealingError;
use weir_protocol::protocol_state::{ProtocolStateError, StepError};

use super::Upgrade;

/// A block that breaks a rule.
#[derive(Debug, Error)]
#[error("block {block_id} at height {height}, view {view}: {rule}")]
pub struct IngestError {
    /// The block, by the ID it claims.
    pub block_id: Identifier,
    /// Its height.
    pub height: u64,
    /// Its view.
    pub view: u64,
    /// The rule it breaks.
    pub rule: Box<Rule>,
}

/// A rule that a block breaks, with what was expected and what was found.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Rule {
    /// The message is malformed.
    #[error("malformed block: {0}")]
    Malformed(#[from] ConvertError),
    /// The ID is not the header's hash.
    #[error("block id: expected {expected}, the hash of the header, found {found}")]
    BlockId {
        /// Hash of the header.
        expected: Identifier,
        /// ID claimed.
        found: Identifier,
    },
    /// The first block is not the one the root snapshot is for.
    #[error("root block: expected {expected}, found {found}")]
    Root {
        /// Head of the root snapshot.
        expected: Identifier,
        /// First block.
        found: Identifier,
    },
    /// The block is of another network.
    #[error("chain id: expected {expected}, found {found}")]
    ChainId {
        /// Chain of the root.
        expected: String,
        /// Chain of the block.
        found: String,
    },
    /// The block was there before.
    #[error("duplicate block: it was read before")]
    Duplicate,
    /// The parent is not known.
    #[error("parent: expected a block read before, found {found}")]
    UnknownParent {
        /// Parent named.
        found: Identifier,
    },
    /// A header field does not continue the parent's.
    #[error("{field}: expected {expected}, found {found}")]
    Link {
        /// The field.
        field: &'static str,
        /// Value expected, or a bound on it.
        expected: String,
        /// Value found.
        found: u64,
    },
    /// The payload is not the one the header commits to.
    #[error("payload hash: expected {expected}, the header's, found {found}")]
    PayloadHash {
        /// Hash in the header.
        expected: Identifier,
        /// Hash of the payload.
        found: Identifier,
    },
    /// A field that must not be empty or zero.
    #[error("{field} is empty or zero")]
    EmptyField {
        /// The field.
        field: &'static str,
    },
    /// A timeout certificate is missing or out of place.
    #[error("timeout certificate of the view before: {reason}")]
    LastViewTc {
        /// What was expected and found.
        reason: String,
    },
    /// The parent's certificate fails.
    #[error("quorum certificate for block {block_id}: {source}")]
    QuorumCertificate {
        /// Block certified.
        block_id: Identifier,
        /// Why.
        source: CertificateError,
    },
    /// The timeout certificate fails.
    #[error("timeout certificate for view {view}: {source}")]
    TimeoutCertificate {
        /// View that timed out.
        view: u64,
        /// Why.
        source: CertificateError,
    },
    /// The committee of an epoch cannot be built.
    #[error("committee of epoch {counter}: {source}")]
    Committee {
        /// The epoch.
        counter: u64,
        /// Why.
        source: CommitteeError,
    },
    /// The seals do not extend the fork's.
    #[error("seals: {0}")]
    Seals(#[from] SealingError),
    /// The protocol state has no successor.
    #[error("protocol state: {0}")]
    Step(#[from] StepError),
    /// The protocol state gets a version that is not known here.
    #[error("protocol state: {source}")]
    UnknownVersion {
        /// Which, and the newest known.
        source: StepError,
        /// What it takes to believe it.
        upgrade: Box<Upgrade>,
    },
    /// The protocol state is not the one the payload commits to.
    #[error("protocol state id: expected {expected}, found {found} in the payload")]
    ProtocolStateId {
        /// ID computed.
        expected: Identifier,
        /// ID in the payload.
        found: Identifier,
    },
    /// The root snapshot does not hold the newest seal, or the block it seals.
    #[error("root snapshot: the block sealed as of its head is not in it")]
    RootSeal,
    /// The root's protocol state does not fit together.
    #[error("root protocol state: {0}")]
    RootState(#[from] ProtocolStateError),
    /// The block cannot be placed among the forks.
    #[error("forks: {0}")]
    Forks(#[from] ForksError),
}
