//! The newest blocks that are proved: an answer about the newest block should not stand below them.

use std::sync::atomic::{AtomicU64, Ordering};

use weir_protocol::request::Selector;
use weir_verifier::{Answer, Trust};

/// Heights of the newest final and the newest sealed block that an answer proved.
#[derive(Debug, Default)]
pub(crate) struct Newest {
    finalized: AtomicU64,
    sealed: AtomicU64,
}

impl Newest {
    /// Takes note of a verified answer.
    pub(crate) fn saw(&self, answer: &Answer) {
        for (height, trust) in [(&self.finalized, Trust::Finalized), (&self.sealed, Trust::Sealed)]
        {
            if answer.trust >= trust {
                height.fetch_max(answer.height, Ordering::Relaxed);
            }
        }
    }

    /// Whether a verified answer is about an older block than the newest of the kind that was asked for.
    pub(crate) fn is_ahead_of(&self, answer: &Answer, asked: Selector) -> bool {
        let known = match asked {
            Selector::LatestFinalized => &self.finalized,
            Selector::LatestSealed => &self.sealed,
            Selector::Id(_) | Selector::Height(_) => return false,
        };
        answer.height < known.load(Ordering::Relaxed)
    }
}
