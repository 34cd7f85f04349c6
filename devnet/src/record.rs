//! What the network keeps of a block.

use std::sync::Arc;

use weir_protocol::codec::Entity as _;
use weir_protocol::codec::snapshot::SealedVersionBeacon;
use weir_protocol::hotstuff::finality::ForkBlock;
use weir_protocol::model::{Block, Identifier, PayloadRoots, QuorumCertificate, Seal};
use weir_protocol::protocol_state::ProtocolState;
use weir_protocol::protocol_state::sealing::LastSealed;

use crate::contract::Contract;
use crate::execution::Execution;

/// A block with everything that follows from it.
#[derive(Clone, Debug)]
pub struct Record {
    /// The block, without its proposer's signature, as access nodes hand it out.
    pub block: Arc<Block>,
    /// Its proposer's vote for it, which only snapshots hold; empty for the root.
    pub proposer_sig_data: Vec<u8>,
    /// The roots that its payload hash covers.
    pub roots: PayloadRoots,
    /// Its protocol state.
    pub state: Arc<ProtocolState>,
    /// The contracts after its execution.
    pub contract: Contract,
    /// Its execution.
    pub execution: Execution,
    /// Seals of the results that its parent includes: the parent's certificate, which came with
    /// this block, says who had to approve them. They may go into its children.
    pub approved: Vec<Seal>,
    /// The highest block sealed as of it.
    pub last_sealed: LastSealed,
    /// Height up to which its fork includes results.
    pub included_height: u64,
    /// The newest version beacon sealed as of it, on its fork.
    pub version_beacon: Option<SealedVersionBeacon>,
    /// Its certificate; none when its view timed out.
    pub qc: Option<QuorumCertificate>,
}

impl Record {
    /// The root, sealed and certified from the start.
    pub(crate) fn root(
        (block, roots): (Block, PayloadRoots),
        state: Arc<ProtocolState>,
        contract: Contract,
        execution: Execution,
        qc: QuorumCertificate,
    ) -> Self {
        let height = block.header.height;
        let last_sealed = LastSealed { block_id: block.header.id(), height };
        Self {
            block: Arc::new(block),
            proposer_sig_data: Vec::new(),
            roots,
            state,
            contract,
            execution,
            approved: Vec::new(),
            last_sealed,
            included_height: height,
            version_beacon: None,
            qc: Some(qc),
        }
    }

    /// The block with its proposer's signature, as snapshots hold it.
    #[must_use]
    pub fn proposal(&self) -> Block {
        Block { proposer_sig_data: self.proposer_sig_data.clone(), ..Block::clone(&self.block) }
    }

    /// Its place among the forks.
    #[must_use]
    pub fn position(&self, block_id: Identifier) -> ForkBlock {
        let header = &self.block.header;
        let (parent_id, view, height) = (header.parent_id, header.view, header.height);
        ForkBlock { block_id, parent_id, view, height }
    }
}
