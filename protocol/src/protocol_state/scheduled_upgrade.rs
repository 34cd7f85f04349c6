//! Upgrades of the protocol state: to which version, from which view on, and about when that is.

use crate::model::{EpochSetup, KvStore};
use alloc::format;
use alloc::string::{String, ToString as _};
use core::fmt;
use core::time::Duration;

/// An upgrade that a protocol state schedules, or that came into force last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduledUpgrade {
    /// The version.
    pub version: u64,
    /// First view from which on it is in force.
    pub activation_view: u64,
    /// About when that view comes or came, Unix milliseconds, at the pace that the current epoch was
    /// set up for; none when its setup names no duration.
    pub about_ms: Option<u64>,
}

impl ScheduledUpgrade {
    /// The upgrade in the state of a block of this view and time, with the setup of its epoch.
    #[must_use]
    pub fn of(kv: &KvStore, setup: &EpochSetup, (view, timestamp_ms): (u64, u64)) -> Option<Self> {
        let upgrade = kv.version_upgrade?;
        let views = i128::from(upgrade.activation_view) - i128::from(view);
        let about_ms = view_ms(setup, views)
            .and_then(|distance| u64::try_from(i128::from(timestamp_ms) + distance).ok());
        let (version, activation_view) = (upgrade.data, upgrade.activation_view);
        Some(Self { version, activation_view, about_ms })
    }

    /// Whether it is in force at a view.
    #[must_use]
    pub fn is_in_force(&self, view: u64) -> bool {
        self.activation_view <= view
    }

    /// In words for people, with about when it comes where that is known; `date` writes a time since
    /// 1970 of before the year 10,000, the last that a date has four digits for.
    #[must_use]
    pub fn announced(&self, date: impl FnOnce(Duration) -> String) -> String {
        let time = self.about_ms.filter(|ms| *ms < YEAR_10_000_MS).map(Duration::from_millis);
        time.map_or_else(|| self.to_string(), |time| format!("{self}, about {}", date(time)))
    }
}

impl fmt::Display for ScheduledUpgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "protocol version {} from view {}", self.version, self.activation_view)
    }
}

const YEAR_10_000_MS: u64 = 253_402_300_800_000;

/// Milliseconds that so many views take, at the epoch's pace.
fn view_ms(setup: &EpochSetup, views: i128) -> Option<i128> {
    let in_epoch = setup.final_view.checked_sub(setup.first_view)?.checked_add(1)?;
    let duration_ms = i128::from(setup.target_duration) * 1000;
    (duration_ms > 0).then(|| views.saturating_mul(duration_ms) / i128::from(in_epoch))
}

#[cfg(test)]
mod tests {
    use super::super::testing::state;
    use super::*;
    use crate::model::ViewBasedActivator;

    #[bounded::test]
    fn the_epochs_pace_says_when() {
        let state = state();
        let mut setup = (**state.current_setup()).clone();
        (setup.first_view, setup.final_view, setup.target_duration) = (100, 199, 50);
        let mut kv = state.kv().clone();
        assert_eq!(ScheduledUpgrade::of(&kv, &setup, (150, 9_000)), None);
        kv.version_upgrade = Some(ViewBasedActivator { data: 9, activation_view: 160 });
        let of = |setup: &EpochSetup, block| ScheduledUpgrade::of(&kv, setup, block).unwrap();
        // Half a second a view.
        assert_eq!(of(&setup, (150, 9_000)).about_ms, Some(14_000));
        assert_eq!(of(&setup, (170, 9_000)).about_ms, Some(4_000));
        assert_eq!(of(&setup, (200, 9_000)).about_ms, None, "before 1970");
        let upgrade = of(&setup, (159, 0));
        assert!(!upgrade.is_in_force(159) && upgrade.is_in_force(160));
        let words = "protocol version 9 from view 160";
        assert_eq!(upgrade.to_string(), words);
        let announced = |about_ms| {
            let seconds = |since: Duration| since.as_secs().to_string();
            ScheduledUpgrade { about_ms, ..upgrade }.announced(seconds)
        };
        assert_eq!(announced(Some(YEAR_10_000_MS - 1)), format!("{words}, about 253402300799"));
        // No date has room for it, and it is no reason to fail.
        for about_ms in [None, Some(YEAR_10_000_MS), Some(u64::MAX)] {
            assert_eq!(announced(about_ms), words);
        }
        for (first_view, final_view, target_duration) in
            [(100, 199, 0), (1, 0, 50), (0, u64::MAX, 1)]
        {
            let odd = EpochSetup { first_view, final_view, target_duration, ..setup.clone() };
            assert_eq!(of(&odd, (150, 9_000)).about_ms, None);
        }
    }
}
