//! `weir-server fsck`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use weir_protocol::codec::snapshot::Snapshot;
use weir_server::payload;
use weir_server::store::{Opened, Store, StoreOptions, fsck};

/// Checks a data folder; 1 when something is wrong with it.
pub(crate) fn run(data: &Path) -> anyhow::Result<ExitCode> {
    if !data.is_dir() {
        bail!("{} is not a folder", data.display());
    }
    let Opened::Existing(store) = Store::open(data, StoreOptions::default())? else {
        bail!("{} holds no blocks", data.display());
    };
    let root = root_snapshot(&store);
    let report = fsck(&store, payload::checker(root.as_ref().ok()), |_, _| ());
    println!(
        "{} blocks, {} payloads, {} preimages, {} results, {} version beacons, \
         {} finalized heights checked",
        report.blocks,
        report.payloads,
        report.preimages,
        report.results,
        report.version_beacons,
        report.heights
    );
    for finding in &report.findings {
        println!("{finding}");
    }
    let mut findings = report.finding_count;
    if let Err(reason) = root {
        println!("root snapshot: {reason}");
        findings += 1;
    }
    if findings == 0 {
        println!("no findings");
        return Ok(ExitCode::SUCCESS);
    }
    bail!("{findings} findings: rebuild the data folder from its source")
}

fn root_snapshot(store: &Store) -> Result<Snapshot, String> {
    let json = store.reader().root_snapshot().map_err(|error| error.to_string())?;
    let json = json.ok_or("it is missing")?;
    Snapshot::from_json(&json).map_err(|error| error.to_string())
}
