//! Passing from the current epoch to the next.
//!
//! Follows flow-go `state/protocol/protocol_state/epochs/base_statemachine.go`.

use super::super::{ProtocolState, StepError};
use super::{Candidate, EvolvingEpochs};
use crate::model::EpochPhase;

/// Whether a block of this view is the first of the next epoch on its fork.
pub(super) fn is_due(parent: &ProtocolState, view: u64) -> bool {
    parent.phase() == EpochPhase::Committed && view > parent.final_view()
}

/// Makes the next epoch the current one when the candidate's view lies beyond the current epoch.
pub(super) fn enter_next_epoch(
    epochs: &mut EvolvingEpochs,
    candidate: &Candidate<'_>,
) -> Result<(), StepError> {
    if !is_due(candidate.parent, candidate.view) {
        return Ok(());
    }
    let (Some(container), Some(events)) = (epochs.entry.next_epoch.take(), epochs.next.take())
    else {
        unreachable!("a committed phase has a next epoch, and fallback keeps a committed one");
    };
    let first_view = events.setup.first_view;
    if candidate.view < first_view {
        return Err(StepError::NextEpochNotReached { view: candidate.view, first_view });
    }
    let left = core::mem::replace(&mut epochs.entry.current_epoch, container);
    epochs.entry.previous_epoch = Some(left);
    epochs.previous = Some(core::mem::replace(&mut epochs.current, events));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::evolve;
    use super::super::super::testing::{FINAL_VIEW, committed, state};
    use crate::model::EpochPhase;

    #[bounded::test]
    fn enters_a_committed_epoch_after_the_final_view() {
        let parent = committed();
        assert_eq!(evolve(&parent, FINAL_VIEW, &[]).unwrap().epoch_counter(), 7);
        let entered = evolve(&parent, FINAL_VIEW + 3, &[]).unwrap();
        assert_eq!(entered.epoch_counter(), 8);
        assert_eq!(entered.phase(), EpochPhase::Staking);
        assert_eq!(entered.previous_setup(), Some(parent.current_setup()));
        assert_eq!(entered.current_commit(), parent.next_commit().unwrap());
    }

    #[bounded::test]
    fn stays_in_an_epoch_without_a_committed_successor() {
        let stayed = evolve(&state(), FINAL_VIEW + 3, &[]).unwrap();
        assert_eq!(stayed.epoch_counter(), 7);
        assert_eq!(stayed.phase(), EpochPhase::Fallback);
    }
}
