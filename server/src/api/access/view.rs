//! What the store answers in the place of an access node, with flow-go's statuses.

use std::sync::Arc;

use tokio::sync::watch;
use tonic::{Code, Status};
use weir_access_api::{FoundBlock, FoundHeader, Head, View};
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::{ExecutionResult, Identifier};

use crate::VERSION;
use crate::access::{AccessError, AccessView};
use crate::store;

impl View for AccessView {
    type Announcement = Arc<store::Head>;

    fn latest(&self) -> Self {
        Self::latest(self)
    }

    fn announcements(&self) -> watch::Receiver<Self::Announcement> {
        self.watch_head()
    }

    fn head(&self) -> Head {
        let head = Self::head(self);
        Head {
            chain_id: head.chain.chain_id.clone(),
            spork_id: head.chain.spork_id,
            spork_root_block_height: head.chain.spork_root_block_height,
            first_height: head.first_height,
            finalized_height: head.finalized.height,
            finalized_id: head.finalized.id,
            sealed_height: head.sealed.height,
            // Weir is not a node of the network.
            node_id: Identifier::ZERO,
        }
    }

    fn semver(&self) -> String {
        format!("weir-{VERSION}")
    }

    fn protocol_state_version(&self) -> Result<u64, Status> {
        Self::protocol_state_version(self).map_err(status_of)
    }

    fn latest_block(&self, sealed: bool) -> Result<FoundBlock, Status> {
        Self::latest_block(self, sealed).map_err(status_of)
    }

    fn block_by_id(&self, id: Identifier) -> Result<FoundBlock, Status> {
        Self::block_by_id(self, id).map_err(status_of)
    }

    fn block_by_height(&self, height: u64) -> Result<FoundBlock, Status> {
        Self::block_by_height(self, height).map_err(status_of)
    }

    fn header_by_id(&self, id: Identifier) -> Result<FoundHeader, Status> {
        Self::header_by_id(self, id).map_err(status_of)
    }

    fn header_by_height(&self, height: u64) -> Result<FoundHeader, Status> {
        Self::header_by_height(self, height).map_err(status_of)
    }

    fn latest_snapshot(&self) -> Result<Snapshot, Status> {
        Self::latest_snapshot(self).map_err(status_of)
    }

    fn snapshot_by_id(&self, id: Identifier) -> Result<Snapshot, Status> {
        Self::snapshot_by_id(self, id).map_err(status_of)
    }

    fn snapshot_by_height(&self, height: u64) -> Result<Snapshot, Status> {
        self.snapshot_at(height).map_err(status_of)
    }

    fn result_for_block(&self, id: Identifier) -> Result<ExecutionResult, Status> {
        Self::result_for_block(self, id).map_err(status_of)
    }

    fn result_by_id(&self, id: Identifier) -> Result<ExecutionResult, Status> {
        Self::result_by_id(self, id).map_err(status_of)
    }
}

/// The status that flow-go gives for the same reason.
fn status_of(error: AccessError) -> Status {
    let code = match error {
        AccessError::Refused(refusal) => refusal.code(),
        AccessError::Pruned { .. } => Code::NotFound,
        AccessError::NoSnapshot { .. } => Code::Internal,
        _ => {
            tracing::error!(%error, "the store is damaged");
            Code::Internal
        }
    };
    Status::new(code, error.to_string())
}
