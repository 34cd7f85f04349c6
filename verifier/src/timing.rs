//! Time, as an argument: how old trust may be, and how far clocks may differ.

use super::trusted::TrustedBlock;
use super::{Missing, Rejection, TrustedState};
use weir_protocol::codec::Entity as _;
use weir_protocol::model::{Header, Identifier};

/// The caller's clock, and the bounds it sets.
///
/// The verifier reads no clock; whoever calls it says what time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    now_ms: u64,
    trusting_period_ms: u64,
    clock_skew_ms: u64,
}

impl Timing {
    /// The time, Unix milliseconds.
    #[must_use]
    pub const fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// The widest trusting period and the usual clock skew, as of `now_ms`, Unix milliseconds.
    #[must_use]
    pub const fn at(now_ms: u64) -> Self {
        Self {
            now_ms,
            trusting_period_ms: TRUSTING_PERIOD_MS_MAX,
            clock_skew_ms: CLOCK_SKEW_MS_DEFAULT,
        }
    }

    /// Extends trust only from a block at most so old, in milliseconds.
    ///
    /// Committees of long past epochs hold nothing that they could lose by signing another
    /// history, so the older the newest trusted block, the weaker what follows from it.
    ///
    /// # Errors
    /// Outside [`TRUSTING_PERIOD_MS_MIN`] to [`TRUSTING_PERIOD_MS_MAX`].
    pub fn with_trusting_period_ms(self, trusting_period_ms: u64) -> Result<Self, TimingError> {
        let (min, max) = (TRUSTING_PERIOD_MS_MIN, TRUSTING_PERIOD_MS_MAX);
        if !(min..=max).contains(&trusting_period_ms) {
            return Err(TimingError::TrustingPeriod { found: trusting_period_ms });
        }
        Ok(Self { trusting_period_ms, ..self })
    }

    /// Accepts blocks that are so far ahead of the caller's clock, in milliseconds.
    ///
    /// # Errors
    /// Above [`CLOCK_SKEW_MS_MAX`].
    pub fn with_clock_skew_ms(self, clock_skew_ms: u64) -> Result<Self, TimingError> {
        if clock_skew_ms > CLOCK_SKEW_MS_MAX {
            return Err(TimingError::ClockSkew { found: clock_skew_ms });
        }
        Ok(Self { clock_skew_ms, ..self })
    }

    /// Trust may be extended now: the clock is not before what is trusted, nor too far after it.
    pub(super) fn check_trust(&self, trusted: &TrustedState) -> Result<(), Rejection> {
        let TrustedBlock { block_id, timestamp_ms, .. } = *trusted.head();
        if timestamp_ms > self.latest_ms() {
            return Err(self.slow_clock(block_id, timestamp_ms).into());
        }
        let age_ms = self.now_ms.saturating_sub(timestamp_ms);
        if age_ms > self.trusting_period_ms {
            let trusting_period_ms = self.trusting_period_ms;
            return Err(Missing::TrustExpired { block_id, age_ms, trusting_period_ms }.into());
        }
        Ok(())
    }

    /// The block is not from the future; if it is, nothing says whose clock is wrong, but whoever
    /// asks can look at one.
    pub(super) fn check_block(&self, header: &Header) -> Result<(), Missing> {
        let timestamp_ms = header.timestamp_ms;
        if timestamp_ms > self.latest_ms() {
            return Err(self.slow_clock(header.id(), timestamp_ms));
        }
        Ok(())
    }

    fn slow_clock(&self, block_id: Identifier, timestamp_ms: u64) -> Missing {
        let Self { now_ms, clock_skew_ms, .. } = *self;
        Missing::Clock { now_ms, block_id, timestamp_ms, clock_skew_ms }
    }

    fn latest_ms(&self) -> u64 {
        self.now_ms.saturating_add(self.clock_skew_ms)
    }
}

/// Why a bound on time is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimingError {
    /// The trusting period is out of bounds.
    #[error(
        "the trusting period is {TRUSTING_PERIOD_MS_MIN} to {TRUSTING_PERIOD_MS_MAX} ms, found \
         {found}"
    )]
    TrustingPeriod {
        /// Milliseconds found.
        found: u64,
    },
    /// The clock skew is out of bounds.
    #[error("the clock skew is at most {CLOCK_SKEW_MS_MAX} ms, found {found}")]
    ClockSkew {
        /// Milliseconds found.
        found: u64,
    },
}

const HOUR_MS: u64 = 60 * 60 * 1000;
/// Shortest trusting period: an hour.
pub const TRUSTING_PERIOD_MS_MIN: u64 = HOUR_MS;
/// Longest trusting period, and the default: ten years.
pub const TRUSTING_PERIOD_MS_MAX: u64 = 3653 * 24 * HOUR_MS;
/// Clock skew unless the caller sets another: half a minute.
pub const CLOCK_SKEW_MS_DEFAULT: u64 = 30 * 1000;
/// Largest clock skew: a day.
pub const CLOCK_SKEW_MS_MAX: u64 = 24 * HOUR_MS;
