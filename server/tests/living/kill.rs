//! The program, killed without warning at any moment of whatever it does with a data folder, and run
//! again: no block is gone, and in the end everything is as if it had never been killed.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use weir_devnet::Config;
use weir_devnet::archive::{self, Amount};
use weir_log::testing::{Chance, copy_folder};
use weir_server::check::check;
use weir_server::store::LogFolder;

use super::long::{Budget, seed};
use super::{indexed, lose_index, program, prover, same_answers};

/// What the program does, on folders `data` and `to` in another.
#[derive(Clone, Copy, Debug)]
struct Work {
    name: &'static str,
    /// Kills in the usual run.
    kills: usize,
    /// Makes the folders as they are before.
    begin: fn(&Path),
    command: &'static [&'static str],
    /// Which of the folders is a data folder in the end.
    result: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Data,
    Backup,
    Chain,
}

const SERVE: &[&str] = &["serve", "--data", "data", "--source", "CHAIN", "--listen", "127.0.0.1:0"];

const WORKS: [Work; 8] = [
    Work { name: "backfill", kills: 50, begin: nothing, command: SERVE, result: Outcome::Data },
    Work { name: "open", kills: 40, begin: whole, command: SERVE, result: Outcome::Data },
    Work { name: "rebuild", kills: 40, begin: unindexed, command: SERVE, result: Outcome::Data },
    Work {
        name: "repair",
        kills: 40,
        begin: damaged,
        command: &["fsck", "--data", "data", "--repair", "--source", "CHAIN"],
        result: Outcome::Data,
    },
    Work {
        name: "prune blocks",
        kills: 40,
        begin: whole,
        command: &["prune", "--data", "data", "--before", "HEIGHT"],
        result: Outcome::Data,
    },
    Work {
        name: "prune payloads",
        kills: 30,
        begin: whole,
        command: &["prune", "--data", "data", "--payloads-before", "HEIGHT"],
        result: Outcome::Data,
    },
    Work {
        name: "export",
        kills: 30,
        begin: whole,
        command: &["export", "--data", "data", "--to", "to"],
        result: Outcome::Chain,
    },
    Work {
        name: "backup",
        kills: 30,
        begin: whole,
        command: &["backup", "--data", "data", "--to", "to"],
        result: Outcome::Backup,
    },
];

/// Both: 300 kills, beside those of `live_kill` and `migrate` in the integration tests.
#[bounded::test]
fn a_server_killed_at_any_moment_ends_as_if_it_had_not_been() {
    killed(&WORKS[..3]);
}

#[bounded::test]
fn a_command_killed_at_any_moment_ends_as_if_it_had_not_been() {
    killed(&WORKS[3..]);
}

fn killed(works: &[Work]) {
    let mut chance = Chance::new(SEED);
    println!("seed {SEED:#x}");
    for work in works {
        Killing::new(*work, SEED).run(work.kills, &mut chance);
    }
}

/// `cargo xtask kill`.
#[bounded::test]
#[ignore = "takes as long as WEIR_SECONDS or WEIR_ROUNDS say"]
fn kills_for_long() {
    let (mut budget, seed) = (Budget::take(), seed());
    let mut chance = Chance::new(seed);
    println!("seed {seed:#x}");
    let mut kills = 0;
    for work in WORKS.into_iter().cycle() {
        if !budget.goes_on() {
            break;
        }
        kills += Killing::new(work, seed).run(KILLS_AT_ONCE, &mut chance);
    }
    println!("{kills} kills, nothing lost");
}

/// A chain of some segments.
pub(super) fn small_chain() -> &'static Path {
    static CHAIN: OnceLock<PathBuf> = OnceLock::new();
    CHAIN.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap().keep();
        let config = Config { seed: 16, ..Config::default() };
        archive::write(config, &dir, Amount::Blocks(BLOCKS), |_| ()).unwrap();
        dir
    })
}

/// A data folder of the chain, that nobody opens.
pub(super) fn store() -> &'static Path {
    static STORE: OnceLock<PathBuf> = OnceLock::new();
    STORE.get_or_init(|| indexed(small_chain()).keep())
}

fn nothing(_: &Path) {}

fn whole(folder: &Path) {
    copy_folder(store(), &folder.join("data"));
}

fn unindexed(folder: &Path) {
    whole(folder);
    lose_index(&folder.join("data"));
}

/// Two blocks are damaged, and the index is.
fn damaged(folder: &Path) {
    unindexed(folder);
    let log = folder.join("data/log");
    let mut segments: Vec<_> = fs::read_dir(log).unwrap().map(|e| e.unwrap().path()).collect();
    segments.retain(|path| path.extension() == Some(OsStr::new("segment")));
    segments.sort();
    for segment in segments.iter().take(2) {
        let mut bytes = fs::read(segment).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(segment, bytes).unwrap();
    }
}

/// A work that is killed again and again.
struct Killing {
    work: Work,
    folders: TempDir,
    /// How often the work was begun anew.
    lives: usize,
    /// How long it takes to its end.
    takes: Duration,
    context: String,
}

