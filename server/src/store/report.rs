//! What an audit saw.

use std::fmt;
use weir_protocol::model::{Identifier, VersionBeacon};

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

/// What an audit has to know of a payload, which the store does not interpret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PayloadFacts {
    /// IDs of the execution results in it.
    pub result_ids: Vec<Identifier>,
    /// For each seal, the sealed block and the result.
    pub seals: Vec<(Identifier, Identifier)>,
    /// The last version beacons of results that later payloads, or this one, may seal, by result.
    pub beacons: Vec<(Identifier, VersionBeacon)>,
    /// With the root: the blocks up to it that may be sealed, lowest first.
    pub up_to_root: Vec<Identifier>,
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
    /// Version beacons checked.
    pub version_beacons: u64,
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
        read: Result<T, impl fmt::Display>,
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
