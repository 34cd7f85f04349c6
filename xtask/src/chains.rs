//! Chain folders that flow-go made, and what it expects of their blocks.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use flate2::read::GzDecoder;

/// The folders of all reference chains, by name.
pub(crate) fn reference(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(root.join("integration-tests/vectors"))?;
    let mut folders: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    folders.retain(|folder| folder.join(EXPECTED).exists());
    ensure!(!folders.is_empty(), "there are no reference chains");
    folders.sort();
    Ok(folders)
}

/// What flow-go expects of a chain's blocks: a line of JSON each.
pub(crate) fn expected(folder: &Path) -> anyhow::Result<String> {
    let path = folder.join(EXPECTED);
    let mut rows = String::new();
    let read = File::open(&path).and_then(|file| GzDecoder::new(file).read_to_string(&mut rows));
    read.with_context(|| path.display().to_string())?;
    Ok(rows)
}

const EXPECTED: &str = "expected.jsonl.gz";