impl Killing {
    fn new(work: Work, seed: u64) -> Self {
        let folders = tempfile::tempdir().unwrap();
        let context = format!("seed {seed:#x}, {}", work.name);
        let mut killing = Self { work, folders, lives: 0, takes: Duration::ZERO, context };
        killing.begin();
        let start = Instant::now();
        killing.finish();
        killing.takes = start.elapsed();
        killing
    }

    fn undisturbed(&self) -> PathBuf {
        self.folders.path().join("1")
    }

    fn folder(&self) -> PathBuf {
        self.folders.path().join(self.lives.to_string())
    }

    fn begin(&mut self) {
        self.lives += 1;
        fs::create_dir(self.folder()).unwrap();
        (self.work.begin)(&self.folder());
    }

    fn command(&self) -> Command {
        let height = || first_height() + BLOCKS / 2;
        let argument = |word: &&str| -> OsString {
            match *word {
                "CHAIN" => format!("replay:{}", small_chain().display()).into(),
                "HEIGHT" => height().to_string().into(),
                "data" | "to" => self.folder().join(word).into(),
                other => other.into(),
            }
        };
        let mut command = program();
        command.args(self.work.command.iter().map(argument)).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Kills so often; says how often.
    fn run(mut self, kills: usize, chance: &mut Chance) -> usize {
        self.begin();
        let mut end = self.end(0);
        for kill in 1..=kills {
            let mut child = self.command().spawn().unwrap();
            // The moment of the kill is the input of this test.
            thread::sleep(self.takes * u32::try_from(chance.below(1000)).unwrap() / 1000);
            let ended = self.has_ended(&mut child);
            end = self.end(end);
            if ended || kill % KILLS_OF_A_LIFE == 0 || kill == kills {
                self.finish();
                self.is_as_undisturbed();
                fs::remove_dir_all(self.folder()).unwrap();
                self.begin();
                end = self.end(0);
            }
        }
        println!("{}: {kills} kills within {:?}", self.work.name, self.takes);
        kills
    }

    /// Kills it, and says whether it had come to its end by then.
    fn has_ended(&self, child: &mut Child) -> bool {
        child.kill().unwrap();
        let status = child.wait().unwrap();
        let fine = status.success() || status.code().is_none() || self.is_refused();
        assert!(fine, "{}: {status}", self.context);
        status.code().is_some()
    }

    /// Whether a kill came when an export had a file of its own name, so that it is not run again.
    fn is_refused(&self) -> bool {
        self.work.result == Outcome::Chain && self.folder().join("to").join(CHAIN[0]).exists()
    }

    /// The end of the log, which never goes back.
    fn end(&self, before: u64) -> u64 {
        let data = self.folder().join("data");
        match LogFolder::open(&data) {
            Ok(log) => {
                let end = log.ordinals().end;
                assert!(end >= before, "{}: {end} blocks of {before}", self.context);
                end
            }
            Err(error) => {
                assert_eq!(before, 0, "{}: {error}", self.context);
                0
            }
        }
    }

    /// Runs it to its end; a server's is that it has all blocks.
    fn finish(&self) {
        if self.is_refused() {
            let to = self.folder().join("to");
            if to.join(CHAIN[1]).exists() {
                return;
            }
            // Half an export, which the command names.
            fs::remove_file(to.join(CHAIN[0])).unwrap();
        }
        let mut child = self.command().stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut said = Vec::new();
        for line in lines {
            if self.work.command == SERVE && line.contains("indexed to its end") {
                child.kill().unwrap();
                child.wait().unwrap();
                return;
            }
            said.push(line);
        }
        let status = child.wait().unwrap();
        assert!(status.success(), "{}: {status}, {said:?}", self.context);
    }

    fn is_as_undisturbed(&self) {
        let (found, expected) = (self.folder(), self.undisturbed());
        if self.work.result == Outcome::Chain {
            for name in CHAIN {
                let read = |folder: &Path| fs::read(folder.join("to").join(name)).unwrap();
                assert!(read(&found) == read(&expected), "{}: {name}", self.context);
            }
            return;
        }
        let name = if self.work.result == Outcome::Backup { "to" } else { "data" };
        let (found, expected) = (found.join(name), expected.join(name));
        same_answers(&prover(&found), &prover(&expected), 0);
        let found = check(&found).unwrap();
        assert!(found.is_clean(), "{}: {found:?}", self.context);
    }
}

fn first_height() -> u64 {
    static HEIGHT: OnceLock<u64> = OnceLock::new();
    *HEIGHT.get_or_init(|| {
        let log = LogFolder::open(store()).unwrap();
        log.blocks_from(0).unwrap()[0].header.height
    })
}

/// The files of a chain folder, in the order in which an export has them.
const CHAIN: [&str; 2] = ["blocks.pb", "root-protocol-state-snapshot.json"];
const SEED: u64 = 0x5eed_0017;
/// Blocks of the chain.
const BLOCKS: u64 = 250;
/// Kills before a work is let end.
const KILLS_OF_A_LIFE: usize = 10;
const KILLS_AT_ONCE: usize = 40;
