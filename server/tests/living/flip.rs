//! A flipped bit or a cut in any file of a data folder: what is answered is right or an error, and
//! `fsck --repair` makes the store what it was.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use weir_log::testing::{Chance, copy_folder, files};
use weir_protocol::request::{Depth, Selector, Topic};
use weir_server::check::{RepairSource, check, repair};
use weir_server::indexer::{IndexError, Indexer};
use weir_server::prover::Prover;
use weir_server::source::ChainFolder;
use weir_server::store::{Head, Opened, Store};

use super::kill::{small_chain, store};
use super::long::{Budget, seed};
use super::{ask, options, prover};

#[bounded::test]
fn a_flip_or_a_cut_in_any_file_is_answered_by_an_error_and_mended() {
    println!("seed {SEED:#x}");
    let mut damaging = Damaging::new(SEED);
    (0..ROUNDS).for_each(|round| damaging.round(round));
    damaging.say();
}

/// `cargo xtask flip`.
#[bounded::test]
#[ignore = "takes as long as WEIR_SECONDS or WEIR_ROUNDS say"]
fn flips_for_long() {
    let (mut budget, seed) = (Budget::take(), seed());
    println!("seed {seed:#x}");
    let mut damaging = Damaging::new(seed);
    let mut rounds = 0;
    while budget.goes_on() {
        damaging.round(rounds);
        rounds += 1;
    }
    damaging.say();
}

/// The fence is none that repair can know better: any bit of it is named, and nothing is touched.
#[bounded::test]
fn a_flip_in_the_fence_is_named_and_the_rest_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    copy_folder(store(), &data);
    let fence = data.join(FENCE);
    let whole = fs::read(&fence).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&fence, bytes).unwrap();
        if let Ok(opened) = Store::open(&data, options()) {
            assert!(matches!(opened, Opened::Existing(_)), "bit {bit}");
        }
        fs::write(&fence, &whole).unwrap();
    }
    Damaging::new(0).is_whole(&prover(&data), "the fence again");
}

struct Damaging {
    chance: Chance,
    seed: u64,
    /// Answers about some heights of the undisturbed store.
    expected: Vec<(u64, Vec<u8>)>,
    head: Head,
    opened: u64,
    refused: u64,
}

impl Damaging {
    fn new(seed: u64) -> Self {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(store(), copy.path());
        let prover = prover(copy.path());
        let head = Head::clone(&prover.head());
        let heights = (head.first_height..=head.sealed.height).step_by(HEIGHTS_APART);
        let answer = |height| Some((height, answer(&prover, height)?));
        let expected: Vec<_> = heights.filter_map(answer).collect();
        assert!(expected.len() > 20, "{} answers", expected.len());
        Self { chance: Chance::new(seed), seed, expected, head, opened: 0, refused: 0 }
    }

    /// Damages a file, which the round chooses, so that each has its turn.
    fn round(&mut self, round: usize) {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        copy_folder(store(), &data);
        let mut files = files(&data);
        files.retain(|path| path.file_name().is_some_and(|name| name != FENCE));
        files.retain(|path| fs::metadata(path).unwrap().len() > 0);
        let cut = round % 5 == 4;
        let turn = if cut { round / 5 } else { round };
        let file = files.swap_remove(turn % files.len());
        let mut bytes = fs::read(&file).unwrap();
        let place = self.chance.below(bytes.len());
        if cut {
            bytes.truncate(place);
        } else {
            bytes[place] ^= 1 << self.chance.below(8);
        }
        fs::write(&file, bytes).unwrap();
        let name = file.strip_prefix(folder.path()).unwrap().display().to_string();
        let context = format!("seed {:#x}, round {round}: {name} at {place}, cut {cut}", self.seed);
        // The other half of the rounds looks at what a server may have changed by then.
        if self.chance.below(2) == 0 {
            self.serve(&data, &context);
        }
        self.mend(&data, &context);
    }

    /// As a server does that is started on it.
    fn serve(&mut self, data: &Path, context: &str) {
        let opened = open(data).and_then(|mut indexer| {
            indexer.run(|_| ())?;
            Ok(indexer)
        });
        let Ok(indexer) = opened else {
            self.refused += 1;
            return;
        };
        self.opened += 1;
        let found = Prover::new(indexer.reader());
        for (height, expected) in &self.expected {
            if let Some(found) = answer(&found, *height) {
                assert!(found == *expected, "height {height}; {context}");
            }
        }
    }

    fn mend(&self, data: &Path, context: &str) {
        let found = check(data).unwrap_or_else(|error| panic!("{error}; {context}"));
        let source = RepairSource::Folder(ChainFolder::open(small_chain()).unwrap());
        if let Err(error) = repair(data, Some(&source)) {
            panic!("{error}: {found:?}; {context}");
        }
        let after = check(data).unwrap();
        assert!(after.is_clean(), "{after:?}; {context}");
        let mut indexer = open(data).unwrap();
        indexer.run(|_| ()).unwrap();
        self.is_whole(&Prover::new(indexer.reader()), context);
    }

    fn is_whole(&self, found: &Prover, context: &str) {
        assert!(*found.head() == self.head, "{context}: {:?}", found.head());
        for (height, expected) in &self.expected {
            assert!(
                answer(found, *height).as_ref() == Some(expected),
                "height {height}; {context}"
            );
        }
    }

    fn say(&self) {
        println!(
            "{} stores opened as they were, {} did not; all mended",
            self.opened, self.refused
        );
    }
}

fn answer(prover: &Prover, height: u64) -> Option<Vec<u8>> {
    ask(prover, Selector::Height(height), Topic::Seal, Depth::Seal).ok()
}

fn open(data: &Path) -> Result<Indexer, IndexError> {
    let folder = ChainFolder::open(small_chain()).unwrap();
    Indexer::open(data, options(), &folder, Arc::new(AtomicBool::new(false)))
}

const SEED: u64 = 0x5eed_0018;
/// 200 flips and 50 cuts.
const ROUNDS: usize = 250;
/// From one height that is asked about to the next.
const HEIGHTS_APART: usize = 5;
const FENCE: &str = "weir.format";
