//! The steps there are, and which of them a store needs.

use crate::steps;
use std::fmt;

/// One change of format: from one version to the next.
#[derive(Clone)]
pub struct Step {
    /// Version the step starts from.
    pub from: u32,
    /// Version it leads to.
    pub to: u32,
    /// What it changes, for people.
    pub name: &'static str,
    /// Computes the next batch of changes.
    pub run: StepFn,
}

/// Computes a batch of changes from the tree and the place where the previous batch ended.
///
/// Called with `None` first. It changes nothing by itself, handles a bounded number of entries a
/// call, and decodes old entries with frozen copies of the old codecs.
pub type StepFn = fn(&sled::Tree, Option<&[u8]>) -> Result<StepBatch, StepError>;

/// What one call of a step wants changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StepBatch {
    /// Keys with their new values; `None` removes the key.
    pub changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Where the next batch starts; `None` after the last one.
    pub next: Option<Vec<u8>>,
}

/// All steps known, in order.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    steps: Vec<Step>,
}

impl Registry {
    /// The steps of this release.
    #[must_use]
    pub fn production() -> Self {
        Self::new(vec![steps::result_index::STEP, steps::version_beacons::STEP])
    }

    /// A registry of the given steps.
    #[must_use]
    pub fn new(steps: Vec<Step>) -> Self {
        Self { steps }
    }

    /// The steps that lead from one version to another.
    ///
    /// # Errors
    /// When the store is newer than `target`, or no step starts from a version on the way.
    pub fn plan(&self, version: u32, target: u32) -> Result<Plan, PlanError> {
        if version > target {
            return Err(PlanError::Newer { found: version, target });
        }
        let mut steps = Vec::new();
        let mut reached = version;
        while reached < target {
            let leads_on = |step: &&Step| step.from == reached && reached < step.to;
            let step = self.steps.iter().find(leads_on);
            let step = step.filter(|step| step.to <= target);
            let step = step.ok_or(PlanError::NoStep { from: reached, target })?;
            reached = step.to;
            steps.push(step.clone());
        }
        Ok(Plan { version, target, steps })
    }
}

/// The steps a store needs, in order; empty when it is up to date.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Version of the store.
    pub version: u32,
    /// Version to reach.
    pub target: u32,
    /// Steps to run.
    pub steps: Vec<Step>,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} to {})", self.name, self.from, self.to)
    }
}

/// Why there is no way from one version to another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The store is of a later release.
    #[error(
        "the store has format {found}, newer than {target}, the newest this version knows; \
         use a newer weir-server"
    )]
    Newer {
        /// The store's version.
        found: u32,
        /// Newest version known.
        target: u32,
    },
    /// The way is interrupted.
    #[error("no migration leads from format {from} towards {target}; rebuild the store")]
    NoStep {
        /// Version that no step starts from.
        from: u32,
        /// Version to reach.
        target: u32,
    },
}

impl StepError {
    /// The entry under `key` is not what the old format allows.
    #[must_use]
    pub fn damaged(key: &[u8], reason: impl Into<String>) -> Self {
        let key = key.iter().map(|byte| format!("{byte:02x}")).collect();
        Self::Damaged { key, reason: reason.into() }
    }
}

/// Why a step cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sled::Error),
    /// An entry is not what the old format allows.
    #[error("entry {key} is damaged: {reason}; rebuild the store from a source")]
    Damaged {
        /// The key, in hexadecimal.
        key: String,
        /// What is wrong.
        reason: String,
    },
}
