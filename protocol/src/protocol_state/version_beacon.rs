//! Which version beacons count.
//!
//! flow-go passes over an invalid one at finalization (`state/protocol/badger/mutator.go`,
//! `model/flow/version_beacon.go`), and reads versions with `coreos/go-semver`.

use crate::model::{VersionBeacon, VersionBoundary};
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

impl VersionBeacon {
    /// Whether there are boundaries, heights rise, and versions are semantic and never fall.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let version = |boundary: &VersionBoundary| Version::parse(&boundary.version);
        let versions: Option<Vec<Version>> = self.version_boundaries.iter().map(version).collect();
        let heights_rise = self
            .version_boundaries
            .windows(2)
            .all(|pair| pair[0].block_height < pair[1].block_height);
        versions.is_some_and(|versions| {
            let never_fall = versions.windows(2).all(|pair| pair[0].cmp(&pair[1]).is_le());
            !versions.is_empty() && never_fall && heights_rise
        })
    }
}

/// A semantic version without its metadata, which does not count in comparisons.
struct Version {
    numbers: [i64; 3],
    pre_release: String,
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let (text, metadata) = text.split_once('+').unwrap_or((text, ""));
        let (text, pre_release) = text.split_once('-').unwrap_or((text, ""));
        let numbers: Vec<i64> =
            text.splitn(3, '.').map(|number| number.parse().ok()).collect::<Option<_>>()?;
        let is_well_formed = [metadata, pre_release].iter().all(|text| is_identifier(text));
        let numbers = numbers.try_into().ok().filter(|_| is_well_formed)?;
        Some(Self { numbers, pre_release: pre_release.into() })
    }

    fn cmp(&self, other: &Self) -> Ordering {
        let by_numbers = self.numbers.cmp(&other.numbers);
        by_numbers.then_with(|| match (&*self.pre_release, &*other.pre_release) {
            ("", "") => Ordering::Equal,
            ("", _) => Ordering::Greater,
            (_, "") => Ordering::Less,
            (a, b) => compare_pre_releases(a, b),
        })
    }
}

/// Nothing, or words of letters, digits and hyphens with dots between.
fn is_identifier(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.is_empty() || text.split('.').all(is_word)
}

/// Numbers before text, and by value; what has the same value then as text, as in go-semver.
fn compare_pre_releases(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.split('.'), b.split('.'));
    loop {
        let ordering = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => {
                let by_value = match (a.parse::<i64>(), b.parse::<i64>()) {
                    (Ok(a), Ok(b)) => a.cmp(&b),
                    (Ok(_), Err(_)) => Ordering::Less,
                    (Err(_), Ok(_)) => Ordering::Greater,
                    (Err(_), Err(_)) => Ordering::Equal,
                };
                by_value.then(a.cmp(b))
            }
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_valid(boundaries: &[(u64, &str)]) -> bool {
        let boundary = |(block_height, version): &(u64, &str)| VersionBoundary {
            block_height: *block_height,
            version: (*version).into(),
        };
        let version_boundaries = boundaries.iter().map(boundary).collect();
        VersionBeacon { version_boundaries, sequence: 1 }.is_valid()
    }

    #[bounded::test]
    fn heights_rise_and_versions_never_fall() {
        assert!(is_valid(&[(0, "0.0.0")]));
        assert!(is_valid(&[(5, "1.2.3"), (6, "1.2.3"), (7, "1.2.4-rc.1"), (9, "1.2.4")]));
        assert!(!is_valid(&[]));
        assert!(!is_valid(&[(5, "1.2.3"), (5, "1.2.4")]));
        assert!(!is_valid(&[(5, "1.2.3"), (6, "1.2.3-rc.1")]));
    }

    #[bounded::test]
    fn versions_are_those_that_go_semver_reads() {
        for version in ["1.2.3-a.b-c+7", "01.2.3", "1.2.3+", "1.2.3-"] {
            assert!(is_valid(&[(1, version)]), "{version}");
        }
        for version in ["", "1.2", "1.2.3.4", "v1.2.3", "1.2.x", "1.2.3-a..b", "1.2.3+a_b"] {
            assert!(!is_valid(&[(1, version)]), "{version}");
        }
        let ascending =
            ["1.0.0-1", "1.0.0-2", "1.0.0-10", "1.0.0-a", "1.0.0-a.1", "1.0.0", "1.0.1"];
        for pair in ascending.windows(2) {
            assert!(is_valid(&[(1, pair[0]), (2, pair[1])]), "{pair:?}");
            assert!(!is_valid(&[(1, pair[1]), (2, pair[0])]), "{pair:?}");
        }
    }
}
