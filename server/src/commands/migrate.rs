//! `weir-server migrate`.

use std::path::Path;
use std::process::ExitCode;

use crate::commands::output::output;
use weir_migrations::Mode;
use weir_server::store::FORMAT_VERSION;
use weir_server::upgrade::upgrade;

/// Brings a data folder to this version's format, or says what that would take.
pub(crate) fn run(data: &Path, dry_run: bool) -> anyhow::Result<ExitCode> {
    let mode = if dry_run { Mode::DryRun } else { Mode::Apply };
    let upgraded = upgrade(data, mode, |step, done, of| output!("{step}: {done}, {of}"))?;
    let version = upgraded.version;
    if upgraded.steps.is_empty() {
        output!("format {version} is up to date, nothing to do");
        return Ok(ExitCode::SUCCESS);
    }
    let verb = if dry_run { "would run" } else { "ran" };
    let names = upgraded.steps.join(", ");
    output!("format {version} to {FORMAT_VERSION}: {verb} {names}");
    Ok(ExitCode::SUCCESS)
}
