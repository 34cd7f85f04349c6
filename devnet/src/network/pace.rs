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
    finalized_view: u64,
    /// Views after the latest final block from which on nothing goes wrong, until the next is final.
    patience_views: u64,
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
    ///
    /// `safety_threshold` is the protocol's: in so many views a block becomes final.
    pub(super) fn new(
        chances: Chances,
        random: Random,
        root: (Identifier, u64),
        safety_threshold: u64,
    ) -> Self {
        let (tip, view) = root;
        Self {
            chances,
            random,
            tip,
            left_behind: None,
            view: view + 1,
            finalized_view: view,
            patience_views: safety_threshold.saturating_sub(RECOVERY_VIEWS),
        }
    }

    /// Whether it takes so long for a block to become final that nothing may go wrong any more.
    ///
    /// The protocol relies on it that a block is final within the finalization safety threshold: a
    /// node of flow-go stops at the end of an epoch that it does not yet know what follows of.
    pub(super) fn is_pressed(&self) -> bool {
        self.view > self.finalized_view + self.patience_views
    }

    /// The next view with a proposal.
    pub(super) fn next(&mut self) -> Slot {
        let slot = match self.left_behind.take() {
            Some(parent_id) => Slot { view: self.view, parent_id, fate: Fate::TimedOut },
            None => {
                if self.random.happens(self.chances.view_gap_per_mille) && !self.is_pressed() {
                    self.view += self.random.between(1, VIEW_GAP_MAX);
                }
                Slot { view: self.view, parent_id: self.tip, fate: self.fate() }
            }
        };
        self.view += 1;
        slot
    }

    /// Takes note of a slot in which nobody proposes.
    pub(super) fn skipped(&mut self, slot: &Slot) {
        if slot.parent_id != self.tip {
            self.left_behind = Some(slot.parent_id);
        }
    }

    /// Takes note of the latest final block.
    pub(super) fn finalized(&mut self, view: u64) {
        self.finalized_view = view;
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
        if self.is_pressed() {
            Fate::Certified
        } else if self.random.happens(self.chances.timeout_per_mille) {
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
/// Views until a block is final and known to be, after the last mishap: a gap of views, a block that
/// is left behind, its child, then two blocks and a third that tells of the second's certificate.
const RECOVERY_VIEWS: u64 = VIEW_GAP_MAX + 5;
