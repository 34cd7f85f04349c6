//! Where blocks come from. A source hands out blocks; it judges none of them.

pub mod access;
mod chain_folder;
mod error;
mod stored;

pub(crate) use chain_folder::{BLOCKS_FILE, SNAPSHOT_FILE};
pub use chain_folder::{Blocks, ChainFolder, SNAPSHOT_BYTES_MAX};
pub use error::SourceError;
