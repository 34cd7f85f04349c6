//! Time, as an argument: how old trust may be, and how far clocks may differ.

use super::trusted::TrustedBlock;
use super::{AnchoredBy, Missing, Rejection, TrustedState};
use weir_protocol::codec::Entity as _;
use weir_protocol::model::{Header, Identifier};

/// The caller's clock, and the bounds it sets.
///
/// The verifier reads no clock; whoever calls it says what time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    now_ms: u64,
    trusting_period_ms: u64,
    past_committee_age_ms: Option<u64>,
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
            past_committee_age_ms: None,
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

    /// Takes the certificate of a committee of before the trusted head's epoch for proof only as long
    /// as what it certifies is at most so old, in milliseconds; zero leaves hash links alone. The
    /// trusting period unless set.
    ///
    /// The keys of such a committee may have been sold since. Nothing later depends on what they
    /// prove, so this age may be shorter or longer than that of trust itself.
    ///
    /// # Errors
    /// Above [`TRUSTING_PERIOD_MS_MAX`].
    pub fn with_past_committee_age_ms(self, age_ms: u64) -> Result<Self, TimingError> {
        if age_ms > TRUSTING_PERIOD_MS_MAX {
            return Err(TimingError::PastCommitteeAge { found: age_ms });
        }
        Ok(Self { past_committee_age_ms: Some(age_ms), ..self })
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

    /// The committee of an epoch before the head's may still be believed about this block.
    ///
    /// `superseded` is the first block known to be final of a later epoch. The block's own time is the
    /// committee's word, and whoever bought its keys would choose a fresh one; so the earlier of both
    /// counts.
    pub(super) fn check_past_committee(
        &self,
        epoch_counter: u64,
        header: &Header,
        superseded: &TrustedBlock,
    ) -> Result<AnchoredBy, Missing> {
        let since_ms = header.timestamp_ms.min(superseded.timestamp_ms);
        let age_ms = self.now_ms.saturating_sub(since_ms);
        let age_ms_max = self.past_committee_age_ms.unwrap_or(self.trusting_period_ms);
        if age_ms > age_ms_max {
            let block_id = header.id();
            return Err(Missing::PastCommittee { block_id, epoch_counter, age_ms, age_ms_max });
        }
        Ok(AnchoredBy::PastCommittee { epoch_counter, since_ms, age_ms_max })
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
    /// The age of what past committees certify is out of bounds.
    #[error(
        "what past committees certify is at most {TRUSTING_PERIOD_MS_MAX} ms old, found {found}"
    )]
    PastCommitteeAge {
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
