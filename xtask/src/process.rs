//! Other programs.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use process_control::{ChildExt as _, Control as _, Output};

/// Runs a compiler or another program that ends by itself to its end, which must be a success.
pub(crate) fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_owned();
    let status = command.status().with_context(|| format!("{program:?}"))?;
    if !status.success() {
        bail!("{program:?} failed");
    }
    Ok(())
}

/// Runs a test to its end, which must be a success.
///
/// A test may wait for something that never comes, so it is killed when it takes longer than
/// [`BOUND`].
pub(crate) fn pass(command: &mut Command) -> anyhow::Result<()> {
    pass_within(BOUND, command)
}

fn pass_within(bound: Duration, command: &mut Command) -> anyhow::Result<()> {
    let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
    match child.controlled().time_limit(bound).terminate_for_timeout().wait()? {
        Some(status) if status.success() => Ok(()),
        Some(_) => bail!("{command:?} failed"),
        None => bail!("{command:?} does not end within {bound:?}"),
    }
}

/// Runs a test to its end, as [`pass`] does, and returns how it ended and what it said.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<Output> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().with_context(|| format!("{command:?}"))?;
    let control = child.controlled_with_output().time_limit(BOUND).terminate_for_timeout();
    control.wait()?.with_context(|| format!("{command:?} does not end within {BOUND:?}"))
}

/// Runs an ignored test of a package: one that writes files of the repository, or takes long.
pub(crate) fn run_ignored(
    root: &Path,
    package: &str,
    program: &str,
    test: &str,
) -> anyhow::Result<()> {
    run_ignored_with(root, &["--package", package, "--test", program], test, &[])
}

/// As [`run_ignored`], with the test program chosen by cargo's options, and variables of its own.
pub(crate) fn run_ignored_with(
    root: &Path,
    program: &[&str],
    test: &str,
    variables: &[(&str, u64)],
) -> anyhow::Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.arg("test").args(program).arg("--");
    cargo.args(["--ignored", "--exact", "--nocapture", test]).current_dir(root);
    cargo.envs(variables.iter().map(|(name, value)| (name, value.to_string())));
    // Cargo compiles first, so the bound is the test's own.
    succeed(cargo.env("WEIR_TEST_BOUND_SECONDS", IGNORED_BOUND_SECONDS))
}

/// Whether a program can be run at all.
pub(crate) fn is_there(program: &str) -> bool {
    let mut version = Command::new(program);
    version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

/// Whether Go is installed; says what is skipped where it is not.
pub(crate) fn go_is_there(for_what: &str) -> bool {
    let is_there = Command::new("go").arg("version").stdout(Stdio::null()).status().is_ok();
    if !is_there {
        println!("SKIPPED: {for_what}, for Go is not installed");
    }
    is_there
}

/// Longest time for the tests of another language: the longest, those of pages, take a minute on
/// two idle cores.
pub(crate) const BOUND: Duration = Duration::from_secs(1800);
/// Longest time for an ignored test: watching ten thousand minutes takes about half an hour.
const IGNORED_BOUND_SECONDS: &str = "14400";

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::{output, pass, pass_within};

    #[bounded::test]
    fn a_test_that_hangs_is_killed_and_named() {
        let bound = Duration::from_millis(100);
        let error = pass_within(bound, Command::new("sleep").arg("100000")).unwrap_err();
        assert_eq!(error.to_string(), r#""sleep" "100000" does not end within 100ms"#);
        pass(&mut Command::new("true")).unwrap();
        assert!(pass(&mut Command::new("false")).unwrap_err().to_string().contains("failed"));
    }

    /// More than a pipe holds.
    #[bounded::test]
    fn whatever_a_test_says_is_read() {
        let said = output(Command::new("seq").arg("100000")).unwrap();
        assert!(said.status.success() && said.stdout.ends_with(b"\n100000\n"));
    }
}
