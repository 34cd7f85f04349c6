//! The epochs in epoch fallback mode.
//!
//! Follows flow-go `state/protocol/protocol_state/epochs/fallback_statemachine.go`. This machine
//! never fails on an event: in fallback mode the epoch contracts are known to misbehave.

use super::super::{EpochEvents, StepError};
use super::validation::{check_commit, check_extending_setup};
use super::{Candidate, EvolvingEpochs, InvalidServiceEvent, Machine};
use crate::codec::Entity;
use crate::model::{EpochExtension, EpochPhase, EpochRecover, EpochStateContainer, ServiceEvent};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Sets the flag, drops an uncommitted next epoch, and extends the current epoch when it is due.
pub(super) fn enter(
    epochs: &mut EvolvingEpochs,
    candidate: &Candidate<'_>,
) -> Result<(), StepError> {
    epochs.entry.epoch_fallback_triggered = true;
    if candidate.parent.phase() == EpochPhase::Committed {
        return Ok(());
    }
    epochs.entry.next_epoch = None;
    epochs.next = None;
    if candidate.safe_view() >= epochs.final_view() {
        extend_current_epoch(epochs, candidate.parent.kv().epoch_extension_view_count)?;
    }
    Ok(())
}

/// Applies the events; setups and commits are ignored, and so are invalid recoveries.
pub(super) fn apply(machine: &mut Machine, candidate: &Candidate<'_>) -> Result<(), StepError> {
    for event in candidate.events {
        match event {
            ServiceEvent::EpochRecover(event) => {
                // Ignored when invalid: whoever prepares recoveries sends another one.
                let ignored = recover(machine, candidate, event).err();
                ignored.and_then(|invalid| invalid.halt()).map_or(Ok(()), Err)?;
            }
            ServiceEvent::EjectNode { node_id } => machine.eject(*node_id),
            ServiceEvent::EpochSetup(_)
            | ServiceEvent::EpochCommit(_)
            | ServiceEvent::ProtocolStateVersionUpgrade { .. }
            | ServiceEvent::SetEpochExtensionViewCount { .. }
            | ServiceEvent::VersionBeacon(_) => {}
        }
    }
    Ok(())
}

fn extend_current_epoch(epochs: &mut EvolvingEpochs, count: u64) -> Result<(), StepError> {
    let final_view = epochs.final_view();
    let overflow = StepError::ViewOverflow { final_view, count };
    let first_view = final_view.checked_add(1).ok_or(overflow.clone())?;
    let extended = final_view.checked_add(count).ok_or(overflow)?;
    let extension = EpochExtension { first_view, final_view: extended };
    epochs.entry.current_epoch.epoch_extensions.push(extension);
    Ok(())
}

