//! What the service looks up, and how it is found.

use tokio::sync::watch;
use tonic::Status;
use weir_proto::flow::entities;
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::hotstuff::{committee_members, signer_indices};
use weir_protocol::model::{
    Block, ExecutionResult, Header, Identifier, IdentitySkeleton, TimeoutCertificate,
};

use crate::messages::full_block_message;
use crate::refusal::Refusal;

/// A chain as of one moment; lookups may block.
///
/// A [`Refusal`] is the status for a reason that flow-go has too.
pub trait View: Clone + Send + Sync + 'static {
    /// Changes whenever a block is finalized.
    type Announcement: Send + Sync;

    /// The same chain as of now.
    #[must_use]
    fn latest(&self) -> Self;

    /// Hears whenever a block is finalized.
    fn announcements(&self) -> watch::Receiver<Self::Announcement>;

    /// Where the chain stands.
    fn head(&self) -> Head;

    /// Name and version of the software.
    fn semver(&self) -> String;

    /// Version of the protocol state at the latest finalized block.
    ///
    /// # Errors
    /// When the chain cannot be read.
    fn protocol_state_version(&self) -> Result<u64, Status>;

    /// The latest sealed or the latest finalized block.
    ///
    /// # Errors
    /// When the chain cannot be read.
    fn latest_block(&self, sealed: bool) -> Result<FoundBlock, Status>;

    /// A block by its ID, also an orphaned one.
    ///
    /// # Errors
    /// When there is no such block.
    fn block_by_id(&self, id: Identifier) -> Result<FoundBlock, Status>;

    /// The finalized block of a height.
    ///
    /// # Errors
    /// When there is no such block.
    fn block_by_height(&self, height: u64) -> Result<FoundBlock, Status>;

    /// A block by any name.
    ///
    /// # Errors
    /// When there is no such block.
    fn block(&self, name: BlockName) -> Result<FoundBlock, Status> {
        match name {
            BlockName::Latest { sealed } => self.latest_block(sealed),
            BlockName::Id(id) => self.block_by_id(id),
            BlockName::Height(height) => self.block_by_height(height),
        }
    }

    /// A block as a full response says it; a view may keep messages that it has made.
    ///
    /// # Errors
    /// When there is no such block.
    fn full_block(&self, name: BlockName) -> Result<FullBlock, Status> {
        let found = self.block(name)?;
        Ok(FullBlock { message: full_block_message(&found), status: found.status })
    }

    /// The header of the latest sealed or the latest finalized block.
    ///
    /// # Errors
    /// When the chain cannot be read.
    fn latest_header(&self, sealed: bool) -> Result<FoundHeader, Status> {
        self.latest_block(sealed).map(FoundHeader::from)
    }

    /// The header of a block by its ID, also of an orphaned one.
    ///
    /// # Errors
    /// When there is no such block.
    fn header_by_id(&self, id: Identifier) -> Result<FoundHeader, Status>;

    /// The header of the finalized block of a height.
    ///
    /// # Errors
    /// When there is no such block.
    fn header_by_height(&self, height: u64) -> Result<FoundHeader, Status>;

    /// The snapshot at the latest finalized block.
    ///
    /// # Errors
    /// When the history does not reach back far enough.
    fn latest_snapshot(&self) -> Result<Snapshot, Status>;

    /// The snapshot at a finalized block.
    ///
    /// # Errors
    /// When the block is not known or not final, or the history does not reach back far enough.
    fn snapshot_by_id(&self, id: Identifier) -> Result<Snapshot, Status>;

    /// The snapshot at the finalized block of a height.
    ///
    /// # Errors
    /// When there is no such block, or the history does not reach back far enough.
    fn snapshot_by_height(&self, height: u64) -> Result<Snapshot, Status>;

    /// The execution result that the final chain's seal of a block names.
    ///
    /// # Errors
    /// When the block is not known or not sealed.
    fn result_for_block(&self, id: Identifier) -> Result<ExecutionResult, Status>;

    /// An execution result by its ID.
    ///
    /// # Errors
    /// When there is no such result.
    fn result_by_id(&self, id: Identifier) -> Result<ExecutionResult, Status>;
}

/// Where a chain stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Name of the network.
    pub chain_id: String,
    /// Its spork.
    pub spork_id: Identifier,
    /// First height of the spork.
    pub spork_root_block_height: u64,
    /// First height that can be answered.
    pub first_height: u64,
    /// Latest finalized height.
    pub finalized_height: u64,
    /// The block there.
    pub finalized_id: Identifier,
    /// Latest sealed height.
    pub sealed_height: u64,
    /// The node that answers.
    pub node_id: Identifier,
}

impl Head {
    /// Why there is no finalized block of a height.
    #[must_use]
    pub fn none_at(&self, height: u64) -> Refusal {
        let Self { spork_root_block_height, first_height, .. } = *self;
        Refusal::Height { height, spork_root_block_height, first_height }
    }
}

/// How far a block is, as access nodes say it (`flow.entities.BlockStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockStatus {
    /// Not final, or orphaned.
    Unknown,
    /// Final.
    Finalized,
    /// Final and sealed.
    Sealed,
}

/// How a request names a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockName {
    /// The latest one.
    Latest {
        /// Whether it must be sealed, not only final.
        sealed: bool,
    },
    /// The block with this ID, also an orphaned one.
    Id(Identifier),
    /// The finalized block of this height.
    Height(u64),
}

/// A block, as a full response says it.
#[derive(Clone, Debug)]
pub struct FullBlock {
    /// The message.
    pub message: entities::Block,
    /// How far the block is.
    pub status: BlockStatus,
}

/// A header, as it is answered.
#[derive(Clone, Debug)]
pub struct FoundHeader {
    /// The header.
    pub header: Header,
    /// Why a view was skipped before it.
    pub last_view_tc: Option<TimeoutCertificate>,
    /// How far the block is.
    pub status: BlockStatus,
    /// Who signed the parent's certificate.
    pub parent_voter_ids: Vec<Identifier>,
}

/// A block, as it is answered.
#[derive(Clone, Debug)]
pub struct FoundBlock {
    /// The block.
    pub block: Block,
    /// How far it is.
    pub status: BlockStatus,
    /// Who signed the parent's certificate.
    pub parent_voter_ids: Vec<Identifier>,
}

impl From<FoundBlock> for FoundHeader {
    fn from(found: FoundBlock) -> Self {
        let FoundBlock { block, status, parent_voter_ids } = found;
        let (header, last_view_tc) = (block.header, block.last_view_tc);
        Self { header, last_view_tc, status, parent_voter_ids }
    }
}

/// Members of the committee of the parent's epoch whose bits are set; the participants are those
/// of that epoch's setup.
#[must_use]
pub fn parent_voter_ids(header: &Header, participants: &[IdentitySkeleton]) -> Vec<Identifier> {
    let members: Vec<Identifier> =
        committee_members(participants).map(|node| node.node_id).collect();
    let checksum = signer_indices::checksum(&members);
    let signed = signer_indices::decode(&header.parent_voter_indices, checksum, members.len());
    // Checked blocks carry indices of this committee.
    let signed = signed.unwrap_or_default();
    let voters = members.into_iter().zip(signed).filter(|(_, signed)| *signed);
    voters.map(|(member, _)| member).collect()
}
