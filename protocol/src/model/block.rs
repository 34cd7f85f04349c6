//! Blocks: header, payload, and the roots the payload hash is made of.

use super::{
    ExecutionReceiptStub, ExecutionResult, Identifier, QuorumCertificate, Seal, TimeoutCertificate,
};
use alloc::string::String;
use alloc::vec::Vec;

/// A block header; its hash is the block ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Network the block belongs to, such as `flow-mainnet`.
    pub chain_id: String,
    /// ID of the parent block.
    pub parent_id: Identifier,
    /// Number of ancestors up to genesis.
    pub height: u64,
    /// SHA3-256 over the payload's roots, see [`PayloadRoots`].
    pub payload_hash: Identifier,
    /// Proposal time, Unix milliseconds.
    pub timestamp_ms: u64,
    /// View in which the block was proposed.
    pub view: u64,
    /// View of the parent block.
    pub parent_view: u64,
    /// Signers of the parent's QC.
    pub parent_voter_indices: Vec<u8>,
    /// Signatures of the parent's QC.
    pub parent_voter_sig_data: Vec<u8>,
    /// Node that proposed the block.
    pub proposer_id: Identifier,
    /// ID of the TC for the previous view; zero when the parent is of the previous view.
    pub last_view_tc_id: Identifier,
}

impl Header {
    /// The parent's quorum certificate, which every header carries.
    #[must_use]
    pub fn parent_qc(&self) -> QuorumCertificate {
        QuorumCertificate {
            view: self.parent_view,
            block_id: self.parent_id,
            signer_indices: self.parent_voter_indices.clone(),
            sig_data: self.parent_voter_sig_data.clone(),
        }
    }
}

/// A collection guarantee: a cluster vouches for a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionGuarantee {
    /// Guaranteed collection.
    pub collection_id: Identifier,
    /// Block the collection's expiry counts from.
    pub reference_block_id: Identifier,
    /// Chain of the cluster that made the collection.
    pub cluster_chain_id: String,
    /// Cluster members that signed.
    pub signer_indices: Vec<u8>,
    /// Their aggregated signature.
    pub signature: Vec<u8>,
}

/// Everything a block carries besides its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Collection guarantees.
    pub guarantees: Vec<CollectionGuarantee>,
    /// Seals of earlier blocks.
    pub seals: Vec<Seal>,
    /// Receipts of executed blocks, without their results.
    pub receipts: Vec<ExecutionReceiptStub>,
    /// Execution results first included here.
    pub results: Vec<ExecutionResult>,
    /// ID of the protocol state after this block.
    pub protocol_state_id: Identifier,
}

/// The five values a payload hash is made of, each 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadRoots {
    /// Merkle root over the guarantees' IDs.
    pub guarantees_root: Identifier,
    /// Merkle root over the seals' IDs.
    pub seals_root: Identifier,
    /// Merkle root over the receipts' IDs.
    pub receipts_root: Identifier,
    /// Merkle root over the results' IDs.
    pub results_root: Identifier,
    /// ID of the protocol state after the block.
    pub protocol_state_id: Identifier,
}

/// A whole block as a full block response carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// Timeout certificate behind [`Header::last_view_tc_id`], if any.
    pub last_view_tc: Option<TimeoutCertificate>,
    /// The payload.
    pub payload: Payload,
    /// The proposer's own signature; empty where the source has none.
    pub proposer_sig_data: Vec<u8>,
}
