//! The real programs, `weir-server` and `weir`, run as a user runs them.
//!
//! Cargo names a binary to tests of its own package only, so the first use here builds both: into
//! the target folder and with the profile of the running test, which makes it a matter of moments
//! when they are there already. Every wait has a limit, and a process ends with its handle.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command as AsyncCommand};
use tokio::time::timeout;

/// A program of the workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `weir-server`.
    Server,
    /// `weir`.
    Client,
}

impl Program {
    /// Where it is built.
    ///
    /// # Panics
    /// When it cannot be built.
    #[must_use]
    pub fn path(self) -> &'static Path {
        static PROGRAMS: OnceLock<[PathBuf; 2]> = OnceLock::new();
        let [server, client] =
            PROGRAMS.get_or_init(|| bounded::apart("the build of both programs", build));
        match self {
            Self::Server => server,
            Self::Client => client,
        }
    }

    /// Runs it to its end, with a folder for its state that goes with it.
    ///
    /// # Panics
    /// When it cannot be run or does not end within [`PATIENCE`].
    pub async fn run<I: IntoIterator<Item = impl AsRef<OsStr>>>(self, arguments: I) -> Ran {
        let state = tempfile::tempdir().expect("a temporary folder");
        let mut command = self.command();
        command.env("WEIR_STATE_DIR", state.path()).args(arguments);
        Self::ended(command).await
    }

    /// Starts it; it is killed when what is returned is dropped.
    ///
    /// # Panics
    /// When it cannot be run.
    pub fn start<I: IntoIterator<Item = impl AsRef<OsStr>>>(self, arguments: I) -> Started {
        let child = self.command().args(arguments).spawn().expect("the program can be run");
        Started { program: self, child }
    }

    /// As [`Self::run`], with its state where it puts it in this home folder.
    ///
    /// # Panics
    /// As [`Self::run`].
    pub async fn run_at_home<I: IntoIterator<Item = impl AsRef<OsStr>>>(
        self,
        home: &Path,
        arguments: I,
    ) -> Ran {
        let mut command = self.command();
        command.env("HOME", home).env_remove("XDG_DATA_HOME").args(arguments);
        Self::ended(command).await
    }

    async fn ended(mut command: AsyncCommand) -> Ran {
        let output = timeout(PATIENCE, command.output()).await;
        let output = output.unwrap_or_else(|_| panic!("{command:?} does not end"));
        let output = output.unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    fn command(self) -> AsyncCommand {
        let mut command = AsyncCommand::new(self.path());
        for variable in ["WEIR_SERVER", "WEIR_CHECKPOINT", "WEIR_STATE_DIR", "WEIR_LOG"] {
            command.env_remove(variable);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        command
    }
}

/// How a program ended, and what it said.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Exit code; none after a signal.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Ran {
    /// Standard output as JSON.
    ///
    /// # Panics
    /// When it is none, or the program failed.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Holds the end to an exit code and words of the message.
    ///
    /// # Panics
    /// When the code differs, a part of the message is missing, or something panicked.
    #[track_caller]
    pub fn expect(&self, code: i32, message: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for part in message {
            assert!(self.stderr.contains(part), "no `{part}` in {self:?}");
        }
        assert!(!self.stderr.contains("panicked"), "{self:?}");
    }
}

/// A program under way, which is killed when this is dropped.
#[derive(Debug)]
pub struct Started {
    program: Program,
    child: Child,
}

impl Started {
    /// Waits for an event elsewhere that the program is to bring about.
    ///
    /// Whoever waits for the event alone waits forever when the program ends without it.
    ///
    /// # Panics
    /// When the program ends first, with what it said, and when neither happens within
    /// [`PATIENCE`].
    pub async fn until<T>(&mut self, event: impl Future<Output = T>) -> T {
        let first = async {
            tokio::select! {
                biased;
                happened = event => Some(happened),
                _status = self.child.wait() => None,
            }
        };
        match timeout(PATIENCE, first).await {
            Ok(Some(happened)) => happened,
            Ok(None) => panic!("the program ended too early: {:?}", self.ran().await),
            Err(_) => panic!("{:?} neither ends nor does what is waited for", self.program),
        }
    }

    /// Reads a line of its output.
    ///
    /// # Panics
    /// When the program ends first, with what it said, and when neither happens within
    /// [`PATIENCE`].
    pub async fn line(&mut self) -> String {
        let stdout = self.child.stdout.as_mut().expect("its output is read");
        let mut line = Vec::new();
        // Byte by byte, so that what follows stays unread.
        let read = async {
            while line.last() != Some(&b'\n') {
                line.push(stdout.read_u8().await?);
            }
            io::Result::Ok(())
        };
        match timeout(PATIENCE, read).await {
            Ok(Ok(())) => text(line),
            Ok(Err(_)) => panic!("it ended within {:?}: {:?}", text(line), self.ran().await),
            Err(_) => panic!("{:?} says nothing", self.program),
        }
    }

