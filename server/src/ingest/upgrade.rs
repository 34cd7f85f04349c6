//! A block with which the protocol state gets a version that is not known here.
//!
//! Its state cannot be computed, so that the block itself proves nothing: anybody can make one. Its
//! committee is known all the same, as the states before it fix that. When the block's certificate
//! holds, two thirds of the committee went on to the new version, and this program cannot.

use std::slice;
use std::sync::Arc;

use weir_proto::flow::entities;
use weir_protocol::hotstuff::Committee;
use weir_protocol::hotstuff::finality::ForkBlock;

use super::certificates::{Claim, Thoroughness, verify};
use super::{IngestError, Prepared, Rule, headers};

/// A block that satisfies every rule that can be checked without its protocol state, but those on
/// signatures.
#[derive(Clone, Debug)]
pub struct Upgrade {
    /// The certificates that it carries.
    claim: Claim,
    /// Who has to certify it.
    committee: Arc<Committee>,
}

impl Upgrade {
    pub(super) fn new(claim: Claim, committee: Arc<Committee>) -> Self {
        Self { claim, committee }
    }

    /// Checks the certificates that the block carries: those of its parent and of a timeout.
    ///
    /// # Errors
    /// When one of them fails: the block is not of this chain.
    pub fn check_carried(&self) -> Result<(), IngestError> {
        verify(slice::from_ref(&self.claim), Thoroughness::All)
    }

    /// Checks that a block is a child that certifies this one.
    ///
    /// # Errors
    /// When it is no child, or the certificate in it fails.
    pub fn check_certified_by(&self, child: entities::Block) -> Result<(), IngestError> {
        let Prepared { block_id, block, .. } = Prepared::new(child)?;
        let header = &block.header;
        let fail = |rule| IngestError {
            block_id,
            height: header.height,
            view: header.view,
            rule: Box::new(rule),
        };
        let position = ForkBlock {
            block_id: self.claim.carrier_id,
            parent_id: self.claim.qc.block_id,
            view: self.claim.carrier_view,
            height: self.claim.carrier_height,
        };
        if header.parent_id != position.block_id {
            return Err(fail(Rule::UnknownParent { found: header.parent_id }));
        }
        headers::check_link(header, &position).map_err(fail)?;
        let certified = self.committee.verify_qc(&header.parent_qc());
        let block_id = position.block_id;
        certified.map_err(|source| fail(Rule::QuorumCertificate { block_id, source }))
    }
}
