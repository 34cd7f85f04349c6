//! Why a snapshot is rejected.

use crate::codec::msgpack::MsgpackError;
use crate::model::Identifier;
use alloc::string::String;

/// Why bytes are not a snapshot that is consistent in itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// More bytes than are read.
    #[error("a snapshot has at most {max} bytes, found {found}")]
    TooLong {
        /// Bytes allowed.
        max: usize,
        /// Bytes found.
        found: usize,
    },
    /// Not the JSON of a snapshot.
    #[error("malformed snapshot")]
    Json(#[from] serde_json::Error),
    /// A key-value store that is not what its version says.
    #[error("malformed key-value store of protocol state {id}")]
    KvStore {
        /// ID under which the snapshot holds it.
        id: Identifier,
        /// What is wrong with it.
        #[source]
        source: MsgpackError,
    },
    /// A key-value store that commits to another snapshot tree than that of its state.
    #[error("protocol state {id} commits to another snapshot tree than its own")]
    SnapshotTreeRoot {
        /// The protocol state.
        id: Identifier,
    },
    /// An ID that is not the hash of what it names.
    #[error("expected {entity} {expected}, its content hashes to {found}")]
    Id {
        /// What the ID names.
        entity: &'static str,
        /// ID given.
        expected: Identifier,
        /// ID of the content.
        found: Identifier,
    },
    /// A key that is given twice.
    #[error("{entity} {id} is given twice")]
    Repeated {
        /// What the key names.
        entity: &'static str,
        /// The key.
        id: Identifier,
    },
    /// Something that is referred to but not there.
    #[error("{entity} {id} is missing")]
    Missing {
        /// What is missing.
        entity: &'static str,
        /// Its ID, or that of what needs it.
        id: Identifier,
    },
    /// Something that is there though nothing refers to it.
    #[error("{entity} is given, but the epoch state has none")]
    Unexpected {
        /// What is given.
        entity: &'static str,
    },
    /// A sealing segment without blocks.
    #[error("the sealing segment has no blocks")]
    NoBlocks,
    /// A block that does not extend the one before it.
    #[error("block {id} at height {height} does not extend the block before it")]
    Disconnected {
        /// The block.
        id: Identifier,
        /// Its height.
        height: u64,
    },
    /// A block of another network.
    #[error("expected a block of {expected}, found one of {found}")]
    Chain {
        /// Network of the snapshot.
        expected: String,
        /// Network of the block.
        found: String,
    },
    /// A number that differs from what it repeats.
    #[error("expected {field} {expected}, found {found}")]
    Number {
        /// What the number is.
        field: &'static str,
        /// Number of the block.
        expected: u64,
        /// Number given.
        found: u64,
    },
    /// A node in an identity table that no epoch has with these properties.
    #[error("node {id} of an identity table is not as in the epoch setups")]
    Identity {
        /// The node.
        id: Identifier,
    },
}
