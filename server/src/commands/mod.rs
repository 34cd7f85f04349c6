//! The `weir-server` command line.

mod backup;
#[cfg(feature = "demo")]
mod demo;
#[cfg(feature = "devnet")]
mod devnet;
mod export;
mod fsck;
mod interrupt;
mod metrics;
mod migrate;
mod output;
mod port;
#[cfg(feature = "proxy")]
mod proxy;
mod prune;
mod receipt_key;
mod replay;
mod serve;
mod source;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
#[cfg(not(feature = "demo"))]
use clap::CommandFactory as _;
use clap::{Parser, Subcommand};

use output::say;
use serve::ServeOptions;

/// Indexes Flow blocks into per-block protocol-state snapshots and serves them with evidence.
///
/// Exit codes: 0 done; 1 failed, with a message; 2 wrong usage; 3 conflicting certificates found; 4 a
/// certified block breaks a rule of this version; 5 a data folder could not be checked.
/// Without a command, the demo runs.
#[derive(Debug, Parser)]
#[command(name = "weir-server", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read a chain folder and check every block, without storing anything
    Replay {
        /// Folder with root-protocol-state-snapshot.json and blocks.pb, each plain or gzipped
        dir: PathBuf,
        /// Print one JSON line a block
        #[arg(long)]
        json: bool,
        /// Check every signature, also those that a later certificate vouches for
        #[arg(long)]
        all_signatures: bool,
    },
    /// Index a source into a data folder and serve it, from the first block on
    Serve(Box<ServeOptions>),
    /// Stand in for other servers: check every answer, and pass it on with its evidence
    #[cfg(feature = "proxy")]
    Proxy(proxy::Options),
    /// Simulate a Flow network and serve its Access API, or write its chain to a folder
    #[cfg(feature = "devnet")]
    Devnet(devnet::DevnetOptions),
    /// Show the whole way on a simulated network: index it live, serve, ask, verify
    #[cfg(feature = "demo")]
    Demo,
    /// Make a key that signs answers, for `serve --receipt-key`, and print its public half
    ReceiptKey(receipt_key::ReceiptKeyOptions),
    /// Bring a data folder to this version's format
    Migrate {
        /// Folder of the index
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// Say what would be done, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Check a data folder: log, links, checkpoints and index against each other; 1 when it is damaged,
    /// 5 when it could not be checked
    Fsck(fsck::FsckOptions),
    /// Copy a data folder, also one that a server has open; again, only what is new
    Backup(backup::BackupOptions),
    /// Write the blocks of a data folder to a chain folder, for `replay` and `serve --source replay:`
    Export(export::ExportOptions),
    /// Remove old blocks or payloads from a data folder, and say what is no longer answered
    Prune(prune::PruneOptions),
}

impl Command {
    /// Whether its work goes on for as long as it is let, so that what it says is not its result.
    fn goes_on(&self) -> bool {
        match self {
            Self::Serve(_) => true,
            #[cfg(feature = "proxy")]
            Self::Proxy(_) => true,
            #[cfg(feature = "devnet")]
            Self::Devnet(_) => true,
            _ => false,
        }
    }
}

/// Parses the arguments, runs the command, and maps the outcome to an exit code.
pub(crate) fn run() -> ExitCode {
    let command = Arguments::parse().command;
    let goes_on = command.as_ref().is_some_and(Command::goes_on);
    let outcome = match command {
        Some(Command::Replay { dir, json, all_signatures }) => {
            replay::run(&dir, json, all_signatures)
        }
        Some(Command::Serve(options)) => serve::run(&options),
        #[cfg(feature = "proxy")]
        Some(Command::Proxy(options)) => proxy::run(options),
        #[cfg(feature = "devnet")]
        Some(Command::Devnet(options)) => devnet::run(options),
        #[cfg(feature = "demo")]
        Some(Command::Demo) | None => demo::run(),
        #[cfg(not(feature = "demo"))]
        None => Arguments::command().print_help().map(|()| ExitCode::from(2)).map_err(Into::into),
        Some(Command::ReceiptKey(options)) => receipt_key::run(&options),
        Some(Command::Migrate { data, dry_run }) => migrate::run(&data, dry_run),
        Some(Command::Fsck(options)) => fsck::run(&options),
        Some(Command::Backup(options)) => backup::run(&options),
        Some(Command::Export(options)) => export::run(&options),
        Some(Command::Prune(options)) => prune::run(&options),
    };
    let outcome = outcome.and_then(|code| match output::lost() {
        Some(reason) if !goes_on => {
            bail!("done, but standard output could not be written: {reason}")
        }
        _ => Ok(code),
    });
    outcome.unwrap_or_else(|error| {
        say!("weir-server: {error:#}");
        ExitCode::FAILURE
    })
}

/// Logs to standard error, as `WEIR_LOG` says.
fn log() {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("WEIR_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,sled=warn")),
        )
        .init();
}
