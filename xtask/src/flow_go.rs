//! flow-go itself as the judge of what Weir accepts and of what it simulates.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::chains;
use crate::process::{go_is_there, output, pass, succeed};
use crate::running::{self, Running};

/// Builds the Go program and runs all of its modes; skips, and says so, without Go.
pub(crate) fn run(root: &Path, seed: Option<u64>, count: u64) -> anyhow::Result<()> {
    if !go_is_there("flow-go as the judge") {
        return Ok(());
    }
    let judge = Judge::build(root)?;
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) * CHAINS);
    println!("flow-go as the judge: --seed {seed}");
    at_once(&judge.cases(seed, count))
}

/// One thing to judge, independent of all others.
type Case<'a> = Box<dyn Fn() -> anyhow::Result<()> + Send + Sync + 'a>;

/// Runs all cases, as many at once as there are processors; after a failure no further one begins.
fn at_once(cases: &[Case<'_>]) -> anyhow::Result<()> {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            case().inspect_err(|_| next.store(cases.len(), Ordering::Relaxed))?;
        }
        anyhow::Ok(())
    };
    let workers = thread::available_parallelism()?.get();
    thread::scope(|scope| {
        let running: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        running.into_iter().try_for_each(|worker| worker.join().expect("a case does not panic"))
    })
}

/// The programs, and where they may write.
struct Judge {
    flow_go: PathBuf,
    server: PathBuf,
    /// What gives Weir's verdicts.
    weir: PathBuf,
    reference: Vec<PathBuf>,
    work: PathBuf,
}

impl Judge {
    fn build(root: &Path) -> anyhow::Result<Self> {
        let work = root.join("target/flow-go");
        if work.exists() {
            fs::remove_dir_all(&work)?;
        }
        fs::create_dir_all(&work)?;
        let flow_go = work.join("judge");
        succeed(go(root).args(["build", "-buildvcs=false", "-o"]).arg(&flow_go).arg("."))?;
        succeed(go(root).args(["test", "./..."]))?;
        let server = running::build(root)?;
        let mut example = Command::new(env!("CARGO"));
        example.args(["build", "-p", "weir-integration-tests", "--example", "judge"]);
        succeed(example.current_dir(root))?;
        let weir = root.join("target/debug/examples/judge");
        Ok(Self { flow_go, server, weir, reference: chains::reference(root)?, work })
    }

