//! `weir-server export`.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::commands::output::output;
use clap::Args;
use weir_server::export::{Heights, export};

/// What to export, and where to.
#[derive(Debug, Args)]
pub(crate) struct ExportOptions {
    /// Data folder; a server may have it open, unless --from or --upto is given
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Chain folder, made if missing
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// Begin with the snapshot at this height
    #[arg(long, value_name = "HEIGHT")]
    from: Option<u64>,
    /// End with the block that makes this height final
    #[arg(long, value_name = "HEIGHT")]
    upto: Option<u64>,
}

/// Exports, and says how much.
pub(crate) fn run(options: &ExportOptions) -> anyhow::Result<ExitCode> {
    let ExportOptions { data, to, from, upto } = options;
    let exported = export(data, to, Heights { from: *from, upto: *upto })?;
    output!(
        "weir-server: wrote {} blocks to {} ({} MiB)",
        exported.blocks,
        to.display(),
        exported.bytes >> 20
    );
    output!("check them with `weir-server replay {}`", to.display());
    Ok(ExitCode::SUCCESS)
}
