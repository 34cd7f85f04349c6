//! Puts events in order, each with its predecessor.

use alloc::collections::VecDeque;

use super::{BlockStatus, Cursor, Event, EventBlock, EventKind, Filter, Pending};
use weir_protocol::model::Identifier;
use weir_verifier::{Answer, StateAt, Trust, TrustedBlock};

/// Events that wait to be taken.
#[derive(Debug)]
pub(super) struct Teller {
    filter: Filter,
    /// How far blocks are whose changes are told.
    trust: Trust,
    ready: VecDeque<Event>,
    last: Option<Cursor>,
}

impl Teller {
    pub(super) fn new(filter: Filter, trust: Trust) -> Self {
        Self { filter, trust, ready: VecDeque::new(), last: None }
    }

    pub(super) fn begin(&mut self, at: Cursor) {
        self.last.get_or_insert(at);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    pub(super) fn take(&mut self) -> Option<Event> {
        self.ready.pop_front()
    }

    /// Tells of all changes of a block but those told `before`; whether there is any that is told.
    pub(super) fn changes(
        &mut self,
        state: &StateAt,
        parent: &StateAt,
        before: Option<&Cursor>,
    ) -> bool {
        let block = EventBlock { trust: self.trust, ..EventBlock::of(state) };
        let (height, block_id) = (block.height, block.block_id);
        let is_before = |number: u32| {
            before.is_some_and(|cursor| {
                let of_block = block_id == cursor.block_id;
                let is_told = cursor.changes.is_none_or(|changes| number <= changes);
                height < cursor.height || (of_block && is_told)
            })
        };
        let mut told = false;
        for (change, number) in state.changes_since(parent).into_iter().zip(1..) {
            if self.filter.admits(&change) {
                told = true;
                if !is_before(number) {
                    let cursor = Cursor { height, block_id, changes: Some(number) };
                    self.push(block, cursor, EventKind::Change(change));
                }
            }
        }
        told
    }

    /// Takes the changes of an orphaned block back.
    pub(super) fn revert(
        &mut self,
        pending: &Pending,
        (finalized_id, finalized_height): (Identifier, u64),
    ) {
        if pending.told {
            let block = EventBlock { trust: self.trust, ..pending.point.block };
            let kind = EventKind::Reverted { finalized_id, finalized_height };
            self.push(block, pending.cursor, kind);
        }
    }

    /// Tells how far a block is, which leaves the place among the changes as it is.
    pub(super) fn status(
        &mut self,
        block: EventBlock,
        status: BlockStatus,
        before: Option<BlockStatus>,
    ) {
        if let Some(cursor) = self.last {
            let block = EventBlock { trust: status.trust(), ..block };
            self.push(block, cursor, EventKind::Status { status, before });
        }
    }

    fn push(&mut self, block: EventBlock, cursor: Cursor, kind: EventKind) {
        let predecessor = self.last.replace(cursor).unwrap_or(cursor);
        self.ready.push_back(Event { block, cursor, predecessor, kind });
    }
}

impl EventBlock {
    /// The block of a state.
    pub(super) fn of(state: &StateAt) -> Self {
        let StateAt { block_id, height, view, timestamp_ms, trust, .. } = *state;
        Self { block_id, height, view, timestamp_ms, trust }
    }

    /// A block that is trusted to be final.
    pub(super) fn trusted(block: &TrustedBlock) -> Self {
        let TrustedBlock { block_id, height, view, timestamp_ms } = *block;
        Self { block_id, height, view, timestamp_ms, trust: Trust::Finalized }
    }

    /// The block of an answer.
    pub(super) fn about(answer: &Answer) -> Self {
        let Answer { block_id, height, view, timestamp_ms, trust, .. } = *answer;
        Self { block_id, height, view, timestamp_ms, trust }
    }
}
