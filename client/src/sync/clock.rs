//! The time, and how far a client lets it go.

use std::time::{SystemTime, UNIX_EPOCH};

use weir_verifier::{Timing, TimingError};

/// What the caller's clock says, and the bounds it sets; see [`Timing`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ClockOptions {
    /// Milliseconds; the widest period unless set.
    pub trusting_period_ms: Option<u64>,
    /// Milliseconds; half a minute unless set.
    pub clock_skew_ms: Option<u64>,
    /// Unix milliseconds; the system's clock unless set.
    pub now_ms: Option<u64>,
}

impl ClockOptions {
    /// The time and its bounds.
    ///
    /// # Errors
    /// When a bound is outside its range.
    pub fn timing(&self) -> Result<Timing, TimingError> {
        let system_ms = || {
            let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
        };
        let mut timing = Timing::at(self.now_ms.unwrap_or_else(system_ms));
        if let Some(period) = self.trusting_period_ms {
            timing = timing.with_trusting_period_ms(period)?;
        }
        if let Some(skew) = self.clock_skew_ms {
            timing = timing.with_clock_skew_ms(skew)?;
        }
        Ok(timing)
    }
}
