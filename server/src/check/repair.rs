//! Mending a data folder.

use std::path::Path;

use thiserror::Error;
use weir_log::{Disk, LogError, Mended};

use super::check;
use super::fetch::{RepairSource, Unfetched, fetch};
use crate::indexer::{IndexError, remake};
use crate::source::SourceError;
use crate::store::{
    InspectedIndex, Inspection, OpenError, StoreOptions, log_folder, root_checkpoint,
    set_index_aside,
};

/// What was mended.
#[derive(Debug, Default)]
pub struct Repaired {
    /// What was done to the log.
    pub log: Mended,
    /// Whether the index was made again.
    pub index: bool,
}

/// Mends what a check finds, as far as it can be derived or fetched.
///
/// # Errors
/// When the folder is in use or the disk refuses; or when blocks are missing that no source gave: what
/// was mended by then stays mended.
pub fn repair(data: &Path, source: Option<&RepairSource>) -> Result<Repaired, RepairError> {
    let checked = check(data)?;
    if checked.is_clean() {
        return Ok(Repaired::default());
    }
    let files = Disk::new(log_folder(data)).map_err(RepairError::Disk)?;
    let log = mend_log(data, &files, source)?;
    if !log.missing.is_empty() {
        return Err(RepairError::Missing { ordinals: log.missing });
    }
    if log.checkpoints.first() == Some(&0) {
        let Some(RepairSource::Folder(folder)) = source else { return Err(RepairError::NoRoot) };
        let root = root_checkpoint(folder.snapshot_json()?);
        weir_log::put_checkpoint(&files, 0, &root)?;
    }
    // What was wrong with the index may have been the log's fault only.
    let again = check(data)?;
    if again.is_clean() {
        return Ok(Repaired { log, index: false });
    }
    remake_index(data, &files, &log.checkpoints)?;
    Ok(Repaired { log, index: true })
}

fn mend_log(
    data: &Path,
    files: &Disk,
    source: Option<&RepairSource>,
) -> Result<Mended, RepairError> {
    let mut first = weir_log::mend(files, &mut |_| None)?;
    let Some(source) = source.filter(|_| !first.missing.is_empty()) else { return Ok(first) };
    let index = Inspection::begin(data)?.index_alone()?;
    let (view, _copy) = match index {
        InspectedIndex::View(reader, copy) => (Some(reader), Some(copy)),
        InspectedIndex::NotMade | InspectedIndex::Unusable(_) => (None, None),
    };
    let records = fetch(source, &first.missing, view.as_ref())?;
    let second = weir_log::mend(files, &mut |ordinal| records.get(&ordinal).cloned())?;
    first.segments.extend(second.segments);
    first.quarantined.extend(second.quarantined);
    let Mended { records, missing, checkpoints, recounted, .. } = second;
    let recounted = recounted || first.recounted;
    Ok(Mended { records, missing, checkpoints, recounted, ..first })
}

/// Sets the index aside and makes another, and the checkpoints with it that are lost, but for the root.
fn remake_index(data: &Path, files: &Disk, lost: &[u64]) -> Result<(), RepairError> {
    let lost: Vec<u64> = lost.iter().copied().filter(|ordinal| *ordinal > 0).collect();
    set_index_aside(data, "repair makes it again")?;
    for (ordinal, checkpoint) in remake(data, StoreOptions::default(), &lost)? {
        weir_log::put_checkpoint(files, ordinal, &checkpoint)?;
    }
    Ok(())
}

impl From<LogError> for RepairError {
    fn from(error: LogError) -> Self {
        Self::Log(Box::new(error))
    }
}

/// Why a data folder was not mended, or not wholly.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RepairError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log cannot be written.
    #[error("the log cannot be mended")]
    Log(#[source] Box<LogError>),
    /// The disk refuses.
    #[error("cannot use the log's folder")]
    Disk(#[source] std::io::Error),
    /// The source cannot be read.
    #[error(transparent)]
    Fetch(#[from] Unfetched),
    /// The source has no root snapshot to read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The index cannot be made again.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Blocks are gone, and no source gave them.
    #[error(
        "the log still lacks the blocks at {ordinals:?}; name a source that has them with --source \
         replay:DIR or access:URL"
    )]
    Missing {
        /// Their ordinals.
        ordinals: Vec<std::ops::Range<u64>>,
    },
    /// The root snapshot is gone.
    #[error("the log lacks its root snapshot; name a folder that has it with --source replay:DIR")]
    NoRoot,
}
