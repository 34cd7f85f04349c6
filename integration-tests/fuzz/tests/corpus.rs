//! Every target over the kept corpus, and over a bounded number of mutations of it.
//!
//! So every target runs wherever the tests do, without libFuzzer.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use weir_fuzz::{TARGETS, Target};

/// Where a run begins: the same in every run, so that a failure comes again.
const SEED: u64 = 0x5eed_07e5;
/// Mutations of a target's corpus, whatever its size.
const MUTATIONS: usize = 120;
/// Most bytes of a kept file, and of all of them.
const FILE_BYTES_MAX: u64 = 16 << 10;
const CORPUS_BYTES_MAX: u64 = 600 << 10;

fn own(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A target's kept files, by name.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = own("corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{target}: {error}"));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Marsaglia's xorshift generator.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    /// Changes a few bytes, or takes the end from another file.
    fn mutate(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(4) {
            let (at, byte) = (self.below(bytes.len() + 1), self.below(256));
            match self.below(5) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, u8::try_from(byte).unwrap()),
                2 => {
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[self.below(other.len() + 1)..]);
                }
                _ => {
                    if let Some(found) = bytes.get_mut(at) {
                        *found ^= u8::try_from(byte).unwrap();
                    }
                }
            }
        }
    }
}

fn run((name, target): Target) {
    let files = corpus(name);
    assert!(!files.is_empty(), "{name}: no corpus");
    for (path, bytes) in &files {
        println!("{name}: {}", path.display());
        target(bytes);
    }
    let mut random = Random(SEED);
    for number in 0..MUTATIONS {
        let mut bytes = files[random.below(files.len())].1.clone();
        let other = &files[random.below(files.len())].1;
        random.mutate(&mut bytes, other);
        println!("{name}: mutation {number} by the seed {SEED:#x}");
        target(&bytes);
    }
}

/// In two tests, so that they run side by side; only a failure shows what was printed.
#[bounded::test]
fn targets_over_their_corpus_and_mutations_of_it() {
    TARGETS.into_iter().filter(|(name, _)| !SLOW.contains(name)).for_each(run);
}

#[bounded::test]
fn slow_targets_over_their_corpus_and_mutations_of_it() {
    TARGETS.into_iter().filter(|(name, _)| SLOW.contains(name)).for_each(run);
}

/// Those that check signatures.
const SLOW: [&str; 2] = ["answer", "hops"];

#[bounded::test]
fn targets_programs_and_corpora_are_the_same() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let listed = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(own(folder)).unwrap();
        entries.map(|e| e.unwrap().path().file_stem().unwrap().to_string_lossy().into()).collect()
    };
    assert_eq!(listed("corpus"), names);
    assert_eq!(listed("libfuzzer/targets"), names);
    let manifest = fs::read_to_string(own("libfuzzer/Cargo.toml")).unwrap();
    let docs = fs::read_to_string(own("src/lib.rs")).unwrap();
    for name in &names {
        assert!(manifest.contains(&format!("path = \"targets/{name}.rs\"")), "{name}: no program");
        assert!(docs.contains(&format!("[`{name}`]")), "{name}: not in the list of targets");
        let program = fs::read_to_string(own(&format!("libfuzzer/targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("weir_fuzz::{name}(bytes)")), "{name}: another target");
    }
}

#[bounded::test]
fn the_corpus_is_small() {
    let sizes = TARGETS.map(|(name, _)| {
        let files = corpus(name);
        let large = files.iter().find(|(_, bytes)| bytes.len() as u64 > FILE_BYTES_MAX);
        assert!(large.is_none(), "too large: {:?}", large.map(|(path, _)| path));
        files.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>()
    });
    assert!(sizes.iter().sum::<u64>() <= CORPUS_BYTES_MAX, "{sizes:?}");
}
