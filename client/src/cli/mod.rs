//! The `weir` command line: arguments in, verified answers out.

mod args;
mod json;
mod text;

use std::fs;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use weir_client::sync::{AskError, ClockOptions, LightClient, Outcome};
use weir_client::transport::Server;
use weir_client::verifier::{Answer, AnswerValue, Rejection, verify_file};
use weir_proto::weir::v1::Proof;
use weir_protocol::evidence::Question;

use args::{Arguments, Command};

/// Parses the arguments, runs the command, and maps the outcome to an exit code.
pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match execute(&arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("weir: {error:#}");
            ExitCode::from(exit_code(&error))
        }
    }
}

fn execute(arguments: &Arguments) -> anyhow::Result<u8> {
    if let Command::Verify { file } = &arguments.command {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let (question, answer) =
            verify_file(arguments.checkpoint()?, &bytes, &ClockOptions::default().timing()?)
                .map_err(|rejection| {
                    anyhow::Error::new(rejection).context(file.display().to_string())
                })?;
        return print(arguments, &Arguments::shape_of(&question), &answer);
    }
    let question = arguments.question()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(ask(arguments, &question))?;
    if let Some(path) = &arguments.save {
        fs::write(path, outcome.evidence.to_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    print(arguments, &arguments.shape(), &outcome.answer)
}

async fn ask(arguments: &Arguments, question: &Question) -> anyhow::Result<Outcome> {
    let url = arguments.server.as_deref().context(
        "no server given: pass --server URL, for example --server http://127.0.0.1:9400",
    )?;
    let server = Server::connect(url).await.map_err(AskError::from)?;
    let checkpoint = arguments.checkpoint()?;
    let mut client = match arguments.save {
        Some(_) => LightClient::start_keeping_evidence(server, checkpoint).await?,
        None => LightClient::start(server, checkpoint).await?,
    };
    Ok(client.ask(question, Proof::Sealed).await?)
}

fn print(arguments: &Arguments, shape: &args::Shape, answer: &Answer) -> anyhow::Result<u8> {
    let text = if arguments.json {
        format!("{}\n", json::render(shape, answer))
    } else {
        text::render(shape, answer)
    };
    std::io::stdout().write_all(text.as_bytes())?;
    let absent = matches!(answer.value, AnswerValue::Identity(None));
    if absent {
        eprintln!("weir: verified: the identity table at this block has no such node");
    }
    Ok(if absent { EXIT_ABSENT } else { 0 })
}

fn exit_code(error: &anyhow::Error) -> u8 {
    let of_rejection = |rejection: &Rejection| match rejection {
        Rejection::NotEnough(_) => EXIT_NOT_ENOUGH,
        Rejection::Invalid(_) => EXIT_INVALID,
    };
    if let Some(rejection) = error.downcast_ref::<Rejection>() {
        return of_rejection(rejection);
    }
    match error.downcast_ref::<AskError>() {
        Some(AskError::Rejected { rejection, .. }) => of_rejection(rejection),
        Some(AskError::Transport(_)) => EXIT_SERVER,
        Some(_) => EXIT_INVALID,
        None => EXIT_LOCAL,
    }
}

/// A file cannot be read or written, or an argument is missing.
const EXIT_LOCAL: u8 = 1;
/// The evidence is wrong: the server lied, or the file was changed.
const EXIT_INVALID: u8 = 3;
/// The evidence is not enough.
const EXIT_NOT_ENOUGH: u8 = 4;
/// The server cannot be reached, is not weir, or refused.
const EXIT_SERVER: u8 = 5;
/// Verified: there is no such node.
const EXIT_ABSENT: u8 = 6;
