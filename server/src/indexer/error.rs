//! Why indexing ended early.

use thiserror::Error;
use weir_protocol::codec::snapshot::SnapshotError;
use weir_protocol::model::Identifier;

use crate::ingest::{Halt, IngestError};
use crate::prover::ProverError;
use crate::source::SourceError;
use crate::store::{CommitError, OpenError, ReadError};

/// Why indexing ended early.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A block of the source breaks a rule, and nothing shows it to be the network's.
    #[error(
        "{0}; nothing in the source shows that the network has this block in this form: the source is \
         wrong, unless a newer version reads it"
    )]
    Ingest(#[from] IngestError),
    /// A certified block breaks a rule: this version cannot go on.
    #[error(transparent)]
    Halted(#[from] Halt),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store cannot be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store's content cannot be used to go on.
    #[error("cannot resume: {0}")]
    Resume(#[from] ProverError),
    /// A block of the log does not fit those before it.
    #[error(
        "block {ordinal} of the log cannot be indexed: {reason}; run weir-server fsck on the data \
         folder"
    )]
    Logged {
        /// Its ordinal.
        ordinal: u64,
        /// What is wrong with it, or the rule it breaks.
        reason: String,
    },
    /// The source is of another chain or spork.
    #[error(
        "the data folder holds {field} {expected}, the source is of {found}; use another data \
         folder, or the source it was made from"
    )]
    AnotherChain {
        /// Chain or spork.
        field: &'static str,
        /// What the store has.
        expected: String,
        /// What the source has.
        found: String,
    },
    /// The source does not have the blocks that the store has.
    #[error(
        "block {ordinal} of the source is {found}, the data folder has {expected} there; the \
         source was changed"
    )]
    AnotherOrder {
        /// Position in the source.
        ordinal: u64,
        /// Block stored there.
        expected: Identifier,
        /// Block in the source.
        found: String,
    },
    /// No access node gave the snapshot of the checkpoint.
    #[error(
        "no snapshot of checkpoint {block_id}: {reasons}; nodes keep snapshots of finalized blocks \
         since their own root, so try another node, a newer checkpoint, or --root FILE"
    )]
    NoCheckpoint {
        /// The checkpoint.
        block_id: Identifier,
        /// What each node said.
        reasons: String,
    },
    /// The access nodes name different sporks.
    #[error(
        "the access nodes name different sporks, and checkpoint {block_id} does not prove which is \
         right: {claims}; name the right one with --spork SPORK_ID, or leave out the nodes of others"
    )]
    Sporks {
        /// The checkpoint.
        block_id: Identifier,
        /// What each node said.
        claims: String,
    },
    /// The operator names another spork than that of what there is.
    #[error("--spork names spork {expected}, but {of} is of spork {found}")]
    AnotherSpork {
        /// What the operator names.
        expected: Identifier,
        /// What has a spork: the data folder or the root snapshot.
        of: &'static str,
        /// Its spork.
        found: Identifier,
    },
    /// The store was begun elsewhere and does not have the checkpoint.
    #[error(
        "the data folder does not hold checkpoint {block_id}; use another data folder, or the \
         checkpoint it was begun with, or a block that it still has where that one was pruned"
    )]
    AnotherCheckpoint {
        /// The checkpoint.
        block_id: Identifier,
    },
    /// A root snapshot that cannot be used.
    #[error("root snapshot: {0}")]
    RootSnapshot(#[from] SnapshotError),
    /// What fetches blocks has stopped.
    #[error("the block fetcher stopped unexpectedly; start the server again")]
    SourceGone,
    /// There is not even a root block.
    #[error("the source has no blocks; the first must be the head of the root snapshot")]
    NoBlocks,
}
