//! How long the long runs go on, as `cargo xtask` says it.

use std::time::{Duration, Instant};

/// So many rounds, or so many seconds.
pub(super) struct Budget {
    rounds: Option<u64>,
    end: Option<Instant>,
}

impl Budget {
    /// What `WEIR_ROUNDS` or `WEIR_SECONDS` say; one round without.
    pub(super) fn take() -> Self {
        let seconds = number("WEIR_SECONDS").map(Duration::from_secs);
        let rounds = number("WEIR_ROUNDS").or(if seconds.is_none() { Some(1) } else { None });
        Self { rounds, end: seconds.map(|seconds| Instant::now() + seconds) }
    }

    /// Whether there is another round.
    pub(super) fn goes_on(&mut self) -> bool {
        let rounds_left = self.rounds.is_none_or(|rounds| rounds > 0);
        self.rounds = self.rounds.map(|rounds| rounds.saturating_sub(1));
        rounds_left && self.end.is_none_or(|end| Instant::now() < end)
    }
}

/// `WEIR_SEED`, or one that no other run has.
pub(super) fn seed() -> u64 {
    let drawn = || {
        u64::from(std::process::id()) << 20
            | u64::from(std::time::UNIX_EPOCH.elapsed().unwrap().subsec_micros())
    };
    number("WEIR_SEED").unwrap_or_else(drawn)
}

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|error| panic!("{variable}={value}: {error}")))
}
