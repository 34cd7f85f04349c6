//! Block messages that were made for an answer, kept for the next one.
//!
//! What a block's message says never changes, only how far the block is, which is said beside it.
//! Followers ask for the same blocks one after the other, so the latest made are the ones to keep.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use weir_proto::flow::entities;
use weir_protocol::model::Identifier;

/// The latest messages made.
#[derive(Debug, Default)]
pub(super) struct Messages(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    by_id: HashMap<Identifier, entities::Block>,
    /// IDs in the order in which their messages were made.
    order: VecDeque<Identifier>,
}

impl Messages {
    /// The message of a block: the kept one, or one that is made now.
    ///
    /// Its long parts are shared with the kept one, not copied.
    pub(super) fn of(
        &self,
        block_id: Identifier,
        make: impl FnOnce() -> entities::Block,
    ) -> entities::Block {
        if let Some(message) = self.lock().by_id.get(&block_id) {
            return message.clone();
        }
        // Made without the lock; when two make the same message, either will do.
        let message = make();
        let mut kept = self.lock();
        if kept.by_id.insert(block_id, message.clone()).is_none() {
            kept.order.push_back(block_id);
        }
        while kept.order.len() > MESSAGES_MAX {
            let oldest = kept.order.pop_front();
            oldest.and_then(|oldest| kept.by_id.remove(&oldest));
        }
        message
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Messages kept, of some 6 KB each.
const MESSAGES_MAX: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> Identifier {
        let mut id = Identifier::ZERO;
        id.0[..8].copy_from_slice(&(number as u64).to_be_bytes());
        id
    }

    #[bounded::test]
    fn a_message_is_made_once_until_it_is_displaced() {
        let messages = Messages::default();
        let made = std::cell::Cell::new(0);
        let ask = |number| {
            let make = || {
                made.set(made.get() + 1);
                entities::Block { height: number as u64, ..Default::default() }
            };
            assert_eq!(messages.of(id(number), make).height, number as u64);
        };
        (0..MESSAGES_MAX).for_each(ask);
        (0..MESSAGES_MAX).for_each(ask);
        assert_eq!(made.get(), MESSAGES_MAX);
        ask(MESSAGES_MAX);
        (1..=MESSAGES_MAX).for_each(ask);
        assert_eq!(made.get(), MESSAGES_MAX + 1);
        ask(0);
        assert_eq!(made.get(), MESSAGES_MAX + 2);
        assert_eq!(messages.lock().by_id.len(), MESSAGES_MAX);
    }
}
