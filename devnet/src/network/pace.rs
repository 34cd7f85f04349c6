//! Which view comes next, on which parent, and what becomes of its block.

use weir_protocol::model::Identifier;

use crate::config::Chances;
use crate::random::Random;

/// The pace of consensus.
#[derive(Debug)]
pub(super) struct Pace {
    chances: Chances,
    random: Random,
    /// The newest certified block that is not left behind.
    tip: Identifier,
    /// A certified block that is left behind, and whose child is to come.
    left_behind: Option<Identifier>,
    view: u64,
}

/// A view with a proposal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// The view.
    pub(super) view: u64,
    /// The block to extend.
    pub(super) parent_id: Identifier,
    /// What becomes of the proposal.
    pub(super) fate: Fate,
}

/// What becomes of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is certified, and the chain goes on from it.
    Certified,
    /// It gathers no quorum.
    TimedOut,
    /// It is certified, but too few learn of it: only one more block, which times out, extends it.
    LeftBehind,
}

impl Pace {
    /// Starts after the root.
    pub(super) fn new(chances: Chances, random: Random, root: (Identifier, u64)) -> Self {
        let (tip, view) = root;
        Self { chances, random, tip, left_behind: None, view: view + 1 }
    }

    /// The next view with a proposal.
    pub(super) fn next(&mut self) -> Slot {
        let slot = match self.left_behind.take() {
            Some(parent_id) => Slot { view: self.view, parent_id, fate: Fate::TimedOut },
            None => {
                if self.random.happens(self.chances.view_gap_per_mille) {
                    self.view += self.random.between(1, VIEW_GAP_MAX);
                }
                Slot { view: self.view, parent_id: self.tip, fate: self.fate() }
            }
        };
        self.view += 1;
        slot
    }

    /// Takes note of the block made in a slot.
    pub(super) fn produced(&mut self, slot: &Slot, block_id: Identifier) {
        match slot.fate {
            Fate::Certified => self.tip = block_id,
            Fate::TimedOut => {}
            Fate::LeftBehind => self.left_behind = Some(block_id),
        }
    }

    fn fate(&mut self) -> Fate {
        if self.random.happens(self.chances.timeout_per_mille) {
            Fate::TimedOut
        } else if self.random.happens(self.chances.fork_per_mille) {
            Fate::LeftBehind
        } else {
            Fate::Certified
        }
    }
}

/// Most views skipped at once.
const VIEW_GAP_MAX: u64 = 3;
