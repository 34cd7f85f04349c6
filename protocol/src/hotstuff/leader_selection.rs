//! Who leads which view of an epoch.
//!
//! flow-go `consensus/hotstuff/committees/leader`: a leader for each view, drawn by weight from
//! the consensus committee with the random source of the epoch's setup. The draw knows nothing of
//! forks and ejections: an ejected node keeps its views, in which nobody votes for its proposals.

use super::committee_members;
use crate::model::{EpochSetup, Identifier};
use crate::prg::{Customizer, Prg};
use alloc::vec::Vec;

/// The leaders of an epoch's views, drawn as far as somebody asked.
#[derive(Debug)]
pub struct LeaderSelection {
    first_view: u64,
    members: Vec<Identifier>,
    /// Of each member and all before it.
    weight_sums: Vec<u64>,
    prg: Prg,
    /// Positions of the leaders among the members, from the first view on.
    leaders: Vec<u16>,
}

impl LeaderSelection {
    /// Starts the selection of an epoch.
    ///
    /// # Errors
    /// When the setup has no consensus node with weight, more than 65,534 of them, or weights whose
    /// sum exceeds 64 bits.
    pub fn new(setup: &EpochSetup) -> Result<Self, LeaderSelectionError> {
        let mut members = Vec::new();
        let mut weight_sums = Vec::new();
        let mut sum = 0u64;
        for node in committee_members(&setup.participants) {
            sum =
                sum.checked_add(node.initial_weight).ok_or(LeaderSelectionError::WeightOverflow)?;
            members.push(node.node_id);
            weight_sums.push(sum);
        }
        match members.len() {
            0 => return Err(LeaderSelectionError::Empty),
            1..=MEMBERS_MAX => {}
            found => return Err(LeaderSelectionError::TooMany { found }),
        }
        Ok(Self {
            first_view: setup.first_view,
            members,
            weight_sums,
            prg: Prg::new(&setup.random_source, Customizer::ConsensusLeaderSelection),
            leaders: Vec::new(),
        })
    }

    /// Returns the leader of a view; none for views before the epoch's first.
    ///
    /// Draws the leaders of all views up to this one, two bytes each, so the caller sees to it that
    /// the view is in the epoch. The views of an extension go on where the epoch's own end.
    pub fn leader_for_view(&mut self, view: u64) -> Option<Identifier> {
        let place = usize::try_from(view.checked_sub(self.first_view)?).ok()?;
        while self.leaders.len() <= place {
            let leader = self.draw();
            self.leaders.push(leader);
        }
        self.members.get(usize::from(self.leaders[place])).copied()
    }

    fn draw(&mut self) -> u16 {
        let total = self.weight_sums.last().copied().unwrap_or_default();
        let drawn = self.prg.below(total);
        let leader = self.weight_sums.partition_point(|sum| *sum <= drawn);
        u16::try_from(leader).unwrap_or(u16::MAX)
    }
}

/// Why an epoch has no leaders.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaderSelectionError {
    /// No consensus node with weight.
    #[error("no consensus node with weight")]
    Empty,
    /// More nodes than flow-go can number.
    #[error("leaders are drawn from at most {MEMBERS_MAX} consensus nodes, found {found}")]
    TooMany {
        /// Nodes found.
        found: usize,
    },
    /// Weights beyond 64 bits.
    #[error("the consensus nodes' weights overflow")]
    WeightOverflow,
}

/// flow-go numbers leaders with 16 bits, and leaves out the highest.
const MEMBERS_MAX: usize = u16::MAX as usize - 1;
