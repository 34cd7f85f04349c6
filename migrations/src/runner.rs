//! Runs the steps a store needs, a bounded batch at a time, and resumes where it was interrupted.

use crate::database::{Database, guarded};
use crate::error::DatabaseError;
use crate::format::{
    self, FormatError, META_KEY, META_PREFIX, checked_value, open_value, version_entry,
};
use crate::registry::{Plan, PlanError, Registry, Step, StepBatch, StepError};
use std::path::{Path, PathBuf};

/// Whether to change anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Only says what would be done; the folder stays as it is, byte for byte.
    DryRun,
    /// Migrates.
    Apply,
}

/// How far a migration has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationProgress {
    /// Name of the step.
    pub step: &'static str,
    /// Batches of this step written by this run.
    pub batches: u64,
    /// Entries changed by those batches.
    pub entries: u64,
}

/// Brings the store in `folder` to the version `target` and says which steps that took.
///
/// A step's batch, and the note where the next one starts, are one atomic write: killed at any
/// instant, the next run goes on from the last batch. `progress` is called after every batch on
/// disk.
///
/// # Errors
/// When the folder holds no store or a newer one (which is left untouched), when no steps lead to
/// `target`, or when a step or the database fails.
pub fn migrate(
    folder: &Path,
    registry: &Registry,
    target: u32,
    mode: Mode,
    mut progress: impl FnMut(&MigrationProgress),
) -> Result<Plan, MigrateError> {
    let fence = format::folder_version(folder)?;
    let fence = fence.ok_or_else(|| FormatError::NotAStore { path: folder.to_path_buf() })?;
    if fence > target {
        return Err(PlanError::Newer { found: fence, target }.into());
    }
    if mode == Mode::DryRun {
        // The fence is all that can be read without changing the folder. Only an interrupted
        // migration leaves it ahead of the data, and the plan then names the steps still unnamed.
        return Ok(registry.plan(fence, target)?);
    }
    let database = Database::open(folder, CACHE_BYTES)?;
    let version = format::read_version(database.tree(), folder)?;
    let version = version.ok_or_else(|| FormatError::NotAStore { path: folder.to_path_buf() })?;
    let plan = registry.plan(version, target)?;
    for step in &plan.steps {
        format::write_folder_version(folder, step.to)?;
        run_step(&database, folder, step, &mut progress)?;
    }
    Ok(plan)
}

fn run_step(
    database: &Database,
    folder: &Path,
    step: &Step,
    progress: &mut impl FnMut(&MigrationProgress),
) -> Result<(), MigrateError> {
    let mut report = MigrationProgress { step: step.name, batches: 0, entries: 0 };
    let mut cursor = read_cursor(database, folder, step)?;
    loop {
        let batch = guarded(|| (step.run)(database.tree(), cursor.as_deref()));
        let batch = batch.map_err(|panic| database_failed(folder, panic.into()))?;
        let batch = batch.map_err(|source| MigrateError::Step { step: step.name, source })?;
        write_batch(database, folder, step, &batch)?;
        report.batches += 1;
        report.entries += batch.changes.len() as u64;
        progress(&report);
        if batch.next.is_none() {
            return Ok(());
        }
        cursor = batch.next;
    }
}

fn write_batch(
    database: &Database,
    folder: &Path,
    step: &Step,
    batch: &StepBatch,
) -> Result<(), MigrateError> {
    let mut writes = sled::Batch::default();
    for (key, value) in &batch.changes {
        if key.first() == Some(&META_PREFIX) {
            return Err(MigrateError::Meta { step: step.name });
        }
        match value {
            Some(value) => writes.insert(key.as_slice(), value.as_slice()),
            None => writes.remove(key.as_slice()),
        }
    }
    match &batch.next {
        Some(next) => writes.insert(CURSOR_KEY, cursor_entry(step, next)),
        None => {
            writes.remove(CURSOR_KEY);
            writes.insert(META_KEY, version_entry(step.to));
        }
    }
    let written = guarded(|| database.tree().apply_batch(writes).and_then(|()| database.flush()));
    match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(database_failed(folder, error.into())),
        Err(panic) => Err(database_failed(folder, panic.into())),
    }
}

fn cursor_entry(step: &Step, next: &[u8]) -> Vec<u8> {
    checked_value(CURSOR_KEY, [&step.from.to_be_bytes()[..], &step.to.to_be_bytes(), next].concat())
}

/// Where an interrupted run of this very step goes on.
fn read_cursor(
    database: &Database,
    folder: &Path,
    step: &Step,
) -> Result<Option<Vec<u8>>, MigrateError> {
    let value = match guarded(|| database.tree().get(CURSOR_KEY)) {
        Ok(Ok(value)) => value,
        Ok(Err(error)) => return Err(database_failed(folder, error.into())),
        Err(panic) => return Err(database_failed(folder, panic.into())),
    };
    let Some(value) = value else { return Ok(None) };
    let expected = [step.from.to_be_bytes(), step.to.to_be_bytes()].concat();
    let cursor = open_value(CURSOR_KEY, &value).and_then(|body| body.strip_prefix(&expected[..]));
    let cursor = cursor.ok_or(MigrateError::Interrupted { step: step.name })?;
    Ok(Some(cursor.to_vec()))
}

fn database_failed(
    folder: &Path,
    source: Box<dyn std::error::Error + Send + Sync>,
) -> MigrateError {
    MigrateError::Database { path: folder.to_path_buf(), source }
}

/// Why a store was not migrated, or not to the end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The folder's format is not known.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The database could not be opened.
    #[error(transparent)]
    Open(#[from] DatabaseError),
    /// No steps lead to the version wanted.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A step failed.
    #[error("migration step {step} failed")]
    Step {
        /// The step.
        step: &'static str,
        /// Why.
        #[source]
        source: StepError,
    },
    /// A step tried to change the entries that describe the store.
    #[error("migration step {step} changes the store's own description; this is a bug, report it")]
    Meta {
        /// The step.
        step: &'static str,
    },
    /// The note of an interrupted migration is not of this step.
    #[error(
        "the store was left by another migration than {step}; \
         finish it with the version that began it, or rebuild the store from a source"
    )]
    Interrupted {
        /// The step about to run.
        step: &'static str,
    },
    /// The database failed.
    #[error("the database in {path} failed during a migration; run it again to go on")]
    Database {
        /// The folder.
        path: PathBuf,
        /// What the database said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

const CURSOR_KEY: &[u8] = &[META_PREFIX, 0x01];
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
