//! Committees by epoch, built once each.

use std::collections::HashMap;
use std::sync::Arc;

use weir_protocol::hotstuff::Committee;
use weir_protocol::model::{EpochStateContainer, Identifier};
use weir_protocol::protocol_state::{EpochEvents, EpochName, ProtocolState};

use super::Rule;

/// Committees, by the IDs of their epoch's setup and commit.
#[derive(Clone, Debug, Default)]
pub(super) struct Committees(HashMap<(Identifier, Identifier), Arc<Committee>>);

impl Committees {
    /// The committee of the current epoch.
    pub(super) fn current(&mut self, state: &ProtocolState) -> Result<Arc<Committee>, Rule> {
        self.of(state, EpochName::Current)
    }

    /// The committee of the next epoch, which must be committed.
    pub(super) fn next(&mut self, state: &ProtocolState) -> Result<Arc<Committee>, Rule> {
        self.of(state, EpochName::Next)
    }

    /// The committee for `view` as seen from `state`: of its previous, current or next epoch.
    pub(super) fn at_view(
        &mut self,
        state: &ProtocolState,
        view: u64,
    ) -> Result<Arc<Committee>, Rule> {
        if view > state.final_view() && state.next_commit().is_some() {
            self.of(state, EpochName::Next)
        } else if view < state.first_view() && state.previous_commit().is_some() {
            self.of(state, EpochName::Previous)
        } else {
            self.of(state, EpochName::Current)
        }
    }

    fn of(&mut self, state: &ProtocolState, name: EpochName) -> Result<Arc<Committee>, Rule> {
        let (container, events) = state
            .container(name)
            .zip(state.events(name))
            .expect("callers name an epoch that the state has");
        self.build(container, events)
    }

    fn build(
        &mut self,
        container: &EpochStateContainer,
        events: &EpochEvents,
    ) -> Result<Arc<Committee>, Rule> {
        let key = (container.setup_id, container.commit_id);
        if let Some(committee) = self.0.get(&key) {
            return Ok(committee.clone());
        }
        let commit = events.commit.as_ref().expect("a committee's epoch is committed");
        let counter = events.setup.counter;
        let committee = Committee::new(&events.setup, commit)
            .map_err(|source| Rule::Committee { counter, source })?;
        if self.0.len() >= COMMITTEES_MAX {
            self.0.clear();
        }
        let committee = Arc::new(committee);
        self.0.insert(key, committee.clone());
        Ok(committee)
    }
}

/// Committees kept; a fork needs three at a time.
const COMMITTEES_MAX: usize = 16;
