//! The time, and how far a client lets it go.

use weir_verifier::{Timing, TimingError};

/// The bounds that a client sets on time; see [`Timing`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ClockOptions {
    /// Milliseconds; the widest period unless set.
    pub trusting_period_ms: Option<u64>,
    /// Milliseconds; the trusting period unless set.
    pub past_committee_age_ms: Option<u64>,
    /// Milliseconds; half a minute unless set.
    pub clock_skew_ms: Option<u64>,
    /// Unix milliseconds; what the driver's clock says unless set.
    pub now_ms: Option<u64>,
}

impl ClockOptions {
    /// The time and its bounds, where the clock says `unix_ms`.
    ///
    /// # Errors
    /// When a bound is outside its range.
    pub fn timing(&self, unix_ms: u64) -> Result<Timing, TimingError> {
        let mut timing = Timing::at(self.now_ms.unwrap_or(unix_ms));
        if let Some(period) = self.trusting_period_ms {
            timing = timing.with_trusting_period_ms(period)?;
        }
        if let Some(age) = self.past_committee_age_ms {
            timing = timing.with_past_committee_age_ms(age)?;
        }
        if let Some(skew) = self.clock_skew_ms {
            timing = timing.with_clock_skew_ms(skew)?;
        }
        Ok(timing)
    }
}
