//! What an audit saw.

use super::error::ReadError;
use std::fmt;

/// Something in the store that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The entry.
    pub entry: String,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.entry, self.reason)
    }
}

/// What an audit saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FsckReport {
    /// Blocks checked.
    pub blocks: u64,
    /// Payloads checked; pruned ones are not.
    pub payloads: u64,
    /// Preimages checked.
    pub preimages: u64,
    /// Execution results whose index entry was checked.
    pub results: u64,
    /// Finalized heights checked.
    pub heights: u64,
    /// Everything wrong.
    pub finding_count: u64,
    /// The first of it.
    pub findings: Vec<Finding>,
}

impl FsckReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.finding_count == 0
    }

    pub(super) fn add(&mut self, entry: impl fmt::Display, reason: impl Into<String>) {
        self.finding_count += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { entry: entry.to_string(), reason: reason.into() });
        }
    }

    /// The value, or `None` after noting why there is none.
    pub(super) fn take<T>(
        &mut self,
        entry: impl fmt::Display,
        read: Result<T, ReadError>,
    ) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(entry, error.to_string());
                None
            }
        }
    }
}

/// Findings kept; beyond them they are only counted.
const FINDINGS_MAX: usize = 100;
