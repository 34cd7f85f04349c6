//! The repository's own files: reference chains, and the cases of the negative suite.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::Value;
use weir_conformance::Group;

/// The uncompressed content of a file below `integration-tests`.
///
/// # Panics
/// When there is none: these files are part of the repository.
#[must_use]
pub fn gunzip(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    GzDecoder::new(file).read_to_end(&mut bytes).expect("a gzipped file");
    bytes
}

/// The rows of a gzipped file of JSON lines.
///
/// # Panics
/// As [`gunzip`].
#[must_use]
pub fn rows(path: &str) -> Vec<Value> {
    let lines = gunzip(path);
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).expect("a line of JSON")).collect()
}

/// A group of the negative suite.
///
/// # Panics
/// As [`gunzip`].
#[must_use]
pub fn group(name: &str) -> Group {
    let json = gunzip(&format!("conformance/cases/{name}.json.gz"));
    Group::from_json(&json).expect("a group of this version")
}