fn recover(
    machine: &mut Machine,
    candidate: &Candidate<'_>,
    event: &EpochRecover,
) -> Result<(), InvalidServiceEvent> {
    let final_view = machine.epochs.final_view();
    if candidate.safe_view() >= final_view {
        return Err(InvalidServiceEvent::RecoverTooLate { view: candidate.view, final_view });
    }
    check_extending_setup(&event.setup, &machine.epochs)?;
    check_commit(&event.commit, &event.setup)?;
    let nodes = machine.admit(event.setup.participants.iter().map(|node| node.node_id))?;
    machine.epochs.entry.next_epoch = Some(EpochStateContainer {
        setup_id: event.setup.id(),
        commit_id: event.commit.id(),
        active_identities: nodes,
        epoch_extensions: Vec::new(),
    });
    machine.epochs.next = Some(EpochEvents {
        setup: Arc::new(event.setup.clone()),
        commit: Some(Arc::new(event.commit.clone())),
    });
    machine.epochs.entry.epoch_fallback_triggered = false;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{
        EXTENSION, FINAL_VIEW, NODE_JOINING, THRESHOLD, commit_event, committed, fallback,
        recover_event, set_up, setup_event, state,
    };
    use super::super::super::{ProtocolState, evolve};
    use super::*;
    use crate::model::EpochSetup;
    use alloc::boxed::Box;

    const DEADLINE: u64 = FINAL_VIEW - THRESHOLD;

    fn step(parent: &Arc<ProtocolState>, view: u64, events: &[ServiceEvent]) -> Arc<ProtocolState> {
        evolve(parent, view, &events.iter().collect::<Vec<_>>()).unwrap()
    }

    #[bounded::test]
    fn a_missed_commit_triggers_fallback_and_extends_the_epoch() {
        let parent = set_up();
        let before = step(&parent, DEADLINE - 1, &[]);
        assert!(Arc::ptr_eq(&before, &parent));
        let after = step(&parent, DEADLINE, &[]);
        assert_eq!(after.phase(), EpochPhase::Fallback);
        assert_eq!(after.next_setup(), None);
        assert_eq!(after.final_view(), FINAL_VIEW + EXTENSION);
        let again = step(&after, DEADLINE + EXTENSION, &[]);
        assert_eq!(again.final_view(), FINAL_VIEW + 2 * EXTENSION);
    }

    #[bounded::test]
    fn an_invalid_event_triggers_fallback_and_starts_over() {
        let parent = state();
        let eject =
            ServiceEvent::EjectNode { node_id: parent.current_setup().participants[0].node_id };
        let state = step(&parent, 101, &[eject, setup_event(&parent), commit_event()]);
        assert_eq!(state.phase(), EpochPhase::Fallback);
        assert_eq!(state.next_setup(), None);
        assert!(state.epoch_state().current_epoch.active_identities[0].ejected);
        assert_eq!(state.final_view(), FINAL_VIEW);
    }

    #[bounded::test]
    fn a_committed_epoch_survives_fallback_and_is_entered() {
        let parent = committed();
        let state = step(&parent, 101, &[commit_event()]);
        assert!(state.epoch_fallback_triggered());
        assert_eq!(state.phase(), EpochPhase::Committed);
        let entered = step(&state, FINAL_VIEW + 1, &[]);
        assert_eq!((entered.epoch_counter(), entered.phase()), (8, EpochPhase::Fallback));
    }

    #[bounded::test]
    fn ignores_setup_and_commit() {
        let parent = fallback();
        let state = step(&parent, 101, &[setup_event(&parent), commit_event()]);
        assert!(Arc::ptr_eq(&state, &parent));
    }

    #[bounded::test]
    fn accepts_a_recovery_before_the_deadline_only() {
        let parent = fallback();
        let recovered = step(&parent, DEADLINE - 1, &[recover_event(&parent)]);
        assert_eq!(recovered.phase(), EpochPhase::Committed);
        assert!(!recovered.epoch_fallback_triggered());
        let late = step(&parent, DEADLINE, &[recover_event(&parent)]);
        assert_eq!(late.phase(), EpochPhase::Fallback);
        // The same block extended the epoch, so its recovery begins too early.
        assert_eq!(late.final_view(), FINAL_VIEW + EXTENSION);
    }

    #[bounded::test]
    fn the_first_valid_recovery_wins() {
        let parent = fallback();
        let ServiceEvent::EpochRecover(first) = recover_event(&parent) else { unreachable!() };
        let mut invalid = first.clone();
        invalid.commit.counter += 1;
        let mut second = first.clone();
        second.setup.target_end_time += 1;
        let events = [invalid, first.clone(), second].map(ServiceEvent::EpochRecover);
        let state = step(&parent, 101, &events);
        assert_eq!(state.next_setup().map(|setup| &**setup), Some(&first.setup));
    }

    #[bounded::test]
    fn ignores_a_recovery_with_an_ejected_node() {
        let parent = fallback();
        let eject = ServiceEvent::EjectNode { node_id: NODE_JOINING };
        let state = step(&parent, 101, &[eject, recover_event(&parent)]);
        assert_eq!(state.phase(), EpochPhase::Fallback);
    }

    #[bounded::test]
    fn halts_only_where_flow_go_looks_at_a_nil_participant() {
        let with_nil = |event: ServiceEvent, change: fn(&mut EpochSetup)| {
            let ServiceEvent::EpochRecover(mut event) = event else { unreachable!() };
            let nodes = event.setup.participants.iter().cloned().map(Some);
            event.setup.participants = nodes.chain([None]).collect();
            change(&mut event.setup);
            event
        };
        let parent = fallback();
        let event = with_nil(recover_event(&parent), |_| ());
        let position = event.setup.participants.len();
        let setup = ServiceEvent::EpochSetup(Box::new(event.setup.clone()));
        let recover = ServiceEvent::EpochRecover(event);
        assert_eq!(
            step(&parent, 101, core::slice::from_ref(&setup)),
            parent,
            "setups are not looked at"
        );
        let halt = |parent, events: &[&ServiceEvent]| evolve(parent, 101, events).unwrap_err();
        assert_eq!(halt(&parent, &[&recover]), StepError::NilParticipant { position });
        assert_eq!(halt(&state(), &[&setup]), StepError::NilParticipant { position });
        // Each of these is found before the nil, so that the event is merely invalid.
        for change in [
            |setup: &mut EpochSetup| setup.counter += 1,
            |setup: &mut EpochSetup| _ = setup.random_source.pop(),
            |setup: &mut EpochSetup| setup.participants[2].node_id = setup.participants[1].node_id,
        ] {
            let event = with_nil(recover_event(&parent), change);
            let setup = ServiceEvent::EpochSetup(Box::new(event.setup.clone()));
            assert_eq!(step(&state(), 101, &[setup]).phase(), EpochPhase::Fallback);
            assert_eq!(step(&parent, 101, &[ServiceEvent::EpochRecover(event)]), parent);
        }
    }

    #[bounded::test]
    fn ignores_a_recovery_while_a_committed_epoch_waits() {
        let waiting = step(&committed(), 101, &[commit_event()]);
        let state = step(&waiting, 102, &[recover_event(&waiting)]);
        assert!(Arc::ptr_eq(&state, &waiting));
    }
}
