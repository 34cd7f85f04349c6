//! Quorum and timeout certificates of the HotStuff committee.

use super::Identifier;
use alloc::vec::Vec;

/// A quorum certificate: more than two thirds of the committee's weight voted for a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumCertificate {
    /// View of the certified block.
    pub view: u64,
    /// ID of the certified block.
    pub block_id: Identifier,
    /// CRC32 checksum of the committee (4 bytes) and one bit a member, most significant first.
    pub signer_indices: Vec<u8>,
    /// RLP of the signature type, staking aggregate and reconstructed beacon signature.
    pub sig_data: Vec<u8>,
}

/// A timeout certificate: more than two thirds of the committee's weight gave up on a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeoutCertificate {
    /// The view that timed out.
    pub view: u64,
    /// For every signer, the view of the newest QC it knew.
    pub newest_qc_views: Vec<u64>,
    /// The newest QC any signer knew.
    pub newest_qc: QuorumCertificate,
    /// As in [`QuorumCertificate::signer_indices`].
    pub signer_indices: Vec<u8>,
    /// Aggregated signature, 48 bytes.
    pub sig_data: Vec<u8>,
}