    /// Reads its output no more, so that writing fails.
    pub fn close_output(&mut self) {
        self.child.stdout = None;
    }

    /// Kills it at once and waits until it is gone.
    ///
    /// # Panics
    /// When it is not gone within [`PATIENCE`].
    pub async fn kill(mut self) {
        let killed = timeout(PATIENCE, self.child.kill()).await;
        killed.expect("it goes in time").expect("it can be killed");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end within [`PATIENCE`].
    pub async fn ended(mut self) -> Ran {
        self.ran().await
    }

    async fn ran(&mut self) -> Ran {
        let (stdout, stderr) = (self.child.stdout.take(), self.child.stderr.take());
        let ended = async { tokio::join!(rest(stdout), rest(stderr), self.child.wait()) };
        let ended = timeout(PATIENCE, ended).await;
        let Ok((stdout, stderr, status)) = ended else { panic!("{:?} does not end", self.program) };
        Ran { code: status.expect("it can be waited for").code(), stdout, stderr }
    }
}

/// A `weir-server serve` that has announced its address.
#[derive(Debug)]
pub struct ServerProcess {
    /// Its URL.
    pub url: String,
    child: Child,
    stderr: Lines<BufReader<ChildStderr>>,
    _stdout: Lines<BufReader<ChildStdout>>,
}

impl ServerProcess {
    /// Starts to index `source` into `data` and to serve it on a free port.
    ///
    /// # Errors
    /// How it ended, when it ended instead of serving.
    ///
    /// # Panics
    /// When it does neither within [`PATIENCE`].
    pub async fn start(data: &Path, source: &Path) -> Result<Self, Ran> {
        Self::announced(spawn_serve(data, source), SERVING).await
    }

    /// As [`Self::start`], with a key that signs answers.
    ///
    /// # Errors
    /// As [`Self::start`].
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn signing(data: &Path, source: &Path, key: &Path) -> Result<Self, Ran> {
        let mut command = serve(data, source);
        command.arg("--receipt-key").arg(key);
        Self::announced(command.spawn(), SERVING).await
    }

    /// Starts to follow the access node at `url` into `data`, from a checkpoint.
    ///
    /// # Errors
    /// As [`Self::start`].
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn follow(data: &Path, url: &str, checkpoint: &str) -> Result<Self, Ran> {
        Self::follow_with(data, url, checkpoint, &[]).await
    }

    /// As [`Self::follow`], with more options.
    ///
    /// # Errors
    /// As [`Self::start`].
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn follow_with(
        data: &Path,
        url: &str,
        checkpoint: &str,
        more: &[&str],
    ) -> Result<Self, Ran> {
        let mut command = Program::Server.command();
        command.arg("serve").arg("--data").arg(data);
        command.args(["--source", &format!("access:{url}"), "--checkpoint", checkpoint]);
        command.args(["--listen", "127.0.0.1:0"]).args(more);
        Self::announced(command.spawn(), SERVING).await
    }

    /// Starts a devnet; the rest of what it says behind its URL is part of [`Self::url`].
    ///
    /// # Errors
    /// As [`Self::start`].
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn devnet(arguments: &[&str]) -> Result<Self, Ran> {
        let mut command = Program::Server.command();
        command.args(["devnet", "--listen", "127.0.0.1:0"]).args(arguments);
        Self::announced(command.spawn(), DEVNET_SERVING).await
    }

    /// Starts a proxy before the server at `url`, from a checkpoint.
    ///
    /// # Errors
    /// As [`Self::start`].
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn proxy(url: &str, checkpoint: &str) -> Result<Self, Ran> {
        Self::proxy_with(url, checkpoint, &[]).await
    }

    /// As [`Self::proxy`], with more options.
    ///
    /// # Errors
    /// As [`Self::start`].
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn proxy_with(url: &str, checkpoint: &str, more: &[&str]) -> Result<Self, Ran> {
        let mut command = Program::Server.command();
        command.args(["proxy", "--upstream", url, "--checkpoint", checkpoint]);
        command.args(["--listen", "127.0.0.1:0"]).args(more);
        Self::announced(command.spawn(), PROXY_SERVING).await
    }

