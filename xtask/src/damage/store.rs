//! A server's data folder on a device, what the server announced of it, and what is there.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::process::{output, succeed};

/// The program, and a chain that it indexes.
pub(super) struct Programs {
    server: PathBuf,
    pub(super) chain: PathBuf,
    /// What an export of all of it has.
    exported: Vec<u8>,
}

impl Programs {
    /// Builds the program, and makes the chain in a folder.
    pub(super) fn make(root: &Path, folder: &Path, dev: bool) -> anyhow::Result<Self> {
        let profile = if dev { "dev" } else { "release" };
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--package", "weir-server", "--bins", "--profile", profile]);
        succeed(cargo.current_dir(root))?;
        let server = root.join("target").join(if dev { "debug" } else { "release" });
        let chain = folder.join("chain");
        let mut programs = Self { server: server.join("weir-server"), chain, exported: Vec::new() };
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        let chain = programs.chain.display().to_string();
        programs.succeeds(&["devnet", "--blocks", &BLOCKS.to_string(), "--out", &chain])?;
        let undisturbed = Store::new(folder);
        undisturbed.complete(&programs)?;
        programs.exported = undisturbed.export(&programs)?;
        Ok(programs)
    }

    /// How a command of the program ended, and what it said.
    fn run(&self, arguments: &[&str]) -> anyhow::Result<(Option<i64>, String)> {
        let ran = output(Command::new(&self.server).args(arguments))?;
        let text = String::from_utf8_lossy(&ran.stdout).into_owned()
            + &String::from_utf8_lossy(&ran.stderr);
        Ok((ran.status.code(), text))
    }

    fn succeeds(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let (code, said) = self.run(arguments)?;
        ensure!(code == Some(0), "{arguments:?} ended with {code:?}: {said}");
        Ok(said)
    }
}

/// A data folder, and the most blocks that were announced of it.
pub(super) struct Store {
    pub(super) data: PathBuf,
    pub(super) announced: u64,
}

/// A server on a data folder.
pub(super) struct Server {
    child: Child,
    metrics: u16,
}

/// What a check found.
pub(super) enum Found {
    /// There was no store yet.
    Nothing,
    Good,
    Mended,
}

impl Store {
    pub(super) fn new(folder: &Path) -> Self {
        Self { data: folder.join("data"), announced: 0 }
    }

    /// Begins anew.
    pub(super) fn clear(&mut self) -> anyhow::Result<()> {
        self.announced = 0;
        if self.data.exists() { Ok(fs::remove_dir_all(&self.data)?) } else { Ok(()) }
    }

    fn name(&self) -> String {
        self.data.display().to_string()
    }

    fn source(programs: &Programs) -> String {
        format!("replay:{}", programs.chain.display())
    }

    pub(super) fn serve(&self, programs: &Programs) -> anyhow::Result<Server> {
        // Free a moment ago; whoever takes it in between makes this fail, and aloud.
        let metrics = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(&programs.server);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data", &self.name()]);
        command.args(["--source", &Self::source(programs)]);
        command.args(["--metrics", &format!("127.0.0.1:{metrics}")]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Server { child, metrics })
    }

    /// Notes what a server announces until it has so many blocks, or ends, or time is up.
    pub(super) fn watch(
        &mut self,
        server: &mut Server,
        blocks: u64,
        within: Duration,
    ) -> anyhow::Result<()> {
        let end = Instant::now() + within;
        while self.announced < blocks && Instant::now() < end && server.child.try_wait()?.is_none()
        {
            self.announced = self.announced.max(server.blocks().unwrap_or_default());
        }
        Ok(())
    }

    /// Checks what is there: no announced block is gone, and what is damaged is mended.
    pub(super) fn check(&self, programs: &Programs) -> anyhow::Result<Found> {
        let (code, said) = programs.run(&["fsck", "--json", "--data", &self.name()])?;
        let found = match code {
            Some(0) => Found::Good,
            Some(_) if self.announced == 0 => return Ok(Found::Nothing),
            Some(1) => {
                let source = Self::source(programs);
                let repair = ["fsck", "--repair", "--source", &source, "--data", &self.name()];
                programs.succeeds(&repair).context(said)?;
                Found::Mended
            }
            _ => bail!("fsck ended with {code:?}: {said}"),
        };
        let said = programs.succeeds(&["fsck", "--json", "--data", &self.name()])?;
        let said: Value = serde_json::from_str(said.lines().next().unwrap_or_default())?;
        let blocks = said["blocks"].as_u64().context("fsck says no blocks")?;
        ensure!(blocks >= self.announced, "{blocks} blocks of {} announced", self.announced);
        Ok(found)
    }

    /// Serves until everything is indexed.
    pub(super) fn complete(&self, programs: &Programs) -> anyhow::Result<()> {
        let mut command = Command::new(&programs.server);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data", &self.name()]);
        command.args(["--source", &Self::source(programs)]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let said = BufReader::new(child.stderr.take().context("it is piped")?);
        let mut lines = said.lines().map_while(Result::ok);
        let all = lines.any(|line| line.contains("indexed to its end"));
        let mut server = Server { child, metrics: 0 };
        ensure!(all, "the server ended before everything was indexed");
        server.terminate()
    }

    /// Completes it, and compares it with one that nothing happened to.
    pub(super) fn is_as_undisturbed(&self, programs: &Programs) -> anyhow::Result<()> {
        self.complete(programs)?;
        programs.succeeds(&["fsck", "--data", &self.name()])?;
        ensure!(self.export(programs)? == programs.exported, "other blocks than undisturbed");
        Ok(())
    }

    fn export(&self, programs: &Programs) -> anyhow::Result<Vec<u8>> {
        let to = programs.chain.with_file_name("exported");
        if to.exists() {
            fs::remove_dir_all(&to)?;
        }
        programs.succeeds(&[
            "export",
            "--data",
            &self.name(),
            "--to",
            &to.display().to_string(),
        ])?;
        Ok(fs::read(to.join("blocks.pb"))?)
    }
}

impl Server {
    /// How many blocks it says that it has.
    fn blocks(&self) -> Option<u64> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.metrics)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.lines()
            .find_map(|line| line.strip_prefix("store_blocks "))
            .and_then(|n| n.parse().ok())
    }

    /// Kills it, whatever it does.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end, and waits until it has.
    pub(super) fn terminate(&mut self) -> anyhow::Result<()> {
        let id = self.child.id().to_string();
        if self.child.try_wait()?.is_none() {
            succeed(Command::new("kill").args(["-TERM", &id]))?;
        }
        let end = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            ensure!(Instant::now() < end, "it does not end within {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Blocks of the chain, the root not counted.
pub(super) const BLOCKS: u64 = 2000;
/// Longest time for what takes moments.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
