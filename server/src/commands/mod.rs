//! The `weir-server` command line.

#[cfg(feature = "demo")]
mod demo;
mod fsck;
mod migrate;
mod replay;
mod serve;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

#[cfg(not(feature = "demo"))]
use clap::CommandFactory as _;
use clap::{Parser, Subcommand};

use http::Uri;
use serve::{ServeOptions, Source};

/// Indexes Flow blocks into per-block protocol-state snapshots and serves them with evidence.
///
/// Exit codes: 0 done; 1 failed, with a message; 2 wrong usage; 3 conflicting certificates found.
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
    Serve {
        /// Folder of the index; made if missing
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// Where blocks come from: replay:DIR, a chain folder
        #[arg(long, value_name = "SOURCE")]
        source: Source,
        /// Address to listen on; port 0 picks a free one
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9400")]
        listen: SocketAddr,
        /// Memory for the database's cache, in MiB
        #[arg(long, value_name = "MIB", default_value_t = 64)]
        cache_mib: u64,
        /// Access node that answers, unverified, what protocol state cannot: transactions, scripts,
        /// accounts, events and collections
        #[arg(long, value_name = "URL")]
        pass_on: Option<Uri>,
    },
    /// Show the whole way on a bundled chain: index, serve, ask, verify
    #[cfg(feature = "demo")]
    Demo,
    /// Bring a data folder to this version's format
    Migrate {
        /// Folder of the index
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// Say what would be done, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Recompute every commitment in a data folder from the stored bytes
    Fsck {
        /// Folder of the index
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
}

/// Parses the arguments, runs the command, and maps the outcome to an exit code.
pub(crate) fn run() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Some(Command::Replay { dir, json, all_signatures }) => {
            replay::run(&dir, json, all_signatures)
        }
        Some(Command::Serve { data, source, listen, cache_mib, pass_on }) => {
            serve::run(&ServeOptions { data, source, listen, cache_mib, pass_on })
        }
        #[cfg(feature = "demo")]
        Some(Command::Demo) | None => demo::run(),
        #[cfg(not(feature = "demo"))]
        None => Arguments::command().print_help().map(|()| ExitCode::from(2)).map_err(Into::into),
        Some(Command::Migrate { data, dry_run }) => migrate::run(&data, dry_run),
        Some(Command::Fsck { data }) => fsck::run(&data),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("weir-server: {error:#}");
        ExitCode::FAILURE
    })
}
