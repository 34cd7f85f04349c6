//! The epochs inside a protocol state: shared while they stay, copied to be evolved.

use super::{EpochEvents, EpochIdentities};
use crate::codec::Entity;
use crate::model::{EpochSetup, EpochStateContainer, EpochStateEntry, Identifier};
use alloc::sync::Arc;

/// Epoch state with its ID and its events, shared by all states that differ only elsewhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Epochs {
    pub(super) id: Identifier,
    pub(super) entry: Arc<EpochStateEntry>,
    pub(super) previous: Option<EpochEvents>,
    pub(super) current: EpochEvents,
    pub(super) next: Option<EpochEvents>,
}

/// What a state machine works on: a copy of the parent's epochs.
#[derive(Clone, Debug)]
pub(super) struct EvolvingEpochs {
    pub(super) entry: EpochStateEntry,
    pub(super) previous: Option<EpochEvents>,
    pub(super) current: EpochEvents,
    pub(super) next: Option<EpochEvents>,
}

impl Epochs {
    /// What identity tables are made of.
    pub(super) fn identities(&self) -> EpochIdentities<'_> {
        EpochIdentities {
            entry: &self.entry,
            previous: self.previous.as_ref().map(|events| &*events.setup),
            current: &self.current.setup,
            next: self.next.as_ref().map(|events| &*events.setup),
        }
    }

    /// A copy to work on.
    pub(super) fn evolving(&self) -> EvolvingEpochs {
        EvolvingEpochs {
            entry: (*self.entry).clone(),
            previous: self.previous.clone(),
            current: self.current.clone(),
            next: self.next.clone(),
        }
    }

    /// The evolved epochs, or these themselves when nothing changed.
    pub(super) fn succeed(self: &Arc<Self>, evolved: EvolvingEpochs) -> Arc<Self> {
        if evolved.entry == *self.entry {
            return Arc::clone(self);
        }
        let EvolvingEpochs { entry, previous, current, next } = evolved;
        Arc::new(Self { id: entry.id(), entry: Arc::new(entry), previous, current, next })
    }
}

impl EvolvingEpochs {
    /// Final view of the current epoch, extensions counted.
    pub(super) fn final_view(&self) -> u64 {
        final_view(&self.entry.current_epoch, &self.current.setup)
    }
}

/// Final view of an epoch, extensions counted.
pub(super) fn final_view(container: &EpochStateContainer, setup: &EpochSetup) -> u64 {
    container.epoch_extensions.last().map_or(setup.final_view, |extension| extension.final_view)
}
