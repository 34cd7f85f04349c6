//! Where a watch begins.

use alloc::vec::Vec;

use weir_protocol::request::{Question, Selector, Topic};

use super::{Cursor, EventBlock, Level, Place, Point, Start, Watch, WatchError};
use weir_protocol::model::Identifier;
use weir_verifier::{StateAt, Trust, Verified};

impl Watch {
    /// Proves the state to begin with, and tells what the start left of its block's changes.
    pub(super) async fn begin(&mut self) -> Result<(), WatchError> {
        let latest = match self.options.level {
            Level::Sealed => Selector::LatestSealed,
            Level::Certified | Level::Finalized => Selector::LatestFinalized,
        };
        if self.options.filter.is_nothing() && self.options.start == Start::Latest {
            return self.begin_with_blocks(latest).await;
        }
        let (state, before) = match self.options.start {
            Start::Latest => (self.state(latest).await?, None),
            Start::Height(height) => (self.state(Selector::Height(height)).await?, None),
            Start::After(cursor) => {
                let state = self.state(Selector::Id(cursor.block_id)).await?;
                if state.height != cursor.height {
                    return Err(WatchError::Height { cursor, found: state.height });
                }
                if state.trust >= Trust::Finalized {
                    (state, Some(cursor))
                } else {
                    (self.undecided(cursor).await?, Some(cursor))
                }
            }
        };
        let at = Cursor { height: state.height, block_id: state.block_id, changes: None };
        self.teller.begin(before.unwrap_or(at));
        if let Some(cursor) = before.filter(|cursor| cursor.block_id == state.block_id)
            && cursor.changes.is_some()
        {
            let parent = self.walker.state_at_known(state.parent_id).await?;
            self.teller.changes(&state, &parent, Some(&cursor));
        }
        self.take_place(Point::of(&state), before.filter(|cursor| cursor.height > state.height));
        Ok(())
    }

    /// Goes on from a block, up to which nothing is missing.
    fn take_place(&mut self, base: Point, before: Option<Cursor>) {
        let (reached, pending) = (base.block.height, Vec::new());
        self.place = Some(Place { base, reached, pending, before });
        self.progress();
        self.heard = self.now();
    }

    /// Begins a watch of blocks alone, which needs no protocol state.
    async fn begin_with_blocks(&mut self, latest: Selector) -> Result<(), WatchError> {
        let block = match self.status(latest).await {
            Ok(answer) => EventBlock::about(&answer),
            // What can be proved ends before the newest block; blocks before it can come further.
            Err(error) if error.is_beyond_upgrade() => {
                EventBlock::trusted(self.walker.trusted().head())
            }
            Err(error) => return Err(error.into()),
        };
        self.teller.begin(Cursor { height: block.height, block_id: block.block_id, changes: None });
        // No change is told, so that no state is compared with this one.
        self.take_place(Point { block, state_id: Identifier::ZERO }, None);
        Ok(())
    }

    /// The newest final state, to come to an undecided block from.
    async fn undecided(&mut self, cursor: Cursor) -> Result<Verified<StateAt>, WatchError> {
        if self.options.level != Level::Certified {
            return Err(WatchError::NotFinal { cursor });
        }
        let newest = self.state(Selector::LatestFinalized).await?;
        if newest.height < cursor.height {
            return Ok(newest);
        }
        let question = Question { block: Selector::Height(cursor.height), topic: Topic::Snapshot };
        let finalized_id = self.walker.ask(&question, self.depth()).await?.answer.block_id;
        if finalized_id == cursor.block_id {
            return Ok(newest);
        }
        Err(WatchError::Orphaned { cursor, finalized_id })
    }

    async fn state(&mut self, block: Selector) -> Result<Verified<StateAt>, WatchError> {
        let depth = self.depth();
        Ok(self.walker.state_at(block, depth).await?)
    }
}
