//! Identity tables: who takes part in an epoch, and how.
//!
//! Follows flow-go `model/flow/protocol_state.go` (`BuildIdentityTable`). A table is computed
//! from an epoch state and setups alone, so that a light client can do it, too.

use super::ProtocolState;
use crate::model::{
    DynamicIdentityEntry, EpochSetup, EpochStateContainer, EpochStateEntry, IdentitySkeleton,
};
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

/// How a node takes part in an epoch (flow-go `flow.EpochParticipationStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ParticipationStatus {
    /// Takes part in this epoch.
    Active,
    /// Takes part in the next epoch.
    Joining,
    /// Took part in the previous epoch.
    Leaving,
    /// Was ejected.
    Ejected,
}

impl ParticipationStatus {
    /// All statuses.
    pub const ALL: [Self; 4] = [Self::Active, Self::Joining, Self::Leaving, Self::Ejected];

    /// The short name, such as `active`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Joining => "joining",
            Self::Leaving => "leaving",
            Self::Ejected => "ejected",
        }
    }

    /// The status's number in Weir's own encodings, 1 to 4.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Active => 1,
            Self::Joining => 2,
            Self::Leaving => 3,
            Self::Ejected => 4,
        }
    }

    /// The status with this number, if there is one.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|status| u64::from(status.number()) == number)
    }

    /// flow-go's name, such as `EpochParticipationStatusActive`.
    #[must_use]
    pub fn flow_name(self) -> &'static str {
        match self {
            Self::Active => "EpochParticipationStatusActive",
            Self::Joining => "EpochParticipationStatusJoining",
            Self::Leaving => "EpochParticipationStatusLeaving",
            Self::Ejected => "EpochParticipationStatusEjected",
        }
    }
}

impl fmt::Display for ParticipationStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ParticipationStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|status| status.name() == text).ok_or(UnknownStatus)
    }
}

/// The text names no participation status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a status is one of active, joining, leaving, ejected")]
pub struct UnknownStatus;

/// One row of an identity table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// What is fixed for the epoch.
    pub skeleton: &'a IdentitySkeleton,
    /// How the node takes part.
    pub status: ParticipationStatus,
}

/// The setups an epoch state's identity tables are made of.
#[derive(Clone, Copy, Debug)]
pub struct EpochIdentities<'a> {
    /// The epoch state.
    pub entry: &'a EpochStateEntry,
    /// Setup of the previous epoch.
    pub previous: Option<&'a EpochSetup>,
    /// Setup of the current epoch.
    pub current: &'a EpochSetup,
    /// Setup of the next epoch.
    pub next: Option<&'a EpochSetup>,
}

impl<'a> EpochIdentities<'a> {
    /// The current epoch's identity table, in canonical order.
    ///
    /// Besides the current nodes it holds those of the next epoch as joining or, when there is
    /// no next epoch, those of the previous one as leaving. The caller has checked that the
    /// setups are the ones the epoch state names.
    ///
    /// # Errors
    /// When a setup that is needed is missing, or lists other nodes than the epoch state.
    pub fn table(&self) -> Result<Vec<Identity<'a>>, IdentityTableError> {
        let current = Side::new(Some(&self.entry.current_epoch), Some(self.current))?;
        let (other, status) = match &self.entry.next_epoch {
            Some(next) => (Side::new(Some(next), self.next)?, ParticipationStatus::Joining),
            None => {
                let previous = Side::new(self.entry.previous_epoch.as_ref(), self.previous)?;
                (previous, ParticipationStatus::Leaving)
            }
        };
        Ok(merge(current, other, status))
    }

    /// The next epoch's identity table, in canonical order; `None` without a next epoch.
    ///
    /// Nodes that only the current epoch has are leaving.
    ///
    /// # Errors
    /// As [`Self::table`].
    pub fn next_table(&self) -> Result<Option<Vec<Identity<'a>>>, IdentityTableError> {
        let Some(next) = &self.entry.next_epoch else {
            return Ok(None);
        };
        let next = Side::new(Some(next), self.next)?;
        let current = Side::new(Some(&self.entry.current_epoch), Some(self.current))?;
        Ok(Some(merge(next, current, ParticipationStatus::Leaving)))
    }

    /// The identities of a protocol state, whose parts were checked to fit.
    #[must_use]
    pub fn of(state: &'a ProtocolState) -> Self {
        state.epochs().identities()
    }
}

/// The current epoch's identity table, in canonical order; see [`EpochIdentities::table`].
#[must_use]
pub fn identity_table(state: &ProtocolState) -> Vec<Identity<'_>> {
    EpochIdentities::of(state).table().expect("a protocol state's parts were checked to fit")
}

/// The next epoch's identity table, in canonical order; see [`EpochIdentities::next_table`].
#[must_use]
pub fn next_identity_table(state: &ProtocolState) -> Option<Vec<Identity<'_>>> {
    EpochIdentities::of(state).next_table().expect("a protocol state's parts were checked to fit")
}

