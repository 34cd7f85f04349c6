//! Long loops that do harm to a store: nothing announced may be gone, and what is damaged must be
//! named and mended by `fsck --repair`.
//!
//! Kills and flips are the tests' own loops, run for longer. Power cuts and full disks need file
//! systems of their own, which only root can mount: elsewhere these are skipped by name.

mod device;
mod full;
mod power;
mod store;
mod trials;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;

use crate::process::run_ignored_with;

/// How long a loop runs, and with what.
#[derive(Debug, Args)]
pub(crate) struct Loop {
    /// Ends after so many seconds
    #[arg(long, default_value_t = 60, conflicts_with = "rounds")]
    seconds: u64,
    /// Ends after so many rounds
    #[arg(long)]
    rounds: Option<u64>,
    /// Chooses what happens when; drawn if left out
    #[arg(long)]
    seed: Option<u64>,
    /// Runs the program as the tests build it, which is there sooner, instead of a release
    #[arg(long)]
    dev: bool,
}

/// Kills the program at any moment of all it does with a folder.
pub(crate) fn kill(root: &Path, options: &Loop) -> anyhow::Result<()> {
    test(root, options, "kill::kills_for_long").context("a kill did harm")
}

/// Flips bits and cuts files of a data folder.
pub(crate) fn flip(root: &Path, options: &Loop) -> anyhow::Result<()> {
    test(root, options, "flip::flips_for_long").context("a flip was not mended")
}

/// Cuts the power of a disk.
pub(crate) fn power(root: &Path, options: &Loop) -> anyhow::Result<()> {
    power::run(root, options)
}

/// Fills a disk.
pub(crate) fn full(root: &Path, options: &Loop) -> anyhow::Result<()> {
    full::run(root, options)
}

fn test(root: &Path, options: &Loop, name: &str) -> anyhow::Result<()> {
    let limit = match options.rounds {
        Some(rounds) => ("WEIR_ROUNDS", rounds),
        None => ("WEIR_SECONDS", options.seconds),
    };
    let mut variables = vec![limit];
    variables.extend(options.seed.map(|seed| ("WEIR_SEED", seed)));
    let profile = if options.dev { "dev" } else { "release" };
    run_ignored_with(
        root,
        &["--package", "weir-server", "--test", "living", "--profile", profile],
        name,
        &variables,
    )
}

/// The rounds of a loop, and the numbers that choose what happens in them (splitmix64).
struct Rounds {
    left: Option<u64>,
    end: Instant,
    done: u64,
    state: u64,
}

impl Rounds {
    fn begin(options: &Loop) -> Self {
        let drawn = || {
            let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
            now.as_secs() ^ u64::from(now.subsec_nanos()) << 20
        };
        let seed = options.seed.unwrap_or_else(drawn);
        println!("seed {seed}");
        let end = Instant::now() + Duration::from_secs(options.seconds);
        Self { left: options.rounds, end, done: 0, state: seed }
    }

    /// Whether there is another one.
    fn goes_on(&mut self) -> bool {
        let goes_on = match &mut self.left {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => Instant::now() < self.end,
        };
        self.done += u64::from(goes_on);
        goes_on
    }

    /// A number below a bound.
    fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}
