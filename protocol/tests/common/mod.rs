//! Reading the reference vectors in `integration-tests/vectors`.

use flate2::read::GzDecoder;
use serde_json::Value;
use std::io::Read;
use std::path::PathBuf;

/// Content of a gzipped file, named from the vectors' folder.
pub(crate) fn read(name: &str) -> Vec<u8> {
    let path = folder().join(name);
    let file = std::fs::File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut content = Vec::new();
    GzDecoder::new(file).read_to_end(&mut content).expect("vectors are well-formed gzip");
    content
}

/// The lines of a gzipped JSON lines file, named from the vectors' folder.
pub(crate) fn lines(name: &str) -> Vec<Value> {
    let content = read(name);
    content
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("vectors are well-formed JSON"))
        .collect()
}

/// Names of the chains' folders.
pub(crate) fn chains() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .expect("the vectors' folder exists")
        .map(|entry| entry.expect("the vectors' folder is readable").path())
        .filter(|path| path.join("scenario.json").exists())
        .map(|path| path.file_name().expect("a folder has a name").to_string_lossy().into())
        .collect();
    names.sort();
    assert_eq!(names.len(), 13, "chains in the vectors' folder");
    names
}

/// The vectors' folder.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../integration-tests/vectors"))
}