/// Why an epoch state and setups do not make an identity table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityTableError {
    /// A setup that the table needs is missing.
    #[error("expected the setup of an epoch that the epoch state names, found none")]
    MissingSetup,
    /// The setup lists other nodes than the epoch state.
    #[error("expected the {expected} nodes of the epoch state, found {found} other ones")]
    Participants {
        /// Nodes in the epoch state.
        expected: usize,
        /// Nodes in the setup.
        found: usize,
    },
}

/// Whether epoch state and setup list the same nodes in the same, canonical order.
pub(super) fn same_nodes(container: &EpochStateContainer, setup: &EpochSetup) -> bool {
    let nodes = &container.active_identities;
    nodes.iter().map(|node| node.node_id).eq(setup.participants.iter().map(|node| node.node_id))
        && nodes.is_sorted_by(|a, b| a.node_id < b.node_id)
}

/// Nodes of one epoch: what is fixed and what is not, side by side.
struct Side<'a> {
    skeletons: &'a [IdentitySkeleton],
    nodes: &'a [DynamicIdentityEntry],
}

impl<'a> Side<'a> {
    fn new(
        container: Option<&'a EpochStateContainer>,
        setup: Option<&'a EpochSetup>,
    ) -> Result<Self, IdentityTableError> {
        let Some(container) = container else {
            return Ok(Self { skeletons: &[], nodes: &[] });
        };
        let setup = setup.ok_or(IdentityTableError::MissingSetup)?;
        if !same_nodes(container, setup) {
            return Err(IdentityTableError::Participants {
                expected: container.active_identities.len(),
                found: setup.participants.len(),
            });
        }
        Ok(Self { skeletons: &setup.participants, nodes: &container.active_identities })
    }

    fn split_first(&mut self, status: ParticipationStatus) -> Option<Identity<'a>> {
        let (skeleton, skeletons) = self.skeletons.split_first()?;
        let (node, nodes) = self.nodes.split_first()?;
        *self = Self { skeletons, nodes };
        let status = if node.ejected { ParticipationStatus::Ejected } else { status };
        Some(Identity { skeleton, status })
    }

    fn first(&self) -> Option<&'a IdentitySkeleton> {
        self.skeletons.first()
    }
}

/// All nodes of `target` as active, and those that only `other` has with the given status.
fn merge<'a>(
    mut target: Side<'a>,
    mut other: Side<'a>,
    status: ParticipationStatus,
) -> Vec<Identity<'a>> {
    let mut table = Vec::with_capacity(target.nodes.len().saturating_add(other.nodes.len()));
    loop {
        let order = match (target.first(), other.first()) {
            (None, None) => return table,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.node_id.cmp(&b.node_id),
        };
        match order {
            Ordering::Less => table.extend(target.split_first(ParticipationStatus::Active)),
            Ordering::Greater => table.extend(other.split_first(status)),
            Ordering::Equal => {
                table.extend(target.split_first(ParticipationStatus::Active));
                other.split_first(status);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::evolve;
    use super::super::testing::{FINAL_VIEW, NODE_JOINING, committed, set_up, state};
    use super::*;
    use crate::model::{Identifier, ServiceEvent};

    fn status(table: &[Identity<'_>], node_id: Identifier) -> Option<ParticipationStatus> {
        table.iter().find(|row| row.skeleton.node_id == node_id).map(|row| row.status)
    }

    #[bounded::test]
    fn a_node_of_the_next_epoch_joins_and_then_is_active() {
        assert_eq!(status(&identity_table(&state()), NODE_JOINING), None);
        let state = set_up();
        let joining = status(&identity_table(&state), NODE_JOINING);
        assert_eq!(joining, Some(ParticipationStatus::Joining));
        let next = next_identity_table(&state).unwrap();
        assert_eq!(status(&next, NODE_JOINING), Some(ParticipationStatus::Active));
        let entered = evolve(&committed(), FINAL_VIEW + 1, &[]).unwrap();
        let active = status(&identity_table(&entered), NODE_JOINING);
        assert_eq!(active, Some(ParticipationStatus::Active));
    }

    #[bounded::test]
    fn ejected_overrides_joining() {
        let eject = ServiceEvent::EjectNode { node_id: NODE_JOINING };
        let state = evolve(&set_up(), 102, &[&eject]).unwrap();
        let status = status(&identity_table(&state), NODE_JOINING);
        assert_eq!(status, Some(ParticipationStatus::Ejected));
    }

    #[bounded::test]
    fn rejects_a_setup_of_other_nodes() {
        let state = set_up();
        let mut identities = EpochIdentities::of(&state);
        identities.next = Some(identities.current);
        let expected = IdentityTableError::Participants { expected: 9, found: 8 };
        assert_eq!(identities.table(), Err(expected));
        identities.next = None;
        assert_eq!(identities.next_table(), Err(IdentityTableError::MissingSetup));
    }
}
