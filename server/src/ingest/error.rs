//! Why a block is not accepted.

use std::error::Error;
use std::fmt;

use weir_proto::convert::ConvertError;
use weir_protocol::hotstuff::finality::ForksError;
use weir_protocol::hotstuff::{CertificateError, CommitteeError};
use weir_protocol::model::Identifier;
use weir_protocol::protocol_state::sealing::SealingError;
use weir_protocol::protocol_state::{ProtocolStateError, StepError};

use crate::VERSION;

/// A block that breaks a rule.
#[derive(Debug, thiserror::Error)]
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
#[derive(Debug, thiserror::Error)]
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
    /// The store has no room for a part of the block: a limit of Weir's own.
    #[error("{what} of at most {limit} bytes can be stored, found {found}")]
    TooLarge {
        /// The part.
        what: &'static str,
        /// Longest that can be stored.
        limit: usize,
        /// Length found.
        found: usize,
    },
}

/// What a broken rule is about; it decides what a certificate for the block says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// The message: it is not in its place, or not written as flow-go writes it. Its sender is wrong,
    /// as a certificate is for the block and not for this message.
    Message,
    /// What the block's ID covers. When the block is certified, this version is wrong.
    Content,
    /// How the message comes to the ID: it cannot be read, or does not hash to it. Its sender changed
    /// it, or this version reads or hashes it in another way than the network. When the block is
    /// certified, the first is so if somebody has it in another form.
    Form,
}

impl Rule {
    /// Returns what the rule is about.
    #[must_use]
    pub fn breach(&self) -> Breach {
        match self {
            Self::Malformed(error) => match error {
                // What flow-go's own conversion cannot write, or writes in one way only.
                ConvertError::Missing { .. }
                | ConvertError::Identifier { .. }
                | ConvertError::Timestamp { .. }
                | ConvertError::Differs { .. } => Breach::Message,
                _ => Breach::Form,
            },
            Self::BlockId { .. } | Self::PayloadHash { .. } => Breach::Form,
            Self::Root { .. } | Self::Duplicate | Self::UnknownParent { .. } => Breach::Message,
            Self::ChainId { .. }
            | Self::Link { .. }
            | Self::EmptyField { .. }
            | Self::LastViewTc { .. }
            | Self::QuorumCertificate { .. }
            | Self::TimeoutCertificate { .. }
            | Self::Committee { .. }
            | Self::Seals(_)
            | Self::Step(_)
            | Self::ProtocolStateId { .. }
            | Self::RootSeal
            | Self::RootState(_)
            | Self::Forks(_)
            | Self::TooLarge { .. } => Breach::Content,
        }
    }

    /// Returns the rule's name, for metrics and logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::BlockId { .. } => "block_id",
            Self::Root { .. } => "root",
            Self::ChainId { .. } => "chain_id",
            Self::Duplicate => "duplicate",
            Self::UnknownParent { .. } => "unknown_parent",
            Self::Link { .. } => "link",
            Self::PayloadHash { .. } => "payload_hash",
            Self::EmptyField { .. } => "empty_field",
            Self::LastViewTc { .. } => "last_view_tc",
            Self::QuorumCertificate { .. } => "quorum_certificate",
            Self::TimeoutCertificate { .. } => "timeout_certificate",
            Self::Committee { .. } => "committee",
            Self::Seals(_) => "seals",
            Self::Step(step) if step.is_unsupported_version() => UNSUPPORTED_VERSION,
            Self::Step(_) => "protocol_state",
            Self::ProtocolStateId { .. } => "protocol_state_id",
            Self::RootSeal => "root_seal",
            Self::RootState(_) => "root_state",
            Self::Forks(_) => "forks",
            Self::TooLarge { .. } => "too_large",
        }
    }
}

/// A block that breaks a rule although it is certified: nobody is set aside for it.
///
/// Nothing of it is kept on disk, so that a newer version simply tries again.
#[derive(Debug)]
pub struct Halt {
    /// The block and the rule.
    pub error: IngestError,
}

impl Error for Halt {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { error } = self;
        if error.rule.name() == UNSUPPORTED_VERSION {
            return write!(
                f,
                "{error}; the network upgraded to a protocol version that Weir {VERSION} does not know, \
                 and a newer version of Weir goes on from here"
            );
        }
        write!(f, "{error}; the block is certified, ")?;
        match error.rule.breach() {
            Breach::Form => write!(
                f,
                "and nobody who is asked has it in another form: Weir {VERSION} is wrong about this \
                 rule, and a newer version goes on from here, or all of them changed the block, and \
                 another one is to be named in --source"
            ),
            Breach::Message | Breach::Content => write!(
                f,
                "so that who sent it is not at fault: Weir {VERSION} is wrong about this rule, or \
                 the committee broke Flow's assumption; a newer version goes on from here"
            ),
        }
    }
}

/// Name of the rule that the protocol version is one that is known here.
const UNSUPPORTED_VERSION: &str = "protocol_state_version";
