//! What an access node answers, put together again from the store: blocks and snapshots.
//!
//! Everything was checked when it was indexed; nothing here is proved to the one who asks.

mod blocks;
mod error;
mod snapshots;

use std::sync::Arc;

use tokio::sync::watch;
use weir_protocol::codec::snapshot::Snapshot;

use crate::prover::Prover;
use crate::store::Head;

pub use error::AccessError;
pub use weir_access_api::{BlockStatus, FoundBlock, FoundHeader};

/// Blocks and snapshots as of one head.
#[derive(Clone, Debug)]
pub struct AccessView {
    prover: Prover,
    root: Arc<Snapshot>,
}

impl AccessView {
    /// A view over what `prover` shows.
    ///
    /// # Errors
    /// When the store's root snapshot cannot be read: the store is damaged.
    pub fn new(prover: Prover) -> Result<Self, AccessError> {
        let json = prover.reader().root_snapshot().map_err(AccessError::read)?;
        let json = json.ok_or(AccessError::NoRootSnapshot)?;
        let root = Snapshot::from_json(&json).map_err(AccessError::RootSnapshot)?;
        Ok(Self { prover, root: Arc::new(root) })
    }

    /// The same view over what has been announced by now.
    #[must_use]
    pub fn latest(&self) -> Self {
        Self { prover: self.prover.latest(), root: self.root.clone() }
    }

    /// What has been announced.
    #[must_use]
    pub fn head(&self) -> Arc<Head> {
        self.prover.head()
    }

    /// The newest head, now and whenever it changes.
    #[must_use]
    pub fn watch_head(&self) -> watch::Receiver<Arc<Head>> {
        self.prover.reader().watch_head()
    }

    /// The snapshot that the store began with.
    #[must_use]
    pub fn root(&self) -> &Snapshot {
        &self.root
    }

    /// Version of the key-value store at the latest finalized block.
    ///
    /// # Errors
    /// When the store is damaged.
    pub fn protocol_state_version(&self) -> Result<u64, AccessError> {
        let block = self.prover.block_at(self.head().finalized.ordinal)?;
        let state = self.prover.states().load(&block.record.protocol_state_id)?;
        Ok(state.version())
    }
}
