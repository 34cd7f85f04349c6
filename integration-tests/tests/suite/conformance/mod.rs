//! The negative suite that the project publishes: made from reference chains and from a network
//! whose keys are known, and made again to see that nothing has moved.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod anchors;
mod blocks;
mod chain;
mod checkpoints;
mod conflicts;
mod forge;
mod format;
mod group;
mod hops;
mod past;
mod proofs;
mod questions;
mod rlp;
pub(crate) mod rules;
mod seals;
mod signers;
mod states;
mod trees;
mod upgrades;

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use weir_conformance::Group;

use chain::Chain;
use forge::Forge;

/// All groups, made anew.
async fn groups() -> Vec<Group> {
    let happy = Chain::reference("happy-epochs").await;
    let other = Chain::reference("ejection").await;
    let long = Chain::reference("thirty-epochs").await;
    let forge = Forge::new().await;
    let (simulated, _simulated) = trees::simulated().await;
    let future = upgrades::future().await;
    let groups = vec![
        format::group(&happy),
        questions::group(&happy),
        blocks::group(&happy, &other),
        signers::group(&forge),
        checkpoints::group(&forge, &other),
        hops::group(&forge, &long),
        seals::group(&happy, &forge),
        proofs::group(),
        trees::group(&happy, &simulated),
        anchors::group(&forge),
        conflicts::group(&forge),
        past::group(&forge),
        states::group(&long),
        upgrades::group(&future, &forge),
    ];
    let cases = groups.iter().flat_map(|group| &group.cases);
    let wrong = cases.filter(|case| case.rule.as_deref() != case.expected.rule()).count();
    assert_eq!(wrong, 0, "so many cases end otherwise than they are meant to");
    groups
}

/// A group as its file has it, before compression, which is not the same on every machine.
fn text(group: &Group) -> Vec<u8> {
    serde_json::to_vec(group).unwrap()
}

fn write(path: &Path, text: &[u8]) {
    let mut encoder = GzEncoder::new(fs::File::create(path).unwrap(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap();
}

fn read(path: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    GzDecoder::new(fs::File::open(path).unwrap()).read_to_end(&mut text).unwrap();
    text
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/cases")
}

fn file(group: &Group) -> PathBuf {
    folder().join(format!("{}.json.gz", group.group))
}

/// The groups as they are published, by the names of their files.
pub(crate) fn published() -> Vec<Group> {
    let mut paths: Vec<_> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let groups = paths.iter().map(|path| {
        Group::from_json(&read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    });
    groups.collect()
}

#[bounded::test]
#[ignore = "writes the suite; run by `cargo xtask conformance`"]
async fn write_the_suite() {
    let groups = groups().await;
    for entry in fs::read_dir(folder()).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    for group in &groups {
        write(&file(group), &text(group));
    }
    fs::write(rules::document(), rules::table(&published())).unwrap();
}

#[bounded::test]
async fn the_suite_is_what_would_be_made_now() {
    let made = groups().await;
    let mut names: Vec<_> = made.iter().map(|group| group.group.clone()).collect();
    names.sort();
    let published = published();
    let found: Vec<_> = published.iter().map(|group| group.group.clone()).collect();
    assert_eq!(found, names, "run `cargo xtask conformance`");
    for group in made {
        let same = published.iter().find(|other| other.group == group.group).unwrap();
        for (made, published) in group.cases.iter().zip(&same.cases) {
            assert_eq!(made, published, "run `cargo xtask conformance`");
        }
        let is_same = group == *same && text(&group) == read(&file(&group));
        assert!(is_same, "{}: run `cargo xtask conformance`", group.group);
    }
}
