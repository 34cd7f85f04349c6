//! Whether a block is certified, whatever else is known of it.
//!
//! A block that breaks a rule here proves nothing by itself: anybody can make one. Its committee is
//! known all the same, as the states before it fix that. A quorum signs only what its honest members
//! found valid, so that a certificate acquits whoever sent the block: this program is wrong about the
//! rule, or the committee broke Flow's assumption.

use std::collections::HashMap;
use std::sync::Arc;

use weir_proto::convert;
use weir_proto::flow::entities;
use weir_protocol::codec::Entity as _;
use weir_protocol::hotstuff::Committee;
use weir_protocol::hotstuff::finality::Finality;
use weir_protocol::model::{Header, Identifier};

use super::Chain;

/// Who has to certify a block and those that follow it, as far as its parent's state says.
#[derive(Clone, Debug)]
pub struct Certifiers {
    block_id: Identifier,
    view: u64,
    /// Committee of the parent's epoch. Never an earlier one: old keys may be in other hands.
    current: Arc<Committee>,
    /// Final view of the parent's epoch.
    final_view: u64,
    /// Committee of the epoch after it, if that is committed.
    next: Option<Arc<Committee>>,
}

impl Chain {
    /// Returns who has to certify a block, if its parent is known and so is the committee.
    ///
    /// The block itself need not be acceptable, nor readable beyond what its header claims: an epoch
    /// is committed before it begins, so the states before the block name the committee. Its parent
    /// may have made up the next committee, as nothing shows that to be certified, and nobody checks
    /// here who approved a seal. So it is the parent's own parent that is asked: what the parent
    /// carries certifies it. Only the lowest block kept has none, and that is final on disk, whatever
    /// blocks not yet checked for signatures make of the forks.
    pub fn certifiers(&mut self, block: &entities::Block) -> Option<Certifiers> {
        let header = block.block_header.as_ref()?;
        let parent = self.nodes.get(&Identifier::try_from(&header.parent_id[..]).ok()?)?;
        let certified = match self.nodes.get(&parent.position.parent_id) {
            Some(grandparent) => grandparent,
            None => Some(parent).filter(|parent| {
                self.forks.finality(&parent.position.block_id) == Some(Finality::Finalized)
            })?,
        };
        let (state, current) = (certified.state.clone(), certified.committee.clone());
        let next = state.next_commit().and_then(|_| self.committees.next(&state).ok());
        Some(Certifiers {
            block_id: Identifier::try_from(&header.id[..]).ok()?,
            view: header.view,
            current,
            final_view: state.final_view(),
            next,
        })
    }
}

impl Certifiers {
    /// Returns whether one of `blocks` carries a valid certificate for the block, or for a block that
    /// descends from it.
    ///
    /// Parents come before their children. A descendant's certificate counts because who signed it
    /// checked the one inside; so an odd certificate in the child alone hides nothing.
    pub fn certified_by<'a>(&self, blocks: impl IntoIterator<Item = &'a entities::Block>) -> bool {
        let mut views = HashMap::from([(self.block_id, self.view)]);
        for header in blocks.into_iter().filter_map(header) {
            if views.get(&header.parent_id) != Some(&header.parent_view) {
                continue;
            }
            let committee = self.committee(header.parent_view);
            if committee.verify_qc(&header.parent_qc()).is_ok() {
                return true;
            }
            views.insert(header.id(), header.view);
        }
        false
    }

    fn committee(&self, view: u64) -> &Committee {
        match &self.next {
            Some(next) if view > self.final_view => next,
            _ => &self.current,
        }
    }
}

/// The header alone: the payload says nothing about the certificate inside it.
fn header(block: &entities::Block) -> Option<Header> {
    let header = block.block_header.clone();
    let protocol_state_id = Identifier::ZERO.0.to_vec().into();
    let bare = entities::Block { block_header: header, protocol_state_id, ..Default::default() };
    convert::block_from_wire(bare).ok().map(|block| block.header)
}
