//! Flow's official Go SDK against a server and against a devnet.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::chains;
use crate::process::{go_is_there, pass, succeed};
use crate::running::{self, Running};

/// Builds the Go program and lets it read from both; skips, and says so, without Go.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    if !go_is_there("interop with Flow's Go SDK") {
        return Ok(());
    }
    let work = root.join("target/interop");
    fs::create_dir_all(&work)?;
    let sdk = work.join("interop");
    succeed(
        Command::new("go")
            .args(["build", "-buildvcs=false", "-o"])
            .arg(&sdk)
            .arg(".")
            .current_dir(root.join("integration-tests/interop")),
    )?;
    let server = running::build(root)?;
    reference_chain(root, &work, &server, &sdk)?;
    devnet(&server, &sdk)
}

/// Every finalized block of a reference chain, against what flow-go computed.
fn reference_chain(root: &Path, work: &Path, server: &Path, sdk: &Path) -> anyhow::Result<()> {
    let chain = root.join("integration-tests/vectors/thirty-epochs");
    let (_running, address) = Running::replay(server, &chain, &work.join("data"))?;
    let rows = work.join("expected.jsonl");
    fs::write(&rows, chains::expected(&chain)?)?;
    pass(Command::new(sdk).arg(address).arg(rows))
}

/// A live network.
fn devnet(server: &Path, sdk: &Path) -> anyhow::Result<()> {
    let mut process = Command::new(server);
    process.args(["devnet", "--listen", "127.0.0.1:0", "--block-time-ms", "100"]);
    let mut running = Running::start(process.stdin(Stdio::null()))?;
    let address = running.address("weir-server: devnet serving http://")?;
    pass(Command::new(sdk).arg(address))
}
