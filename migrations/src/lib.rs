//! The store's format version, its guarded opening, and one step for every change of format.
//!
//! Holds whatever must keep working on folders that other versions of Weir wrote: which format a
//! folder has, how the database is opened without losing or changing anything, and the steps
//! from one format to the next with frozen copies of the old codecs. It never uses today's types
//! and knows nothing of Flow.
#![forbid(unsafe_code)]

mod database;
mod error;
mod format;
mod old_store;
mod registry;
mod runner;
mod steps;

pub use database::{Database, FolderLock, Recovery, guarded};
pub use error::DatabaseError;
pub use format::{
    FORMAT_FILE, FormatError, META_KEY, META_PREFIX, checked_value, folder_version, open_value,
    read_version, version_entry, write_folder_version,
};
pub use old_store::{OldBlock, OldStore, OldStoreError};
pub use registry::{Plan, PlanError, Registry, Step, StepBatch, StepError, StepFn};
pub use runner::{MigrateError, MigrationProgress, Mode, migrate};
