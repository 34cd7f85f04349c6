//! Second state machine: epochs, their nodes, and epoch fallback mode.
//!
//! Follows flow-go `state/protocol/protocol_state/epochs/statemachine.go`. The happy path takes
//! only valid events; at the first invalid one its work is thrown away, and the fallback machine
//! starts over from the parent's state with all events of the block.

mod fallback;
mod happy_path;
mod transition;
mod validation;

use super::working::EvolvingEpochs;
use super::{ProtocolState, StepError};
use crate::model::{DynamicIdentityEntry, EpochPhase, Identifier, ServiceEvent};
use alloc::vec::Vec;

pub(super) use validation::InvalidServiceEvent;

/// The epochs as of the candidate, or `None` when view and events cannot change them.
pub(super) fn evolve(
    parent: &ProtocolState,
    view: u64,
    events: &[&ServiceEvent],
) -> Result<Option<EvolvingEpochs>, StepError> {
    if !events.iter().any(|event| concerns_epochs(event)) && !changes_epochs(parent, view) {
        return Ok(None);
    }
    let candidate = Candidate { parent, view, events };
    if !parent.epoch_fallback_triggered() && !misses_commit(parent, view) {
        let mut machine = Machine::new(parent);
        transition::enter_next_epoch(&mut machine.epochs, &candidate)?;
        match happy_path::apply(&mut machine, &candidate) {
            Ok(()) => return Ok(Some(machine.epochs)),
            Err(invalid) => invalid.halt().map_or(Ok(()), Err)?,
        }
    }
    let mut machine = Machine::new(parent);
    fallback::enter(&mut machine.epochs, &candidate)?;
    transition::enter_next_epoch(&mut machine.epochs, &candidate)?;
    fallback::apply(&mut machine, &candidate)?;
    Ok(Some(machine.epochs))
}

/// The block a machine computes the epochs for.
struct Candidate<'a> {
    parent: &'a ProtocolState,
    view: u64,
    events: &'a [&'a ServiceEvent],
}

impl Candidate<'_> {
    /// First view whose block every replica may not have finalized yet.
    fn safe_view(&self) -> u64 {
        safe_view(self.parent, self.view)
    }
}

/// A copy of the parent's epochs, and the nodes this block ejects.
struct Machine {
    epochs: EvolvingEpochs,
    ejected: Vec<Identifier>,
}

impl Machine {
    fn new(parent: &ProtocolState) -> Self {
        Self { epochs: parent.epochs().evolving(), ejected: Vec::new() }
    }

    /// Ejects a node from all epochs; a node in none of them is only remembered.
    ///
    /// flow-go `epochs/identity_ejector.go`.
    fn eject(&mut self, node_id: Identifier) {
        let entry = &mut self.epochs.entry;
        let containers = entry
            .previous_epoch
            .iter_mut()
            .chain([&mut entry.current_epoch])
            .chain(&mut entry.next_epoch);
        for container in containers {
            mark_ejected(&mut container.active_identities, node_id);
        }
        self.ejected.push(node_id);
    }

    /// Nodes of an epoch that begins, none of them ejected.
    ///
    /// A node ejected now, or by an earlier event of this block, must not come back.
    fn admit(
        &self,
        node_ids: impl Iterator<Item = Identifier>,
    ) -> Result<Vec<DynamicIdentityEntry>, InvalidServiceEvent> {
        let current = &self.epochs.entry.current_epoch.active_identities;
        node_ids
            .map(|node_id| {
                let is_ejected = find(current, node_id).is_some_and(|node| node.ejected);
                if is_ejected || self.ejected.contains(&node_id) {
                    return Err(InvalidServiceEvent::EjectedNode { node_id });
                }
                Ok(DynamicIdentityEntry { node_id, ejected: false })
            })
            .collect()
    }
}

/// Nodes are in canonical order: a setup's are checked to be, and so are a given epoch state's.
fn find(nodes: &[DynamicIdentityEntry], node_id: Identifier) -> Option<&DynamicIdentityEntry> {
    let index = nodes.binary_search_by_key(&node_id, |node| node.node_id).ok()?;
    nodes.get(index)
}

fn mark_ejected(nodes: &mut [DynamicIdentityEntry], node_id: Identifier) {
    for node in nodes.iter_mut().filter(|node| node.node_id == node_id) {
        node.ejected = true;
    }
}

fn concerns_epochs(event: &ServiceEvent) -> bool {
    matches!(
        event,
        ServiceEvent::EpochSetup(_)
            | ServiceEvent::EpochCommit(_)
            | ServiceEvent::EpochRecover(_)
            | ServiceEvent::EjectNode { .. }
    )
}

/// Whether the view alone changes the epochs.
fn changes_epochs(parent: &ProtocolState, view: u64) -> bool {
    if parent.phase() == EpochPhase::Committed {
        return transition::is_due(parent, view);
    }
    match parent.epoch_fallback_triggered() {
        true => safe_view(parent, view) >= parent.final_view(),
        false => misses_commit(parent, view),
    }
}

/// Whether the next epoch was not committed in time, which triggers epoch fallback mode.
fn misses_commit(parent: &ProtocolState, view: u64) -> bool {
    parent.phase() != EpochPhase::Committed
        && safe_view(parent, view) >= parent.current_setup().final_view
}

fn safe_view(parent: &ProtocolState, view: u64) -> u64 {
    view.saturating_add(parent.kv().finalization_safety_threshold)
}
