//! Versions of the protocol state that are not known here: who scheduled them.
//!
//! A server may say of any block that its state has such a version, so it is believed only where a
//! proved state schedules it. A client that was away when it was scheduled finds the last block that it
//! understands: between one that it does and one that it does not, it asks for the block half way.

use weir_protocol::request::{Depth, Question, Selector, Topic};
use weir_verifier::{Missing, Rejection};

use crate::{AskError, Walker};

/// A block whose state has a version that is not known, and that no proved state schedules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unscheduled {
    height: u64,
    view: u64,
}

impl Unscheduled {
    /// The block, if that is why there is no answer.
    pub(crate) fn of(error: &AskError) -> Option<Self> {
        match *error {
            AskError::Rejected {
                rejection: Rejection::Missing(Missing::UpgradeSchedule { height, view, .. }),
                ..
            } => Some(Self { height, view }),
            _ => None,
        }
    }
}

impl Walker {
    /// Looks for the state that scheduled the version of a block, as far back as the checkpoint.
    ///
    /// Afterwards what is trusted tells whether the version is the network's. When nobody proves the
    /// blocks on the way, it does not, and the block stays what it was.
    pub(crate) async fn find_schedule(&mut self, block: Unscheduled) -> Result<(), AskError> {
        let (checkpoint, head) = (self.trusted.checkpoint().height, self.trusted.head().height);
        let newest = head.clamp(checkpoint, block.height.max(checkpoint));
        for (low, high) in [(newest, block.height), (checkpoint, newest)] {
            self.narrow((low, high), block.view).await?;
        }
        Ok(())
    }

    /// Halves the heights between one that is understood and one that is not, until a state schedules
    /// what comes, or they are neighbours.
    async fn narrow(&mut self, (mut low, mut high): (u64, u64), view: u64) -> Result<(), AskError> {
        while high.saturating_sub(low) > 1 && !self.is_scheduled(view) {
            let middle = low + (high - low) / 2;
            if self.understands(middle).await? {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(())
    }

    fn is_scheduled(&self, view: u64) -> bool {
        self.trusted.upgrade_ahead().is_some_and(|upgrade| upgrade.activation_view <= view)
    }

    /// Whether the state of the final block at a height can be told.
    async fn understands(&mut self, height: u64) -> Result<bool, AskError> {
        let question = Question { block: Selector::Height(height), topic: Topic::Snapshot };
        let asked = self.ask_known(&question, Depth::Finality, |block| block.answer());
        match asked.await {
            Ok(_) => Ok(true),
            Err(AskError::Rejected { rejection, .. })
                if rejection.is_about_version() || is_of_later_epoch(&rejection) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether a block lies in an epoch whose committee follows from states that cannot be told.
fn is_of_later_epoch(rejection: &Rejection) -> bool {
    matches!(rejection, Rejection::Missing(Missing::LaterEpoch { .. }))
}
