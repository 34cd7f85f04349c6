//! The negative suite, made anew.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

/// Has the test suite write `integration-tests/conformance/cases` and `docs/rules.md`.
///
/// The suite is made with the real prover and the keys of a simulated network, which only the
/// integration tests may depend on both.
pub(crate) fn write(root: &Path) -> anyhow::Result<()> {
    let status = Command::new(env!("CARGO"))
        .args(["test", "--package", "weir-integration-tests", "--test", "suite", "--"])
        .args(["--ignored", "--exact", "conformance::write_the_suite"])
        .current_dir(root)
        .status()
        .context("cargo test")?;
    if !status.success() {
        bail!("the suite is not written: a case ends otherwise than it is meant to");
    }
    Ok(())
}
