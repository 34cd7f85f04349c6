//! Where blocks come from. A source hands out blocks; it judges none of them.

mod chain_folder;

pub use chain_folder::{Blocks, ChainFolder, SNAPSHOT_BYTES_MAX, SourceError};
