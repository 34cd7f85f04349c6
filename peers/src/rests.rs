//! How long a silent peer is left alone.

use core::time::Duration;

/// How long a silent peer is left alone: twice as long each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rests {
    /// After the first silence.
    pub first: Duration,
    /// At most so long.
    pub longest: Duration,
    /// Makes each rest up to twice as long, so that not all processes come back at the same moment:
    /// a random number of this process, or 0 for rests as they are named here.
    pub spread: u64,
}

impl Rests {
    /// The rest after so many silences in a row before this one.
    #[must_use]
    pub fn after(&self, silences: u32) -> Duration {
        let factor = 1_u32.checked_shl(silences).unwrap_or(u32::MAX);
        let rest = self.first.saturating_mul(factor).min(self.longest);
        let share = self.share(silences);
        rest.saturating_add(rest.mul_f32(share)).min(self.longest)
    }

    /// A share from 0 to 1.
    fn share(&self, silences: u32) -> f32 {
        // Multiplying by an odd number and taking the upper bits spreads seeds that are near each
        // other (Knuth's multiplicative method).
        let mixed = (self.spread.wrapping_add(silences.into())).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let upper = u16::try_from(mixed >> 48).unwrap_or_default();
        if self.spread == 0 { 0.0 } else { f32::from(upper) / f32::from(u16::MAX) }
    }
}
