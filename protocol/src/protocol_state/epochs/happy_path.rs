//! The epochs while setup and commit come as they should.
//!
//! Follows flow-go `state/protocol/protocol_state/epochs/happy_path_statemachine.go`.

use super::super::EpochEvents;
use super::validation::{check_commit, check_extending_setup};
use super::{Candidate, InvalidServiceEvent, Machine};
use crate::codec::Entity;
use crate::model::{EpochCommit, EpochSetup, EpochStateContainer, Identifier, ServiceEvent};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Applies all events, or stops at the first invalid one; the machine is then of no use.
pub(super) fn apply(
    machine: &mut Machine,
    candidate: &Candidate<'_>,
) -> Result<(), InvalidServiceEvent> {
    for event in candidate.events {
        match event {
            ServiceEvent::EpochSetup(setup) => set_up(machine, setup)?,
            ServiceEvent::EpochCommit(commit) => self::commit(machine, commit)?,
            ServiceEvent::EpochRecover(_) => return Err(InvalidServiceEvent::UnexpectedRecover),
            ServiceEvent::EjectNode { node_id } => machine.eject(*node_id),
            ServiceEvent::ProtocolStateVersionUpgrade { .. }
            | ServiceEvent::SetEpochExtensionViewCount { .. }
            | ServiceEvent::VersionBeacon(_) => {}
        }
    }
    Ok(())
}

fn set_up(machine: &mut Machine, setup: &EpochSetup) -> Result<(), InvalidServiceEvent> {
    check_extending_setup(setup, &machine.epochs)?;
    let nodes = machine.admit(setup.participants.iter().map(|node| node.node_id))?;
    machine.epochs.entry.next_epoch = Some(EpochStateContainer {
        setup_id: setup.id(),
        commit_id: Identifier::ZERO,
        active_identities: nodes,
        epoch_extensions: Vec::new(),
    });
    machine.epochs.next = Some(EpochEvents { setup: Arc::new(setup.clone()), commit: None });
    Ok(())
}

fn commit(machine: &mut Machine, commit: &EpochCommit) -> Result<(), InvalidServiceEvent> {
    let epochs = &mut machine.epochs;
    let (Some(container), Some(events)) = (&mut epochs.entry.next_epoch, &mut epochs.next) else {
        return Err(InvalidServiceEvent::CommitWithoutSetup);
    };
    if !container.commit_id.is_zero() {
        return Err(InvalidServiceEvent::RepeatedCommit { commit_id: container.commit_id });
    }
    check_commit(commit, &events.setup)?;
    container.commit_id = commit.id();
    events.commit = Some(Arc::new(commit.clone()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{
        NODE_JOINING, NODE_UNKNOWN, commit_event, committed, recover_event, set_up, setup_event,
        state,
    };
    use super::*;
    use alloc::vec;

    fn check(
        parent: &super::super::ProtocolState,
        events: &[ServiceEvent],
    ) -> Result<Machine, InvalidServiceEvent> {
        let events: Vec<&ServiceEvent> = events.iter().collect();
        let mut machine = Machine::new(parent);
        let candidate = Candidate { parent, view: 101, events: &events };
        apply(&mut machine, &candidate).map(|()| machine)
    }

    #[bounded::test]
    fn accepts_setup_and_commit_in_one_block() {
        let parent = state();
        let machine = check(&parent, &[setup_event(&parent), commit_event()]).unwrap();
        assert!(!machine.epochs.entry.next_epoch.unwrap().commit_id.is_zero());
    }

    #[bounded::test]
    fn rejects_a_second_setup() {
        let parent = state();
        let events = [setup_event(&parent), setup_event(&parent)];
        assert!(matches!(check(&parent, &events), Err(InvalidServiceEvent::RepeatedSetup { .. })));
    }

    #[bounded::test]
    fn rejects_a_commit_without_setup() {
        assert_eq!(
            check(&state(), &[commit_event()]).err(),
            Some(InvalidServiceEvent::CommitWithoutSetup)
        );
    }

    #[bounded::test]
    fn rejects_a_second_commit() {
        let error = check(&committed(), &[commit_event()]).err();
        assert!(matches!(error, Some(InvalidServiceEvent::RepeatedCommit { .. })));
        assert!(check(&set_up(), &[commit_event()]).is_ok());
    }

    #[bounded::test]
    fn rejects_a_recovery() {
        let parent = state();
        let error = check(&parent, &[recover_event(&parent)]).err();
        assert_eq!(error, Some(InvalidServiceEvent::UnexpectedRecover));
    }

    #[bounded::test]
    fn rejects_a_setup_with_a_node_ejected_before_it() {
        let parent = state();
        let eject = |node_id| ServiceEvent::EjectNode { node_id };
        // Joining: in no epoch yet, but ejected by an earlier event of the same block.
        let current = parent.current_setup().participants[0].node_id;
        for node_id in [current, NODE_JOINING] {
            let events = vec![eject(node_id), setup_event(&parent)];
            let error = check(&parent, &events).err();
            assert_eq!(error, Some(InvalidServiceEvent::EjectedNode { node_id }));
        }
        assert!(check(&parent, &[eject(NODE_UNKNOWN), setup_event(&parent)]).is_ok());
    }

    #[bounded::test]
    fn ejects_a_node_set_up_before_it() {
        let parent = state();
        let eject = ServiceEvent::EjectNode { node_id: NODE_JOINING };
        let machine = check(&parent, &[setup_event(&parent), eject]).unwrap();
        let next = machine.epochs.entry.next_epoch.unwrap();
        let ejected: Vec<_> = next.active_identities.iter().filter(|node| node.ejected).collect();
        assert_eq!(ejected.len(), 1);
        assert_eq!(ejected[0].node_id, NODE_JOINING);
    }
}
