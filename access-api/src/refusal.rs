//! Why a question has no answer, in flow-go's words and with its status codes.
//!
//! A client of access nodes may read the words, so they are those of flow-go 0.46
//! (`engine/access/rpc/backend`, and the errors of `storage/store` that it passes on), down to what
//! they tell of its database.

use std::fmt::{Display, Formatter, Result};

use tonic::{Code, Status};
use weir_protocol::model::Identifier;

/// Why a question has no answer, though the chain is in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The ID of a block or header asked for has another length than 32 bytes.
    Length,
    /// No block has the ID, of which the header was asked for.
    Header,
    /// No block has the ID.
    Block,
    /// No block of the height is final.
    Height {
        /// The height.
        height: u64,
        /// The first height of the spork.
        spork_root_block_height: u64,
        /// The first height that can be answered.
        first_height: u64,
    },
    /// No seal of the block is final, or there is no such block.
    Seal(Identifier),
    /// No result has the ID.
    Result,
    /// No block has the ID, of which the snapshot was asked for.
    Snapshot,
    /// No block of the height, of which the snapshot was asked for, is final.
    SnapshotHeight(u64),
    /// The block, of which the snapshot was asked for, will never be final.
    Orphaned,
    /// The block of this height, of which the snapshot was asked for, may become final.
    Pending(u64),
    /// The ID at which a subscription was to start has another length than 32 bytes.
    StartLength,
    /// No block has the ID, at which a subscription was to start.
    StartBlock(Identifier),
    /// A subscription was to start below the root, whose height this is.
    StartBelow(u64),
    /// A subscription was to start at this height, of which no block is final.
    StartHeight(u64),
}

impl Refusal {
    /// The status code that flow-go gives.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Length | Self::Orphaned | Self::StartLength | Self::StartBelow(_) => {
                Code::InvalidArgument
            }
            Self::Pending(_) => Code::FailedPrecondition,
            _ => Code::NotFound,
        }
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match *self {
            Self::Length => f.write_str(
                "invalid block id: rpc error: code = InvalidArgument desc = invalid block id",
            ),
            Self::Header | Self::Result => write!(f, "not found: {NO_RESOURCE}"),
            Self::Block => write!(f, "not found: could not retrieve header: {NO_RESOURCE}"),
            Self::Height { height, spork_root_block_height, first_height } => {
                f.write_str("not found: ")?;
                if height < spork_root_block_height {
                    write!(
                        f,
                        "block height {height} is less than the spork root block height \
                         {spork_root_block_height}. Try to use a historic node: "
                    )?;
                } else if height < first_height {
                    write!(
                        f,
                        "block height {height} is less than the node's root block height \
                         {first_height}. Try to use a different Access node: "
                    )?;
                }
                write!(f, "failed to retrieve block ID for height {height}: {NO_RESOURCE}")
            }
            Self::Seal(block_id) => {
                write!(f, "not found: failed to retrieve seal for block {block_id}: {NO_KEY}")
            }
            Self::Snapshot => f.write_str("failed to get a valid snapshot: block not found"),
            Self::SnapshotHeight(height) => write!(
                f,
                "failed to find snapshot: unknown finalized height {height}: reference block of \
                 the snapshot is not resolvable"
            ),
            Self::Orphaned => f.write_str(
                "failed to retrieve snapshot for block: block not finalized and is below \
                 finalized height",
            ),
            Self::Pending(height) => write!(
                f,
                "failed to retrieve snapshot for block with height {height}: block not finalized \
                 and is above finalized height"
            ),
            Self::StartLength => f.write_str("invalid block id"),
            Self::StartBlock(block_id) => write!(
                f,
                "{STREAM} NotFound desc = could not get start height from block id: not found: \
                 could not get header for block {block_id}: {NO_RESOURCE}"
            ),
            Self::StartBelow(root) => write!(
                f,
                "{STREAM} InvalidArgument desc = could not get start height from block height: \
                 start height must be greater than or equal to the root height {root}"
            ),
            Self::StartHeight(height) => write!(
                f,
                "{STREAM} NotFound desc = could not get start height from block height: not \
                 found: could not get header for height {height}: failed to retrieve block ID for \
                 height {height}: {NO_RESOURCE}"
            ),
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code(), refusal.to_string())
    }
}

/// `storage.ErrNotFound`.
const NO_KEY: &str = "key not found";
/// The same through a cache (`storage/store/cache.go`).
const NO_RESOURCE: &str = "could not retrieve resource: key not found";
/// What becomes of a status on its way through a subscription
/// (`engine/access/subscription/util.go`).
const STREAM: &str = "stream encountered an error: rpc error: code =";
