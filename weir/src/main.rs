//! `weir`: asks a server about Flow's protocol state and prints only what it could verify.
#![forbid(unsafe_code)]
// They panic when nobody reads on.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod checkpoint;
mod events;
mod evidence;
mod evidence_folder;
mod generate;
mod question;
mod say;
mod session;
mod state_folder;
mod sync;
mod text;
mod tree;
mod upgrade;
mod watch;

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use weir_client::sync::{AskError, Outcome};
use weir_client::transport::unix_ms;
use weir_client::watch::WatchError;
use weir_protocol::request::Question;
use weir_verifier::json::{self, Shape};
use weir_verifier::{
    Answer, AnswerValue, Misbehaviour, MisbehaviourError, Rejection, verify_file,
    verify_file_status,
};

use args::{Arguments, Command};
use question::View;
use say::say;
use session::Session;

/// Parses the arguments, runs the command, and maps the outcome to an exit code.
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match execute(&arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            say(&message(&error));
            ExitCode::from(exit_code(&error))
        }
    }
}

fn execute(arguments: &Arguments) -> anyhow::Result<u8> {
    if let Some((question, shape)) = arguments.command.question() {
        return answer(arguments, &question, shape);
    }
    if arguments.save.is_some() {
        return Err(WrongUsage("--save is for questions, such as `weir epoch`").into());
    }
    match &arguments.command {
        Command::Tree { about } => return runtime()?.block_on(tree::run(arguments, about)),
        Command::Watch(watched) => return runtime()?.block_on(watch::run(arguments, watched)),
        Command::Sync => return runtime()?.block_on(sync::run(arguments)),
        Command::Checkpoint { action } => checkpoint::run(arguments, action)?,
        Command::Evidence { action } => return evidence::run(arguments, action),
        Command::Verify { file, view } => return verify(arguments, file, *view),
        Command::Completions { shell } => generate::completions(*shell)?,
        Command::Man { out } => generate::man_pages(out)?,
        _ => return Err(WrongUsage("this command asks a question").into()),
    }
    Ok(0)
}

fn answer(arguments: &Arguments, question: &Question, shape: Shape) -> anyhow::Result<u8> {
    let outcome = runtime()?.block_on(ask(arguments, question, shape))?;
    if let Some(path) = &arguments.save {
        let file = outcome.file.context("the client kept no evidence")?;
        fs::write(path, file.to_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    print(arguments, shape, &outcome.answer)
}

async fn ask(arguments: &Arguments, question: &Question, shape: Shape) -> anyhow::Result<Outcome> {
    if arguments.save.is_some() {
        return session::ask_for_evidence(arguments, question, shape).await;
    }
    let mut session = Session::begin(arguments).await?;
    let outcome = session::ask(&mut session.client, question, shape).await;
    session.end(outcome).await
}

fn verify(arguments: &Arguments, file: &Path, view: Option<View>) -> anyhow::Result<u8> {
    let bytes = read(file)?;
    if Misbehaviour::is_meant(&bytes) {
        return evidence::verify(arguments, file, &bytes);
    }
    let timing = arguments.clock().timing(unix_ms())?;
    let verify = if view == Some(View::Status) { verify_file_status } else { verify_file };
    let verified = verify(arguments.checkpoint()?, &bytes, &timing);
    let (question, answer) = verified
        .map_err(|rejection| anyhow::Error::new(rejection).context(file.display().to_string()))?;
    let shape = question::shape(&question, view).ok_or(WrongUsage(
        "--as is for evidence of a protocol state; this evidence answers another question",
    ))?;
    print(arguments, shape, &answer)
}

fn print(arguments: &Arguments, shape: Shape, answer: &Answer) -> anyhow::Result<u8> {
    let text = if arguments.json {
        format!("{}\n", json::render(shape, answer))
    } else {
        text::render(shape, answer)
    };
    stdout(text.as_bytes())?;
    let absent = matches!(answer.value, AnswerValue::Identity(None));
    if absent {
        say(&"verified: the identity table at this block has no such node");
    }
    Ok(if absent { EXIT_ABSENT } else { 0 })
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

fn stdout(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).context("cannot write the output")
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// An error and its causes, but those whose words are in the one before.
fn message(error: &anyhow::Error) -> String {
    let mut message = String::new();
    let mut before = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if before.contains(&cause) {
            continue;
        }
        let separator = if message.is_empty() { "" } else { ": " };
        message.push_str(&format!("{separator}{cause}"));
        before = cause;
    }
    message
}

fn exit_code(error: &anyhow::Error) -> u8 {
    let of_rejection = |rejection: &Rejection| match rejection {
        Rejection::Missing(_) => EXIT_MISSING,
        Rejection::NotYet(_) => EXIT_NOT_YET,
        Rejection::NeedsUpdate(_) => EXIT_NEEDS_UPDATE,
        Rejection::Invalid(_) => EXIT_INVALID,
    };
    if let Some(rejection) = error.downcast_ref::<Rejection>() {
        return of_rejection(rejection);
    }
    if error.is::<MisbehaviourError>() {
        return EXIT_INVALID;
    }
    if error.is::<WrongUsage>() {
        return EXIT_USAGE;
    }
    let asked = error.downcast_ref::<AskError>().or(match error.downcast_ref::<WatchError>() {
        Some(WatchError::Ask(error)) => Some(error),
        _ => None,
    });
    match asked {
        Some(AskError::Rejected { rejection, .. }) => of_rejection(rejection),
        Some(AskError::Transport(_) | AskError::Stale(_)) => EXIT_SERVER,
        Some(AskError::Timing(_)) => EXIT_USAGE,
        Some(_) => EXIT_INVALID,
        None => EXIT_LOCAL,
    }
}

/// Arguments that do not go together, where only running the command tells.
#[derive(Debug)]
struct WrongUsage(&'static str);

impl fmt::Display for WrongUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for WrongUsage {}

/// A file cannot be read or written, or an argument is missing.
const EXIT_LOCAL: u8 = 1;
/// The arguments make no sense, which `clap` reports so, too.
const EXIT_USAGE: u8 = 2;
/// The evidence is wrong: the server lied, or the file was changed.
const EXIT_INVALID: u8 = 3;
/// Something is missing that who asks can get or mend: another checkpoint, the clock.
const EXIT_MISSING: u8 = 4;
/// The server cannot be reached, is not weir, is behind what is proved already, or refused.
const EXIT_SERVER: u8 = 5;
/// Verified: there is no such node.
const EXIT_ABSENT: u8 = 6;
/// Nobody can prove it now.
const EXIT_NOT_YET: u8 = 7;
/// A newer version of this program is needed.
const EXIT_NEEDS_UPDATE: u8 = 8;
/// An accusation that is somebody's word: nothing proves it.
const EXIT_WORD: u8 = 9;
