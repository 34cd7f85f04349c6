//! Fuzzing, from the kept corpus; findings stay below `target`.

use std::fs::{self, File};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, bail};

use crate::process::run_ignored;

/// Runs targets, all unless some are named, for so many seconds each, as many at once as there are
/// cores; fails when one finds something.
pub(crate) fn run(root: &Path, seconds: u32, chosen: &[String]) -> anyhow::Result<()> {
    let targets = targets(root)?;
    if let Some(unknown) = chosen.iter().find(|name| !targets.contains(name)) {
        bail!("no target {unknown}: there are {}", targets.join(", "));
    }
    let programs = build(root)?;
    let wanted = |name: &&String| chosen.is_empty() || chosen.contains(name);
    let queue = Mutex::new(targets.iter().filter(wanted));
    let work = || -> anyhow::Result<()> {
        loop {
            let next = queue.lock().map_or(None, |mut queue| queue.next());
            let Some(target) = next else { return Ok(()) };
            fuzz(root, &programs.join(target), target, seconds)?;
        }
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let ends = workers.into_iter().map(|worker| match worker.join() {
            Ok(end) => end,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        // All are joined before the first failure is returned.
        ends.collect::<Vec<_>>().into_iter().collect()
    })
}

/// Has the library write the seeds anew, from the vectors.
pub(crate) fn write_seeds(root: &Path) -> anyhow::Result<()> {
    run_ignored(root, "weir-fuzz", "seeds", "write_the_seeds").context("the seeds are not written")
}

/// The targets: each has a folder of kept inputs.
fn targets(root: &Path) -> anyhow::Result<Vec<String>> {
    let folder = root.join(CORPUS);
    let entries = fs::read_dir(&folder).with_context(|| format!("no {}", folder.display()))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<anyhow::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

/// Builds the instrumented programs and returns their folder.
///
/// The pinned compiler does it: libFuzzer needs instrumentation, which is an unstable option, but
/// no sanitizer, for there is no unsafe code of ours to sanitize.
fn build(root: &Path) -> anyhow::Result<PathBuf> {
    let out = root.join(OUT).join("build");
    let status = Command::new(env!("CARGO"))
        .args(["fuzz", "build", "--sanitizer", "none", "--fuzz-dir", PROGRAMS, "--target-dir"])
        .arg(&out)
        .env("RUSTC_BOOTSTRAP", "1")
        .current_dir(root)
        .status()
        .context("cargo fuzz")?;
    if !status.success() {
        bail!("`cargo fuzz build` failed; is cargo-fuzz installed? {INSTALL}");
    }
    let version = Command::new("rustc").arg("-vV").current_dir(root).output().context("rustc")?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(out.join(host.context("rustc does not say its host")?).join("release"))
}

fn fuzz(root: &Path, program: &Path, target: &str, seconds: u32) -> anyhow::Result<()> {
    let folder = |kind: &str| -> anyhow::Result<PathBuf> {
        let folder = root.join(OUT).join(kind).join(target);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    };
    let (findings, artifacts) = (folder("corpus")?, folder("artifacts")?);
    let log = folder("logs")?.join("last");
    let file = File::create(&log)?;
    let status = Command::new(program)
        // What is new goes to the first folder, the others are only read.
        .args([&findings, &root.join(CORPUS).join(target)])
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(format!("-max_total_time={seconds}"))
        .args(LIMITS)
        .stdout(Stdio::null())
        .stderr(file)
        .current_dir(root)
        .status()
        .with_context(|| format!("{}", program.display()))?;
    let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    if status.success() {
        println!("{target}: {}", summary(&said));
        return Ok(());
    }
    let artifact = said.lines().find_map(|line| line.split("Test unit written to ").nth(1));
    let tail: Vec<_> = said.lines().rev().take(40).collect();
    for line in tail.into_iter().rev() {
        println!("{line}");
    }
    let artifact = artifact.unwrap_or("the input named above");
    bail!(
        "{target} failed on {artifact}\n\
         again: {} {artifact}\n\
         then: mend it, and keep the input below {CORPUS}/{target}",
        program.display()
    );
}

/// What a run that found nothing has to say.
fn summary(said: &str) -> String {
    let value = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(name));
        line.map_or("?", str::trim).to_owned()
    };
    let covered = said.lines().rev().find_map(|line| line.split(" cov: ").nth(1));
    format!(
        "{} runs, {} a second, {} edges covered, slowest {} s, {} MiB",
        value("stat::number_of_executed_units:"),
        value("stat::average_exec_per_sec:"),
        covered.and_then(|rest| rest.split(' ').next()).unwrap_or("?"),
        value("stat::slowest_unit_time_sec:"),
        value("stat::peak_rss_mb:"),
    )
}

const PROGRAMS: &str = "integration-tests/fuzz/libfuzzer";
const CORPUS: &str = "integration-tests/fuzz/corpus";
const OUT: &str = "target/fuzz";
const INSTALL: &str = "cargo install cargo-fuzz --version 0.13.2 --locked";

/// A hang, a leak and an allocation that input grows are findings as a panic is.
const LIMITS: [&str; 5] = [
    "-timeout=20",
    "-rss_limit_mb=768",
    "-malloc_limit_mb=256",
    "-max_len=16384",
    "-print_final_stats=1",
];
