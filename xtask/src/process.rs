//! Other programs.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// Runs a program to its end, which must be a success.
pub(crate) fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_owned();
    let status = command.status().with_context(|| format!("{program:?}"))?;
    if !status.success() {
        bail!("{program:?} failed");
    }
    Ok(())
}

/// Runs an ignored test of a package: one that writes files of the repository, or takes long.
pub(crate) fn run_ignored(
    root: &Path,
    package: &str,
    program: &str,
    test: &str,
) -> anyhow::Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--package", package, "--test", program, "--"]);
    succeed(cargo.args(["--ignored", "--exact", "--nocapture", test]).current_dir(root))
}

/// Whether a program can be run at all.
pub(crate) fn is_there(program: &str) -> bool {
    let mut version = Command::new(program);
    version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}
