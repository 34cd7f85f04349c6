//! The published suite, through this build of the verifier.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;
use weir_conformance::{Group, SUITE_VERSION, SuiteError, Verdict, check};

fn groups() -> Vec<Group> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: &Path| {
        let mut json = Vec::new();
        GzDecoder::new(File::open(path).unwrap()).read_to_end(&mut json).unwrap();
        Group::from_json(&json).unwrap()
    };
    paths.iter().map(|path| read(path)).collect()
}

#[bounded::test]
fn every_case_ends_as_it_should() {
    let (mut lies, mut honest, mut failed) = (0, 0, 0);
    for group in groups() {
        for failure in check(&group) {
            println!("{failure:?}");
            failed += 1;
        }
        lies += group.cases.iter().filter(|case| case.twin.is_some()).count();
        honest += group.cases.iter().filter(|case| case.twin.is_none()).count();
    }
    println!("{lies} lies and {honest} honest twins, on {}", backend());
    assert_eq!(failed, 0, "so many cases end otherwise");
    assert!(lies > 200 && honest > 30, "{lies} lies, {honest} honest cases");
}

/// A runner that reports nothing would pass everything.
#[bounded::test]
fn a_case_that_ends_otherwise_is_reported() {
    let mut group = groups().remove(0);
    let honest = group.cases.iter().position(|case| case.twin.is_none()).unwrap();
    let lie = group.cases.iter().position(|case| case.twin.is_some()).unwrap();
    group.cases[lie].expected = group.cases[honest].expected.clone();
    let rule = "AnotherQuestion".to_owned();
    group.cases[honest].expected = Verdict::Invalid { rule, detail: None };
    let failed: Vec<_> = check(&group).into_iter().map(|failure| failure.case).collect();
    let mut expected = [honest, lie].map(|at| group.cases[at].name.clone());
    expected.sort_by_key(|name| group.cases.iter().position(|case| case.name == *name));
    assert_eq!(failed, expected);
}

#[bounded::test]
fn other_versions_are_refused_by_name() {
    let mut group = groups().remove(0);
    group.version = SUITE_VERSION + 1;
    let error = Group::from_json(&serde_json::to_vec(&group).unwrap()).unwrap_err();
    assert_eq!(error, SuiteError::Version { found: SUITE_VERSION + 1 });
    assert_eq!(Group::from_json(b"{}").unwrap_err(), SuiteError::NotASuite);
}

fn backend() -> &'static str {
    std::any::type_name::<weir_protocol::bls::DefaultBackend>().rsplit("::").next().unwrap()
}

/// The two runs of this suite are of different verifiers.
#[bounded::test]
fn the_backend_is_that_of_the_features() {
    let expected = if cfg!(feature = "native") { "Native" } else { "Portable" };
    assert_eq!(backend(), expected);
}