    async fn announced(child: io::Result<Child>, announcement: &str) -> Result<Self, Ran> {
        let mut child = child.expect("weir-server can be started");
        let stdout = child.stdout.take().expect("its output is piped");
        let stderr = child.stderr.take().expect("its messages are piped");
        let (mut stdout, stderr) = (lines(stdout), lines(stderr));
        let first = timeout(PATIENCE, stdout.next_line()).await;
        let first = first.expect("weir-server speaks in time").expect("its output is text");
        let url = first.as_deref().and_then(|line| line.strip_prefix(announcement));
        if let Some(url) = url {
            return Ok(Self { url: url.to_owned(), child, stderr, _stdout: stdout });
        }
        let mut message = String::new();
        let mut rest = stderr.into_inner();
        let read = timeout(PATIENCE, rest.read_to_string(&mut message)).await;
        read.expect("weir-server ends in time").expect("its messages are text");
        let status = timeout(PATIENCE, child.wait()).await.expect("weir-server ends in time");
        let code = status.expect("it can be waited for").code();
        Err(Ran { code, stdout: first.unwrap_or_default(), stderr: message })
    }

    /// Waits until the whole source is indexed.
    ///
    /// # Panics
    /// When the server says something else or nothing within [`PATIENCE`].
    pub async fn indexed(&mut self) {
        let mut said = String::new();
        let indexed = async {
            while let Some(line) = self.stderr.next_line().await.expect("its messages are text") {
                if line.contains("the source is indexed to its end") {
                    return true;
                }
                said.push_str(&line);
            }
            false
        };
        let indexed = timeout(PATIENCE, indexed).await.expect("weir-server indexes in time");
        assert!(indexed, "weir-server stopped: {said}");
    }

    /// Kills it at once, as `kill -9` does, and waits until it is gone.
    ///
    /// # Panics
    /// When it is not gone within [`PATIENCE`].
    pub async fn kill(mut self) {
        let killed = timeout(PATIENCE, self.child.kill()).await;
        killed.expect("weir-server goes in time").expect("weir-server can be killed");
    }

    /// Asks it to end, as `kill` does, and returns its exit code and messages.
    ///
    /// # Panics
    /// When it does not end within [`PATIENCE`].
    pub async fn terminate(mut self) -> Ran {
        let id = self.child.id().expect("it was not waited for").to_string();
        let sent = AsyncCommand::new("kill").args(["-TERM", &id]).status().await;
        assert!(sent.expect("kill can be run").success(), "process {id} is gone already");
        let mut stderr = String::new();
        let read = timeout(PATIENCE, self.stderr.get_mut().read_to_string(&mut stderr)).await;
        read.expect("weir-server ends in time").expect("its messages are text");
        let status = timeout(PATIENCE, self.child.wait()).await.expect("weir-server ends in time");
        Ran { code: status.expect("it can be waited for").code(), stdout: String::new(), stderr }
    }
}

/// A `weir-server serve` on a free port, of which nothing is known yet.
///
/// # Errors
/// When there is no such program.
pub fn spawn_serve(data: &Path, source: &Path) -> io::Result<Child> {
    serve(data, source).spawn()
}

fn serve(data: &Path, source: &Path) -> AsyncCommand {
    let mut replay = std::ffi::OsString::from("replay:");
    replay.push(source);
    let mut command = Program::Server.command();
    command.arg("serve").arg("--data").arg(data).arg("--source").arg(replay);
    command.args(["--listen", "127.0.0.1:0"]);
    command
}

/// Builds both programs and returns where they are.
fn build() -> [PathBuf; 2] {
    // target/PROFILE/deps/TEST
    let test = std::env::current_exe().expect("a test knows its file");
    let profile = test.ancestors().nth(2).expect("tests lie in target/PROFILE/deps");
    let target = profile.parent().expect("a profile lies in the target folder");
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--package=weir-server", "--package=weir", "--bins"]);
    command.args(["--message-format=json-render-diagnostics", "--quiet"]);
    command.arg("--target-dir").arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        command.arg("--release");
    }
    let output = command.stderr(Stdio::inherit()).output().expect("cargo can be run");
    assert!(output.status.success(), "{command:?} failed");
    let artifacts: Vec<Value> =
        output.stdout.split(|byte| *byte == b'\n').flat_map(serde_json::from_slice).collect();
    ["weir-server", "weir"].map(|name| {
        let built = artifacts.iter().find(|artifact| {
            artifact["target"]["name"] == name && artifact["executable"].is_string()
        });
        built.and_then(|artifact| artifact["executable"].as_str()).expect("it was built").into()
    })
}

fn lines<R: AsyncRead + Unpin>(from: R) -> Lines<BufReader<R>> {
    BufReader::new(from).lines()
}

/// What is left to read, if it is still read.
async fn rest(from: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut from) = from {
        from.read_to_end(&mut bytes).await.expect("a pipe can be read");
    }
    text(bytes)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("programs write UTF-8")
}

/// Longest wait for anything: far more than a busy machine needs.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// What a server says when it has bound its port and opened its store.
const SERVING: &str = "weir-server: serving ";
/// What a devnet says when it serves.
const DEVNET_SERVING: &str = "weir-server: devnet serving ";
/// What a proxy says when it serves.
const PROXY_SERVING: &str = "weir-server: proxy serving ";
