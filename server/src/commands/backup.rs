//! `weir-server backup`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::commands::output::output;
use clap::Args;
use weir_server::backup::back_up;

/// What to copy, and where to.
#[derive(Debug, Args)]
pub(crate) struct BackupOptions {
    /// Data folder, which a server may have open
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Folder of the backup, itself a data folder; made if missing. Only what is new is written to it
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
}

/// Copies, and says how much.
pub(crate) fn run(options: &BackupOptions) -> anyhow::Result<ExitCode> {
    let BackupOptions { data, to } = options;
    let copied = back_up(data, to, &mut |done, total| tracing::debug!(done, total, "backup"))?;
    output!(
        "weir-server: {} has the blocks {} up to {} of {}: {} segments written ({} MiB), {} were there",
        to.display(),
        copied.first,
        copied.end,
        data.display(),
        copied.segments,
        copied.bytes >> 20,
        copied.kept
    );
    say_how(to);
    Ok(ExitCode::SUCCESS)
}

fn say_how(to: &Path) {
    output!(
        "to restore it, serve a copy of it with --data; --source replay:{} reads it too",
        to.display()
    );
}
