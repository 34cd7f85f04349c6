//! Changes of the protocol state, each proved to come right after the one before.

use alloc::format;

use weir_protocol::model::Identifier;
use weir_protocol::request::Selector;

use super::event::trust_of;
use super::{Cursor, EventBlock, Level, Pending, Place, Point, Watch};
use crate::{AskError, Fault};
use weir_verifier::{Answer, AnswerValue, StateAt, Trust};

impl Point {
    pub(super) fn of(state: &StateAt) -> Self {
        Self { block: EventBlock::of(state), state_id: state.protocol_state_id }
    }

    /// The place after all changes of the block.
    fn cursor(&self) -> Cursor {
        let EventBlock { height, block_id, .. } = self.block;
        Cursor { height, block_id, changes: None }
    }
}

impl Place {
    /// Up to this height all final changes are told: each that was told came right after the one
    /// before it.
    pub(super) fn told_to(&self) -> u64 {
        self.reached.max(self.base.block.height)
    }

    /// The block whose changes were told last.
    fn newest(&self) -> Point {
        self.pending.last().map_or(self.base, |pending| pending.point)
    }

    fn knows(&self, block_id: Identifier) -> bool {
        self.pending.iter().any(|pending| pending.point.block.block_id == block_id)
    }
}

impl Watch {
    fn place(&mut self) -> &mut Place {
        self.place.as_mut().expect("a watch begins before it takes notices")
    }

    /// A server says that the state changes with a block.
    pub(super) async fn state_changed(
        &mut self,
        block_id: Identifier,
        height: u64,
    ) -> Result<(), AskError> {
        let tells_nothing = self.options.filter.is_nothing();
        let place = self.place();
        if tells_nothing || height <= place.told_to() || place.knows(block_id) {
            return self.nothing_new();
        }
        let (from, depth) = (self.walker.asking.present(), self.depth());
        let state = match self.walker.state_at(Selector::Id(block_id), depth).await {
            Ok(state) => state,
            Err(error) => return self.refused(from, block_id, error),
        };
        if state.trust < trust_of(self.options.level) {
            let refusal = format!("it is only {}", state.trust);
            return self.distrust(Fault::Unproved { block_id, refusal });
        }
        let parent = match self.walker.state_at_known(state.parent_id).await {
            Ok(parent) => parent,
            Err(error) => return self.refused(from, block_id, error),
        };
        let is_final = state.trust >= Trust::Finalized;
        if is_final && self.settle(state.height - 1).await? {
            return Ok(());
        }
        self.follow(&state, &parent, is_final)
    }

    /// Tells of a proved block's changes, if it comes right after those told.
    fn follow(
        &mut self,
        state: &StateAt,
        parent: &StateAt,
        is_final: bool,
    ) -> Result<(), AskError> {
        let place = self.place();
        let newest = place.newest();
        if parent.protocol_state_id != newest.state_id {
            if is_final && place.pending.is_empty() {
                let (after, up_to) = (place.told_to(), state.height);
                return self.distrust(Fault::LeftOut { after, up_to });
            }
            // Of another fork than the one told of: it is told if that one is orphaned.
            return self.nothing_new();
        }
        if state.protocol_state_id == parent.protocol_state_id
            || state.height <= newest.block.height
        {
            return self.nothing_new();
        }
        let before = place.before;
        let told = self.teller.changes(state, parent, before.as_ref());
        let point = Point::of(state);
        let place = self.place();
        if is_final && place.pending.is_empty() {
            place.base = point;
        } else {
            place.pending.push(Pending { point, cursor: newest.cursor(), told });
        }
        self.progress();
        Ok(())
    }

    /// A server says that it told of all changes up to a block.
    pub(super) async fn reached(
        &mut self,
        block_id: Identifier,
        height: u64,
    ) -> Result<(), AskError> {
        if height <= self.place().told_to() {
            return self.no_further();
        }
        let from = self.walker.asking.present();
        let tells_nothing = self.options.filter.is_nothing();
        let answer = match self.status(Selector::Id(block_id)).await {
            Ok(answer) => answer,
            Err(error) if tells_nothing && error.is_beyond_upgrade() => {
                // Nothing is told of it, and the blocks asked about may be provable all the same.
                self.progress();
                return Ok(());
            }
            Err(error) => return self.refused(from, block_id, error),
        };
        let needed = trust_of(self.options.level).max(Trust::Finalized);
        if answer.trust < needed || answer.height != height {
            let refusal = format!("it is {} at height {}", answer.trust, answer.height);
            return self.distrust(Fault::Unproved { block_id, refusal });
        }
        if self.settle(height).await? {
            return Ok(());
        }
        let AnswerValue::Status(status) = &answer.value else { return self.nothing_new() };
        let place = self.place();
        let is_open = place.pending.first().is_some_and(|first| first.point.block.height <= height);
        if is_open {
            return self.nothing_new();
        }
        if !tells_nothing && status.protocol_state_id != Some(place.base.state_id) {
            let after = place.told_to();
            return self.distrust(Fault::LeftOut { after, up_to: height });
        }
        place.reached = height;
        self.progress();
        Ok(())
    }

    /// Finds out which told changes up to a final height are final, and takes the others back;
    /// whether there were such.
    async fn settle(&mut self, height: u64) -> Result<bool, AskError> {
        if self.options.level != Level::Certified {
            return Ok(false);
        }
        while let Some(block) = self.place().pending.first().map(|pending| pending.point.block)
            && block.height <= height
        {
            let answer = match self.status(Selector::Height(block.height)).await {
                Ok(answer) => answer,
                // Not final as far as this server knows.
                Err(AskError::Transport(error)) if !error.is_silence() => return Ok(false),
                Err(error) => return Err(error),
            };
            let place = self.place();
            if answer.block_id == block.block_id {
                place.base = place.pending.remove(0).point;
                continue;
            }
            let orphaned = core::mem::take(&mut place.pending);
            let finalized = (answer.block_id, answer.height);
            orphaned.iter().rev().for_each(|pending| self.teller.revert(pending, finalized));
            // What the final fork changed may have been passed over: it comes again.
            self.subscription = None;
            return Ok(true);
        }
        Ok(false)
    }

    /// How far a block is, and the ID of its state, whatever its protocol version.
    pub(super) async fn status(&mut self, block: Selector) -> Result<Answer, AskError> {
        let depth = self.depth();
        Ok(self.walker.status(block, depth).await?.answer.into_value())
    }
}