    /// All there is to judge, what takes longest first.
    fn cases(&self, seed: u64, count: u64) -> Vec<Case<'_>> {
        let part = count.div_ceil(VERDICT_PARTS);
        let parts = (0..VERDICT_PARTS).map(move |index| seed + index * VERDICT_SEEDS);
        let verdicts =
            parts.map(|seed| -> Case<'_> { Box::new(move || self.verdicts(seed, part)) });
        let simulated = SIMULATED_CHAINS.iter().map(|(name, options)| -> Case<'_> {
            Box::new(|| self.simulated_chain(name, options))
        });
        let random = (seed..seed + CHAINS)
            .map(|seed| -> Case<'_> { Box::new(move || self.random_chain(seed)) });
        let reference = self
            .reference
            .iter()
            .map(|chain| -> Case<'_> { Box::new(|| self.reference_chain(chain)) });
        verdicts.chain(simulated).chain(random).chain(reference).collect()
    }

    /// flow-go follows a chain that it made once, and boots from Weir's snapshots of some.
    fn reference_chain(&self, chain: &Path) -> anyhow::Result<()> {
        let name = chain.file_name().and_then(OsStr::to_str).context("a folder without name")?;
        let mut follow = self.flow_go("follow");
        follow.arg("-reference");
        if name == CONFLICTING {
            follow.arg("-conflict");
        }
        pass(follow.arg(chain))?;
        if BOOTED_CHAINS.contains(&name) {
            self.boot(name, chain, &["-reference"])?;
        }
        Ok(())
    }

    /// A participant takes every block that a devnet makes, and boots from Weir's snapshots of it.
    fn simulated_chain(&self, name: &str, options: &[&str]) -> anyhow::Result<()> {
        let dir = self.work.join(name);
        let mut devnet = Command::new(&self.server);
        pass(devnet.args(["devnet", "--out"]).arg(&dir).args(options))?;
        pass(self.flow_go("follow").arg(&dir))?;
        self.boot(name, &dir, &[])
    }

    /// Boots nodes from what a server that indexed the chain serves.
    fn boot(&self, name: &str, chain: &Path, more: &[&str]) -> anyhow::Result<()> {
        let data = self.work.join(name).with_extension("data");
        let (_running, address) = Running::replay(&self.server, chain, &data)?;
        let mut boot = self.flow_go("boot");
        pass(boot.args(["-server", &address]).args(more).arg(chain))
            .with_context(|| format!("snapshots of {name}"))
    }

    /// flow-go makes a chain, and Weir's replay agrees in all that is expected of each block.
    fn random_chain(&self, seed: u64) -> anyhow::Result<()> {
        let dir = self.work.join(format!("random-{seed}"));
        let number = seed.to_string();
        pass(self.flow_go("make").args(["-seed", &number, "-out"]).arg(&dir))?;
        let mut replay = Command::new(&self.server);
        let replay = output(replay.args(["replay", "--json"]).arg(&dir))?;
        let said = String::from_utf8_lossy(&replay.stderr);
        ensure!(replay.status.success(), "seed {seed}: {said}");
        compare(&rows(chains::expected(&dir)?.as_bytes())?, &rows(&replay.stdout)?)
            .with_context(|| format!("seed {seed}"))?;
        fs::remove_dir_all(dir).context("the folder of a chain")
    }

    /// Blocks that are wrong in one place get the same verdict from both.
    fn verdicts(&self, seed: u64, count: u64) -> anyhow::Result<()> {
        let mut judge = self.flow_go("judge");
        judge.arg("-weir").arg(&self.weir);
        judge.args(["-seed", &seed.to_string(), "-count", &count.to_string()]);
        pass(&mut judge)
    }

    fn flow_go(&self, mode: &str) -> Command {
        let mut command = Command::new(&self.flow_go);
        command.arg(mode);
        command
    }
}

/// Go in the folder of the program.
pub(crate) fn go(root: &Path) -> Command {
    let mut go = Command::new("go");
    go.current_dir(root.join("integration-tests/flow-go"));
    // What flow-go 0.46 is built with. Under Go 1.26 one of its dependencies panics at the start.
    go.env("GOTOOLCHAIN", "go1.25.3");
    go
}

/// Compares block by block, in the order of the chain, all that both say.
fn compare(expected: &[Value], found: &[Value]) -> anyhow::Result<()> {
    ensure!(expected.len() == found.len(), "{} blocks, not {}", found.len(), expected.len());
    for (number, (expected, found)) in expected.iter().zip(found).enumerate() {
        for (field, value) in found.as_object().context("a row that is no object")? {
            // flow-go's rows have the certificate itself, also where no block of the folder has it.
            if field != "certified" && expected.get(field) != Some(value) {
                let expected = &expected[field];
                bail!("block {number}, {field}: flow-go has {expected}, weir-server {value}");
            }
        }
    }
    Ok(())
}

fn rows(lines: &[u8]) -> anyhow::Result<Vec<Value>> {
    let rows = serde_json::Deserializer::from_slice(lines).into_iter();
    rows.collect::<Result<_, _>>().context("a row that is no JSON")
}

/// How many random chains a run makes.
const CHAINS: u64 = 20;
/// In how many parts verdicts are compared, each with chains of its own.
const VERDICT_PARTS: u64 = 4;
/// How far apart the parts' seeds are: more than a part has chains.
const VERDICT_SEEDS: u64 = 1_000_000;
/// The one that ends with two final blocks of one height.
const CONFLICTING: &str = "conflicting-finality";
/// Those that nodes are booted from.
const BOOTED_CHAINS: [&str; 2] = ["happy-epochs", "random-1"];
/// Devnets by name, with the options that make each what it is.
const SIMULATED_CHAINS: [(&str, &[&str]); 3] = [
    ("ordinary", &["--blocks", "500", "--seed", "1"]),
    ("eventful", &EVENTFUL),
    ("wide", &["--blocks", "40", "--seed", "3", "--nodes", "460"]),
];
/// Forks, timeouts, an ejection, a node that joins, and a setup that leads into fallback.
#[rustfmt::skip]
const EVENTFUL: [&str; 18] = [
    "--blocks", "700", "--seed", "2", "--epoch-views", "150",
    "--forks", "80", "--timeouts", "80", "--gaps", "60",
    "--at", "height:60=eject:collection:1",
    "--at", "height:200=join:access",
    "--at", "height:300=invalid-setup",
];
