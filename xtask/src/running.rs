//! Servers that run while something asks them.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use anyhow::Context as _;

use crate::process::{BOUND, succeed};

/// Builds the server, and returns where its program is.
pub(crate) fn build(root: &Path) -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    // The same packages as the test suite builds, so that nothing is built twice.
    cargo.args(["build", "-p", "weir-server", "-p", "weir", "--bins"]);
    succeed(cargo.current_dir(root))?;
    Ok(root.join("target/debug/weir-server"))
}

/// A process that ends with this value.
pub(crate) struct Running {
    child: Child,
    output: Receiver<String>,
}

impl Running {
    /// Starts to serve a chain folder from a fresh data folder; returns when all of it is indexed, with the
    /// address.
    pub(crate) fn replay(
        server: &Path,
        chain: &Path,
        data: &Path,
    ) -> anyhow::Result<(Self, String)> {
        if data.exists() {
            fs::remove_dir_all(data)?;
        }
        let chain = chain.to_str().context("the folder's path is no text")?;
        let mut process = Command::new(server);
        process.args(["serve", "--listen", "127.0.0.1:0", "--source"]);
        process.arg(format!("replay:{chain}")).arg("--data").arg(data).stderr(Stdio::piped());
        let mut running = Self::start(&mut process)?;
        let address = running.address("weir-server: serving http://")?;
        running.await_log("the source is indexed to its end")?;
        Ok((running, address))
    }

    /// Starts it with its output piped.
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let output = lines(child.stdout.take().context("the output is piped")?);
        Ok(Self { child, output })
    }

    /// The address in the first line.
    pub(crate) fn address(&mut self, prefix: &str) -> anyhow::Result<String> {
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
