//! From the checkpoint to the head.

use weir_protocol::evidence::HOPS_MAX;
use weir_protocol::request::{Depth, Question, Selector, Topic};
use weir_verifier::TrustedState;

use crate::{AskError, Outcome, Walker};

/// How far a client has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncProgress {
    /// Newest epoch proved.
    pub epoch_counter: u64,
    /// Epoch of the checkpoint.
    pub first_epoch_counter: u64,
    /// Newest epoch, as the server says; nothing proves it.
    pub target_epoch_counter: u64,
    /// Bytes of evidence received.
    pub bytes_received: u64,
}

impl Walker {
    /// Walks to the newest epoch and proves the newest final block, telling `progress` of each page
    /// and of what is trusted by then.
    ///
    /// Where the network runs a protocol version that is not known here, it goes as far as it can: to
    /// the newest final block of the last epoch whose committee is known.
    ///
    /// # Errors
    /// When no server gives evidence that verifies, or all are behind what is proved already; when the
    /// protocol version is not known here ([`AskError::is_beyond_upgrade`]).
    pub async fn sync(
        &mut self,
        mut progress: impl FnMut(&SyncProgress, &TrustedState),
    ) -> Result<Outcome, AskError> {
        let target_epoch_counter = self.asking.info().await?.epoch_counter;
        let first_epoch_counter = self.trusted.oldest_epoch().counter();
        for _ in 0..=HOPS_MAX {
            let more = match self.page().await {
                // Servers that do not know the epoch are behind, as their newest block shows.
                Err(AskError::Transport(refusal)) if !refusal.is_silence() => false,
                more => more?,
            };
            let reached = SyncProgress {
                epoch_counter: self.trusted.newest_epoch().counter(),
                first_epoch_counter,
                target_epoch_counter,
                bytes_received: self.bytes_received(),
            };
            progress(&reached, &self.trusted);
            if !more {
                let head = Question { block: Selector::LatestFinalized, topic: Topic::Snapshot };
                let outcome = self.ask(&head, Depth::Finality).await;
                if outcome.as_ref().is_err_and(AskError::is_beyond_upgrade) {
                    // Whether it can be proved or not, the state of the head cannot be told.
                    let _status = self.status(head.block, Depth::Finality).await;
                }
                return outcome;
            }
        }
        Err(self.too_many_hops())
    }
}
