//! What follows from a block and its parent: its protocol state, and who has to sign the certificates
//! inside it.

use std::sync::Arc;

use weir_protocol::hotstuff::finality::ForkBlock;
use weir_protocol::model::{Block, Identifier, ServiceEvent, VersionBeacon};
use weir_protocol::protocol_state::sealing::{BlockPosition, LastSealed, order_seals};
use weir_protocol::protocol_state::{ProtocolState, evolve_on};

use super::Rule;
use super::certificates::{Claim, TimeoutClaim};
use super::chain::{Chain, Node};

/// What follows from a block's seals.
pub(super) struct Stepped {
    pub(super) state: Arc<ProtocolState>,
    pub(super) last_sealed: LastSealed,
    pub(super) version_beacon: Option<VersionBeacon>,
}

impl Chain {
    /// Computes the block's state and compares it with the one its payload commits to.
    pub(super) fn step(&self, parent: &Node, block: &Block) -> Result<Stepped, Rule> {
        let position = |id: &Identifier| {
            let Some(node) = self.nodes.get(id) else {
                return self.below_root.get(id).copied();
            };
            let ForkBlock { height, parent_id, .. } = node.position;
            Some(BlockPosition { height, parent_id })
        };
        let seals = &block.payload.seals;
        // Not the block's own results: those are sealed by a descendant at the earliest.
        let result = |id: &Identifier| self.results.get(id).map(|result| &**result);
        let sealed = order_seals(parent.last_sealed, seals, position, result)?;
        let events = sealed.service_events();
        let state = evolve_on(self.versions, &parent.state, block.header.view, &events)?;
        let (expected, found) = (state.id(), block.payload.protocol_state_id);
        if expected != found {
            return Err(Rule::ProtocolStateId { expected, found });
        }
        let version_beacon = ServiceEvent::last_version_beacon(events.iter().copied()).cloned();
        Ok(Stepped { state, last_sealed: sealed.last_sealed, version_beacon })
    }

    /// The certificates the block carries, checked as far as that is cheap.
    pub(super) fn claim(
        &mut self,
        block_id: Identifier,
        block: &Block,
        parent: &Node,
    ) -> Result<Claim, Rule> {
        let qc = block.header.parent_qc();
        let failure = |source| Rule::QuorumCertificate { block_id: qc.block_id, source };
        parent.committee.check_qc(&qc).map_err(failure)?;
        let tc = match &block.last_view_tc {
            Some(tc) => Some(TimeoutClaim {
                committee: self.committees.at_view(&parent.state, tc.view)?,
                newest_qc_committee: self.committees.at_view(&parent.state, tc.newest_qc.view)?,
                tc: tc.clone(),
            }),
            None => None,
        };
        Ok(Claim {
            carrier_id: block_id,
            carrier_height: block.header.height,
            carrier_view: block.header.view,
            qc,
            committee: parent.committee.clone(),
            tc,
        })
    }
}
