//! Epochs and blocks that a client has accepted.

use super::super::sources::Sources;
use super::super::state;
use super::super::{Rejection, Violation};
use alloc::sync::Arc;
use weir_protocol::codec::Entity as _;
use weir_protocol::hotstuff::Committee;
use weir_protocol::model::{EpochStateContainer, Header, Identifier};

/// A block that is trusted to be final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedBlock {
    /// Its ID.
    pub block_id: Identifier,
    /// Its height.
    pub height: u64,
    /// Its view.
    pub view: u64,
    /// Its proposal time, Unix milliseconds.
    pub timestamp_ms: u64,
}

impl TrustedBlock {
    pub(crate) fn of(header: &Header) -> Self {
        Self {
            block_id: header.id(),
            height: header.height,
            view: header.view,
            timestamp_ms: header.timestamp_ms,
        }
    }
}

/// An epoch whose committee is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedEpoch {
    pub(crate) counter: u64,
    pub(crate) setup_id: Identifier,
    pub(crate) commit_id: Identifier,
    pub(crate) first_view: u64,
    /// Last view as far as proved; extensions may come later.
    pub(crate) final_view: u64,
    /// A final block of the epoch whose state commits the next one.
    pub(super) boundary: Option<TrustedBlock>,
}

impl TrustedEpoch {
    /// Number of the epoch.
    #[must_use]
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// IDs of its setup and its commit.
    #[must_use]
    pub fn event_ids(&self) -> [Identifier; 2] {
        [self.setup_id, self.commit_id]
    }

    /// First and last view; the last one may still move while the epoch is the newest.
    #[must_use]
    pub fn views(&self) -> (u64, u64) {
        (self.first_view, self.final_view)
    }

    /// The final block that proves the epoch after this one.
    #[must_use]
    pub fn boundary(&self) -> Option<&TrustedBlock> {
        self.boundary.as_ref()
    }

    /// Derives the committee from setup and commit, which the epoch is accepted with.
    pub(crate) fn open_committee(&self, sources: Sources<'_>) -> Result<Arc<Committee>, Rejection> {
        let setup = sources.setup(self.setup_id)?;
        let commit = sources.commit(self.commit_id)?;
        let broken = |source| Violation::Committee { counter: self.counter, source };
        Ok(Arc::new(Committee::new(&setup, &commit).map_err(broken)?))
    }
}

/// Opens setup and commit of an epoch; keys that `previous` has are not decoded again.
pub(super) fn open(
    container: &EpochStateContainer,
    sources: Sources<'_>,
    previous: Option<&Committee>,
) -> Result<(TrustedEpoch, Arc<Committee>), Rejection> {
    let setup = sources.setup(container.setup_id)?;
    let commit = sources.commit(container.commit_id)?;
    let counter = setup.counter;
    let committee = match previous {
        Some(previous) => Committee::after(previous, &setup, &commit),
        None => Committee::new(&setup, &commit),
    };
    let committee = committee.map_err(|source| Violation::Committee { counter, source })?;
    let epoch = TrustedEpoch {
        counter,
        setup_id: container.setup_id,
        commit_id: container.commit_id,
        first_view: setup.first_view,
        final_view: state::final_view(&setup, container),
        boundary: None,
    };
    Ok((epoch, Arc::new(committee)))
}
