//! Flow's official Go SDK against a server and against a devnet.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use anyhow::Context as _;

use crate::process::{BOUND, pass, succeed};

/// Builds the Go program and lets it read from both; skips, and says so, without Go.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    if Command::new("go").arg("version").stdout(Stdio::null()).status().is_err() {
        println!("SKIPPED: interop with Flow's Go SDK, for Go is not installed");
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
    succeed(
        Command::new(env!("CARGO"))
            // The same packages as the test suite builds, so that nothing is built twice.
            .args(["build", "-p", "weir-server", "-p", "weir-client", "--bins"])
            .current_dir(root),
    )?;
    let server = root.join("target/debug/weir-server");
    reference_chain(root, &work, &server, &sdk)?;
    devnet(&server, &sdk)
}

/// Every finalized block of a reference chain, against what flow-go computed.
fn reference_chain(root: &Path, work: &Path, server: &Path, sdk: &Path) -> anyhow::Result<()> {
    let chain = root.join("integration-tests/vectors/thirty-epochs");
    let data = work.join("data");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    let mut source = "replay:".to_owned();
    source.push_str(chain.to_str().context("the folder's path is no text")?);
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--source", &source, "--data"];
    let mut process = Command::new(server);
    process.args(arguments).arg(&data).stderr(Stdio::piped());
    let mut running = Running::start(&mut process)?;
    let address = running.address("weir-server: serving http://")?;
    running.await_log("the source is indexed to its end")?;
    let rows = work.join("expected.jsonl");
    let unpacked = Command::new("gzip").arg("-dc").arg(chain.join("expected.jsonl.gz")).output()?;
    fs::write(&rows, unpacked.stdout)?;
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

/// A process that ends with this value.
struct Running {
    child: Child,
    output: Receiver<String>,
}

impl Running {
    fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let output = lines(child.stdout.take().context("the output is piped")?);
        Ok(Self { child, output })
    }

    /// The address in the first line.
    fn address(&mut self, prefix: &str) -> anyhow::Result<String> {
        let line = self.output.recv_timeout(BOUND).context("the server says no address")?;
        let rest = line.strip_prefix(prefix).with_context(|| format!("unexpected {line:?}"))?;
        let address = rest.split(',').next().unwrap_or_default();
        Ok(address.to_owned())
    }

    /// Reads the log up to a line with the text.
    fn await_log(&mut self, text: &str) -> anyhow::Result<()> {
        let log = lines(self.child.stderr.take().context("the log is piped")?);
        loop {
            let line = log.recv_timeout(BOUND);
            let line = line.with_context(|| format!("the server ended or never said {text:?}"))?;
            if line.contains(text) {
                return Ok(());
            }
        }
    }
}

/// Reads lines to the end, whether anybody still wants them or not, so that writing never blocks.
fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let _unwanted = sender.send(line);
        }
    });
    receiver
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
