//! Who proposes in which view.

use std::sync::Arc;

use weir_protocol::hotstuff::LeaderSelection;
use weir_protocol::model::Identifier;
use weir_protocol::protocol_state::{EpochName, ProtocolState};

use super::Network;
use super::pace::Slot;
use super::proposal::{epoch_at, is_ejected};

impl Network {
    /// The next view whose leader proposes. An ejected one does not, since nobody would vote for it,
    /// unless nothing becomes final otherwise.
    pub(super) fn next_slot(&mut self) -> Slot {
        loop {
            let slot = self.pace.next();
            if self.pace.is_pressed() || self.is_led(&slot) {
                return slot;
            }
            self.pace.skipped(&slot);
        }
    }

    /// Whether the leader of a slot may propose.
    ///
    /// Where those who may vote are no quorum, the ejected help out; a real network would stand
    /// still.
    fn is_led(&mut self, slot: &Slot) -> bool {
        let parent = self.records.get(&slot.parent_id).expect("the chain goes on from kept blocks");
        let state = Arc::clone(&parent.state);
        let name = epoch_at(&state, slot.view);
        let leader = self.leader(&state, name, slot.view);
        if !is_ejected(&state, name, &leader) {
            return true;
        }
        let committee = &self.epoch(&state, name).committee;
        let voters = committee.members.iter().filter(|node| !is_ejected(&state, name, &node.id()));
        let weight: u64 = voters.map(|node| node.skeleton.initial_weight).sum();
        weight < committee.quorum_weight()
    }

    /// The leader of a view of one of a state's epochs.
    pub(super) fn leader(
        &mut self,
        state: &ProtocolState,
        name: EpochName,
        view: u64,
    ) -> Identifier {
        let (container, events) = state
            .container(name)
            .zip(state.events(name))
            .expect("callers name an epoch that the state has");
        let select = || {
            LeaderSelection::new(&events.setup)
                .expect("every epoch has consensus nodes with weight")
        };
        let selection = self.leaders.entry(container.setup_id).or_insert_with(select);
        selection.leader_for_view(view).expect("callers name the epoch of the view")
    }
}
