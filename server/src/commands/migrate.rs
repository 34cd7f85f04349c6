//! `weir-server migrate`.

use std::path::Path;
use std::process::ExitCode;

use weir_migrations::{Mode, Registry, migrate};
use weir_server::store::FORMAT_VERSION;

/// Brings a data folder to this version's format, or says what that would take.
pub(crate) fn run(data: &Path, dry_run: bool) -> anyhow::Result<ExitCode> {
    let mode = if dry_run { Mode::DryRun } else { Mode::Apply };
    let plan = migrate(data, &Registry::production(), FORMAT_VERSION, mode, |progress| {
        println!("{}: {} batches, {} entries", progress.step, progress.batches, progress.entries);
    })?;
    let (version, target) = (plan.version, plan.target);
    if plan.steps.is_empty() {
        println!("format {version} is up to date, nothing to do");
        return Ok(ExitCode::SUCCESS);
    }
    let verb = if dry_run { "would run" } else { "ran" };
    let names: Vec<_> = plan.steps.iter().map(|step| step.name).collect();
    println!("format {version} to {target}: {verb} {}", names.join(", "));
    Ok(ExitCode::SUCCESS)
}
