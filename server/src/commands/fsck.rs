//! `weir-server fsck`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use weir_dial::Asking;
use weir_server::check::{Checked, RepairSource, check, repair};
use weir_server::source::ChainFolder;

use super::source::Source;
use crate::commands::output::{output, say};

/// What to check, and whether to mend it.
#[derive(Debug, Args)]
pub(crate) struct FsckOptions {
    /// Data folder
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Mend what is damaged: make the index again from the log, and fetch blocks from the source
    #[arg(long)]
    repair: bool,
    /// Where damaged blocks are fetched from: replay:DIR, a chain folder or a data folder, or
    /// access:URL[,URL...], access nodes
    #[arg(long, value_name = "SOURCE", requires = "repair")]
    source: Option<Source>,
    #[command(flatten)]
    asking: Asking,
}

/// Checks a data folder: 0 when it is good or mended, 1 when it is damaged, 5 when that could not be
/// told.
pub(crate) fn run(options: &FsckOptions) -> anyhow::Result<ExitCode> {
    let data = &options.data;
    let Some(checked) = checked(data) else { return Ok(ExitCode::from(EXIT_UNCHECKED)) };
    if !options.repair || checked.is_clean() {
        print(data, &checked, options.json);
        return Ok(if checked.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let source = match &options.source {
        Some(Source::Replay(dir)) => Some(RepairSource::Folder(ChainFolder::open(dir)?)),
        Some(Source::Access(urls)) => {
            Some(RepairSource::Access(urls.clone(), options.asking.dialer()?))
        }
        None => None,
    };
    let repaired = repair(data, source.as_ref())?;
    for ordinal in &repaired.log.records {
        say!("weir-server: fetched block {ordinal} again");
    }
    for file in &repaired.log.quarantined {
        say!("weir-server: what was there is kept in log/{file}");
    }
    if repaired.index {
        say!("weir-server: made the index again");
    }
    let Some(checked) = self::checked(data) else { return Ok(ExitCode::from(EXIT_UNCHECKED)) };
    print(data, &checked, options.json);
    Ok(if checked.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The check's report, or nothing after saying why there is none.
fn checked(data: &Path) -> Option<Checked> {
    if !data.is_dir() {
        say!("weir-server: not checked: {} is not a folder", data.display());
        return None;
    }
    match check(data) {
        Ok(checked) => Some(checked),
        Err(error) => {
            say!("weir-server: not checked: {:#}", anyhow::Error::from(error));
            None
        }
    }
}

fn print(data: &Path, checked: &Checked, json: bool) {
    if json {
        output!("{}", checked.json());
        return;
    }
    output!("{} blocks in {} segments checked", checked.blocks, checked.segments);
    if let Some(index) = &checked.index {
        output!(
            "index: {} blocks, {} payloads, {} preimages, {} results, {} version beacons, \
             {} finalized heights checked",
            index.blocks,
            index.payloads,
            index.preimages,
            index.results,
            index.version_beacons,
            index.heights
        );
    }
    if checked.behind > 0 {
        output!("{} blocks are not indexed yet; the next start indexes them", checked.behind);
    }
    for found in &checked.findings {
        let blocks = match found.ordinals.end.saturating_sub(found.ordinals.start) {
            0 => String::new(),
            _ => format!(" (blocks {} up to {})", found.ordinals.start, found.ordinals.end),
        };
        output!("{}: {}{blocks}", found.place, found.reason);
    }
    if checked.is_clean() {
        output!("no findings");
        return;
    }
    let data = data.display();
    let mends = checked.findings.iter().any(|found| found.mend.command().contains("--source"));
    let source = if mends { " --source SOURCE" } else { "" };
    say!(
        "weir-server: {} findings; mend them with weir-server fsck --data {data} --repair{source}",
        checked.finding_count
    );
}

/// Nothing can be said about the folder.
const EXIT_UNCHECKED: u8 = 5;
