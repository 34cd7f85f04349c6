//! The corpus's seeds are those that the vectors give.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use weir_fuzz::TARGETS;
use weir_fuzz::seeds::seeds;

const PREFIX: &str = "seed-";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// The seeds by file.
fn fresh() -> BTreeMap<PathBuf, Vec<u8>> {
    let all = seeds();
    let count = all.len();
    let path = |target: &str, name: &str| folder().join(target).join(format!("{PREFIX}{name}"));
    let files: BTreeMap<_, _> =
        all.into_iter().map(|seed| (path(seed.target, &seed.name), seed.bytes)).collect();
    assert_eq!(files.len(), count, "two seeds of one name");
    files
}

/// The seeds that are kept, by file.
fn kept() -> BTreeMap<PathBuf, Vec<u8>> {
    let folders = TARGETS.iter().map(|(target, _)| folder().join(target));
    let entries = folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_seed = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(PREFIX);
    paths.filter(is_seed).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[bounded::test]
fn seeds_are_up_to_date() {
    assert!(kept() == fresh(), "run `cargo xtask fuzz-corpus`");
}

/// Writes them: `cargo xtask fuzz-corpus`.
#[bounded::test]
#[ignore = "writes files"]
fn write_the_seeds() {
    kept().keys().for_each(|stale| fs::remove_file(stale).unwrap());
    for (path, bytes) in fresh() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}
