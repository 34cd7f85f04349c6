//! Plain values that go in and come out.

use weir_verifier::{CLOCK_SKEW_MS_DEFAULT, TRUSTING_PERIOD_MS_MAX, TrustedBlock};

use crate::WeirError;

/// The caller's clock, and the bounds it sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Timing {
    /// The time, Unix milliseconds.
    pub now_ms: u64,
    /// Trust is extended only from a block at most so old, in milliseconds: an hour to ten years. What
    /// only the committee of an epoch before the trusted head's certifies is believed as long.
    pub trusting_period_ms: u64,
    /// How far ahead of the clock a block may be, in milliseconds: at most a day.
    pub clock_skew_ms: u64,
}

/// The time `now_ms`, Unix milliseconds, with the widest trusting period, ten years, and the usual
/// clock skew, half a minute.
#[cfg_attr(feature = "uniffi", uniffi::export)]
#[must_use]
pub fn timing_at(now_ms: u64) -> Timing {
    Timing {
        now_ms,
        trusting_period_ms: TRUSTING_PERIOD_MS_MAX,
        clock_skew_ms: CLOCK_SKEW_MS_DEFAULT,
    }
}

impl Timing {
    /// The verifier's, its bounds checked.
    pub(crate) fn check(self) -> Result<weir_verifier::Timing, WeirError> {
        weir_verifier::Timing::at(self.now_ms)
            .with_trusting_period_ms(self.trusting_period_ms)
            .and_then(|timing| timing.with_clock_skew_ms(self.clock_skew_ms))
            .map_err(|error| WeirError::usage(&error))
    }
}

/// Which part of an answer to show: a snapshot answers three questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum View {
    /// Everything.
    Whole,
    /// Of a snapshot, the epoch.
    Epoch,
    /// Of a snapshot, how far the block is.
    Status,
}

impl View {
    /// Its name in JSON.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Whole => None,
            Self::Epoch => Some("epoch"),
            Self::Status => Some("status"),
        }
    }
}

/// A block that is proved final.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Block {
    /// Its ID, 64 hexadecimal digits.
    pub block_id: String,
    /// Its height.
    pub height: u64,
    /// Its view.
    pub view: u64,
    /// Its time, Unix milliseconds.
    pub timestamp_ms: u64,
}

impl From<&TrustedBlock> for Block {
    fn from(block: &TrustedBlock) -> Self {
        Self {
            block_id: block.block_id.to_hex(),
            height: block.height,
            view: block.view,
            timestamp_ms: block.timestamp_ms,
        }
    }
}

/// What a request says is held, so that the answer leaves it out: the fields of the message
/// `weir.v1.Held`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Held {
    /// ID of the checkpoint, 32 bytes.
    pub checkpoint_id: Vec<u8>,
    /// ID of the newest block proved final, 32 bytes.
    pub head_id: Vec<u8>,
    /// Newest epoch whose committee is known.
    pub newest_epoch_counter: u64,
    /// IDs of preimages, 32 bytes each, at most 1,024.
    pub preimage_ids: Vec<Vec<u8>>,
}

/// What became of a page of epoch hops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct HopsApplied {
    /// Hops of epochs that were known already.
    pub skipped: u64,
    /// Hops that each proved the next epoch.
    pub applied: u64,
    /// Whether the server says that it has more.
    pub more: bool,
}
