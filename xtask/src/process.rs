//! Other programs.

use std::process::Command;

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
