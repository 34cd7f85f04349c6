//! `weir-server fsck`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use weir_server::indexer::payload;
use weir_server::store::{Opened, Store, StoreOptions, fsck};

/// Checks a data folder; 1 when something is wrong with it.
pub(crate) fn run(data: &Path) -> anyhow::Result<ExitCode> {
    if !data.is_dir() {
        bail!("{} is not a folder", data.display());
    }
    let Opened::Existing(store) = Store::open(data, StoreOptions::default())? else {
        bail!("{} holds no blocks", data.display());
    };
    let report = fsck(&store, payload::check, |_, _| ());
    println!(
        "{} blocks, {} payloads, {} preimages, {} results, {} finalized heights checked",
        report.blocks, report.payloads, report.preimages, report.results, report.heights
    );
    for finding in &report.findings {
        println!("{finding}");
    }
    if report.is_clean() {
        println!("no findings");
        return Ok(ExitCode::SUCCESS);
    }
    bail!("{} findings: rebuild the data folder from its source", report.finding_count)
}
