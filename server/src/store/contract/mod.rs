//! What every engine promises, as tests against a model: any pair of a log and an index that passes
//! is one that the store can stand on.
//!
//! An engine comes as a [`Place`], in which it is opened and killed again and again. [`log_contract`]
//! and [`index_contract`] hold it to `engine.rs`, call by call. The store itself is then held to its
//! own promise over engines that fail: `storms` and `calls`.

mod beside;
mod calls;
mod faulty;
mod index;
mod log;
mod storms;
mod volatile;
mod world;

#[path = "../../../tests/chain/mod.rs"]
#[expect(clippy::cast_possible_truncation, reason = "test chains have a few dozen blocks")]
#[expect(dead_code, reason = "the tests of the whole store use the rest")]
mod chain;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::FORMAT_VERSION;
use super::engine::{BlockLog, Index};
use super::log::SegmentLog;
use super::open::StoreOptions;
use super::sled_index::SledIndex;
use volatile::Volatile;

pub(super) use index::index_contract;
pub(super) use log::log_contract;

/// Where an engine keeps what it has: opens it, and takes it away.
pub(super) trait Place<E: ?Sized> {
    /// Opens what was left here; at first nothing.
    fn open(&mut self) -> Box<E>;

    /// Ends the process that has it open, between two calls and without a warning.
    fn kill(&mut self, engine: Box<E>) {
        drop(engine);
    }
}

/// A folder of an engine. Killed, it goes on with what the files hold at that moment.
struct Folder {
    folder: TempDir,
    next: usize,
}

impl Folder {
    fn new() -> Self {
        Self { folder: memory_folder(), next: 0 }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(self.next.to_string())
    }

    /// Moves on to a copy, so that nothing that the engine does when it is dropped counts.
    fn leave<E: ?Sized>(&mut self, engine: Box<E>) {
        let files = still(&self.path());
        self.next += 1;
        for (name, bytes) in files {
            let path = self.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        drop(engine);
    }
}

impl Place<dyn BlockLog> for Folder {
    fn open(&mut self) -> Box<dyn BlockLog> {
        Box::new(SegmentLog::open(&self.path(), &small()).unwrap())
    }

    fn kill(&mut self, engine: Box<dyn BlockLog>) {
        self.leave(engine);
    }
}

impl Place<dyn Index> for Folder {
    fn open(&mut self) -> Box<dyn Index> {
        Box::new(SledIndex::open(&self.path(), FORMAT_VERSION, 1 << 20).unwrap())
    }

    fn kill(&mut self, engine: Box<dyn Index>) {
        self.leave(engine);
    }
}

/// The index of the tests, which loses more than a kill takes.
impl Place<dyn Index> for Volatile {
    fn open(&mut self) -> Box<dyn Index> {
        Box::new(self.clone())
    }

    fn kill(&mut self, engine: Box<dyn Index>) {
        drop(engine);
        self.cut_power(self.entries().len() as u64);
    }
}

/// A folder in memory where there is such a file system: what is synced here does not have to last.
fn memory_folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Segments of a few blocks.
fn small() -> StoreOptions {
    StoreOptions { segment_bytes: 3000, reserve_bytes: 0, ..StoreOptions::default() }
}

/// The files of a folder at one moment: an engine may still be writing.
fn still(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut before = BTreeMap::new();
    loop {
        let mut files = BTreeMap::new();
        read(folder, Path::new(""), &mut files);
        if files == before {
            return files;
        }
        before = files;
    }
}

fn read(folder: &Path, below: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder.join(below)).unwrap().map(Result::unwrap) {
        let name = below.join(entry.file_name());
        if entry.path().is_dir() {
            read(folder, &name, files);
        } else if let Ok(bytes) = fs::read(entry.path()) {
            files.insert(name, bytes);
        }
    }
}

#[bounded::test]
fn the_log_in_segments_keeps_its_contract() {
    for seed in 0..24 {
        log_contract(&mut Folder::new(), seed);
    }
}

#[bounded::test]
fn the_index_in_sled_keeps_its_contract() {
    for seed in 0..12 {
        index_contract(&mut Folder::new(), seed);
    }
}

/// What the store is tested on is an engine too.
#[bounded::test]
fn the_index_of_the_tests_keeps_its_contract() {
    for seed in 0..60 {
        index_contract(&mut Volatile::default(), seed);
    }
}
