//! What the network answers as an access node, with flow-go's statuses.

use std::sync::Arc;

use tokio::sync::watch;
use tonic::Status;
use weir_access_api::{
    BlockName, BlockStatus, FoundBlock, FoundHeader, FullBlock, Head, Refusal, View,
    full_block_message, parent_voter_ids,
};
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::{Block, ExecutionResult, Identifier};

use super::messages::Messages;
use crate::live::{Live, Tip};
use crate::network::{Network, SnapshotError};
use crate::record::Record;

/// The network as it is.
#[derive(Clone, Debug)]
pub(super) struct LiveView {
    live: Arc<Live>,
    messages: Arc<Messages>,
}

impl LiveView {
    pub(super) fn new(live: Arc<Live>) -> Self {
        Self { live, messages: Arc::default() }
    }

    fn find<'a>(
        &self,
        network: &'a Network,
        name: BlockName,
    ) -> Result<(Identifier, &'a Record), Status> {
        let (id, missing) = match name {
            BlockName::Latest { sealed: true } => (network.latest_sealed().block_id, None),
            BlockName::Latest { sealed: false } => (network.latest_finalized().block_id, None),
            BlockName::Id(id) => (id, Some(Refusal::Block)),
            BlockName::Height(height) => {
                let found = finalized(network, height);
                return found.ok_or_else(|| self.head().none_at(height).into());
            }
        };
        let found = network.record(&id).map(|record| (id, record));
        found.ok_or_else(|| match missing {
            Some(refusal) => refusal.into(),
            None => Status::internal("the latest block is missing"),
        })
    }
}

impl View for LiveView {
    type Announcement = Tip;

    fn latest(&self) -> Self {
        self.clone()
    }

    fn announcements(&self) -> watch::Receiver<Tip> {
        self.live.watch()
    }

    fn head(&self) -> Head {
        let (constants, tip) = (self.live.constants(), self.live.tip());
        Head {
            chain_id: constants.chain_id.clone(),
            spork_id: constants.spork_id,
            spork_root_block_height: constants.spork_root_block_height,
            first_height: tip.first_height,
            finalized_height: tip.finalized_height,
            finalized_id: tip.finalized_id,
            sealed_height: tip.sealed_height,
            node_id: constants.node_id,
        }
    }

    fn semver(&self) -> String {
        format!("weir-devnet-{}", env!("CARGO_PKG_VERSION"))
    }

    fn protocol_state_version(&self) -> Result<u64, Status> {
        let network = self.live.look();
        let state = network.protocol_state(&network.latest_finalized().block_id);
        let state = state.ok_or_else(|| Status::internal("the latest block is missing"))?;
        Ok(state.version())
    }

    fn latest_block(&self, sealed: bool) -> Result<FoundBlock, Status> {
        self.block(BlockName::Latest { sealed })
    }

    fn block_by_id(&self, id: Identifier) -> Result<FoundBlock, Status> {
        self.block(BlockName::Id(id))
    }

    fn block_by_height(&self, height: u64) -> Result<FoundBlock, Status> {
        self.block(BlockName::Height(height))
    }

    fn block(&self, name: BlockName) -> Result<FoundBlock, Status> {
        let network = self.live.look();
        let (id, record) = self.find(&network, name)?;
        Ok(found(&network, &id, record))
    }

    fn full_block(&self, name: BlockName) -> Result<FullBlock, Status> {
        let network = self.live.look();
        let (id, record) = self.find(&network, name)?;
        let make = || full_block_message(&found(&network, &id, record));
        let message = self.messages.of(id, make);
        Ok(FullBlock { message, status: status(&network, &id, record) })
    }

    fn header_by_id(&self, id: Identifier) -> Result<FoundHeader, Status> {
        let network = self.live.look();
        Ok(found(&network, &id, network.record(&id).ok_or(Refusal::Header)?).into())
    }

    fn header_by_height(&self, height: u64) -> Result<FoundHeader, Status> {
        let network = self.live.look();
        let (id, record) =
            finalized(&network, height).ok_or_else(|| self.head().none_at(height))?;
        Ok(found(&network, &id, record).into())
    }

    fn latest_snapshot(&self) -> Result<Snapshot, Status> {
        let network = self.live.look();
        snapshot(&network, network.latest_finalized().height)
    }

    fn snapshot_by_id(&self, id: Identifier) -> Result<Snapshot, Status> {
        let network = self.live.look();
        if id == self.live.root_id() {
            return Ok(network.root().clone());
        }
        let record = network.record(&id).ok_or(Refusal::Snapshot)?;
        let height = record.block.header.height;
        match network.finalized_at(height) {
            Some(finalized) if finalized.block_id == id => snapshot(&network, height),
            Some(_) => Err(Refusal::Orphaned.into()),
            None => Err(Refusal::Pending(height).into()),
        }
    }

    fn snapshot_by_height(&self, height: u64) -> Result<Snapshot, Status> {
        snapshot(&self.live.look(), height)
    }

    fn result_for_block(&self, id: Identifier) -> Result<ExecutionResult, Status> {
        let network = self.live.look();
        let record = network.record(&id);
        let sealed = record.filter(|record| {
            let height = record.block.header.height;
            is_final(&network, &id, height) && height <= network.latest_sealed().height
        });
        let record = sealed.ok_or(Refusal::Seal(id))?;
        Ok((*record.execution.result).clone())
    }

    fn result_by_id(&self, id: Identifier) -> Result<ExecutionResult, Status> {
        let network = self.live.look();
        let included = network.record(&network.latest_finalized().block_id);
        let included = included.map_or(0, |record| record.included_height);
        // Results that no final block includes are unknown to an access node.
        let result = network.result(&id).filter(|result| {
            let record = network.record(&result.block_id);
            let height = record.map_or(0, |record| record.block.header.height);
            is_final(&network, &result.block_id, height) && height <= included
        });
        Ok((**result.ok_or(Refusal::Result)?).clone())
    }
}

fn finalized(network: &Network, height: u64) -> Option<(Identifier, &Record)> {
    let id = network.finalized_at(height)?.block_id;
    Some((id, network.record(&id)?))
}

fn is_final(network: &Network, id: &Identifier, height: u64) -> bool {
    network.finalized_at(height).is_some_and(|finalized| finalized.block_id == *id)
}

fn status(network: &Network, id: &Identifier, record: &Record) -> BlockStatus {
    let height = record.block.header.height;
    if !is_final(network, id, height) {
        BlockStatus::Unknown
    } else if height > network.latest_sealed().height {
        BlockStatus::Finalized
    } else {
        BlockStatus::Sealed
    }
}

fn found(network: &Network, id: &Identifier, record: &Record) -> FoundBlock {
    let header = &record.block.header;
    // The committee is that of the parent's epoch; nobody knows the parent of the root.
    let parent = network.protocol_state(&header.parent_id);
    let voters = parent.map(|state| &state.current_setup().participants[..]);
    let parent_voter_ids =
        voters.map(|voters| parent_voter_ids(header, voters)).unwrap_or_default();
    let status = status(network, id, record);
    FoundBlock { block: Block::clone(&record.block), status, parent_voter_ids }
}

fn snapshot(network: &Network, height: u64) -> Result<Snapshot, Status> {
    network.snapshot_at(height).map_err(|error| match error {
        SnapshotError::NotFinal { .. } => Refusal::SnapshotHeight(height).into(),
        other => Status::internal(format!("failed to convert snapshot to bytes: {other}")),
    })
}
