//! Arguments of `weir`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use weir_client::sync::ClockOptions;
use weir_client::transport::{TransportError, read_address};
use weir_dial::Asking;
use weir_protocol::model::Identifier;
use weir_verifier::Timing;

use super::evidence::EvidenceCommand;
use super::question::{BlockArguments, FilterArguments, View};
use super::state_folder::StateFolder;
use super::tree::TreeCommand;
use super::watch::WatchArguments;

/// Asks a Weir server about Flow's protocol state and prints only what it could verify.
///
/// What is proved of a checkpoint's chain is kept in a file, so that the next run begins there.
///
/// Exit codes: 0 verified; 1 local problem, such as an unreadable file; 2 wrong usage; 3 invalid
/// evidence; 4 something is missing that you can mend, such as a newer checkpoint or the clock; 5
/// server unreachable, not Weir, or refusing; 6 verified, and there is no such node; 7 nobody can
/// prove it now; 8 a newer weir is needed; 9 an accusation that nothing proves.
#[derive(Debug, Parser)]
#[command(name = "weir", version, propagate_version = true)]
pub(crate) struct Arguments {
    /// Servers to ask, by preference: https://HOST:PORT/PREFIX, http:// for one in clear, or HOST:PORT of
    /// this machine; the next one is asked when one gives no answer, or one that does not verify. URL#KEY
    /// takes no evidence from that server without its receipt, signed with this key
    #[arg(long = "server", value_name = "URL,...", env = "WEIR_SERVER", global = true)]
    #[arg(value_delimiter = ',', value_parser = server)]
    pub(crate) servers: Vec<String>,

    /// ID of a finalized block that you trust: 64 hexadecimal digits; `weir checkpoint set` makes
    /// one the default
    #[arg(long, value_name = "BLOCK_ID", env = "WEIR_CHECKPOINT", global = true)]
    checkpoint: Option<Identifier>,

    /// Folder that keeps what is proved; by default `weir` in your data folder
    #[arg(long, value_name = "DIR", env = "WEIR_STATE_DIR", global = true)]
    state_dir: Option<PathBuf>,

    /// Begin at the checkpoint and keep nothing
    #[arg(long, global = true)]
    pub(crate) no_state: bool,

    /// Print one JSON object instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Save the evidence of an answer to a file, for `weir verify`; begins at the checkpoint, so
    /// that the evidence stands alone
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) save: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) asking: Asking,

    #[command(flatten)]
    clock: ClockArguments,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// A server's address with its key, which are read once more when it is asked.
fn server(text: &str) -> Result<String, TransportError> {
    read_address(text).map(|_| text.to_owned())
}

/// Bounds on time.
#[derive(Debug, Args)]
struct ClockArguments {
    /// Extend trust only from a block at most so old, such as 30d; an hour to ten years, and ten
    /// years by default
    #[arg(long, value_name = "DURATION", value_parser = trusting_period_ms, global = true)]
    trusting_period: Option<u64>,

    /// Take the certificate of a committee of before the trusted head's epoch for proof only of a block
    /// at most so old; 0s takes hash links alone, and the trusting period is the default
    #[arg(long, value_name = "DURATION", value_parser = past_committee_age_ms, global = true)]
    past_committee_age: Option<u64>,

    /// Accept blocks so far ahead of the clock, such as 10s; at most a day, and half a minute by
    /// default
    #[arg(long, value_name = "DURATION", value_parser = clock_skew_ms, global = true)]
    clock_skew: Option<u64>,

    /// Take this for the time instead of the system's clock, in Unix milliseconds, for example to
    /// check evidence as of when it was saved
    #[arg(long, value_name = "UNIX_MS", global = true)]
    now: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Walk to the newest epoch and the newest finalized block, and keep what is proved
    Sync,
    /// Show, choose and hand on what is trusted
    Checkpoint {
        #[command(subcommand)]
        action: CheckpointCommand,
    },
    /// Current epoch: counter, phase, views
    Epoch(BlockArguments),
    /// One node of the identity table
    Identity {
        /// ID of the node: 64 hexadecimal digits
        node_id: Identifier,
        #[command(flatten)]
        block: BlockArguments,
    },
    /// The identity table
    Identities {
        #[command(flatten)]
        filter: FilterArguments,
        #[command(flatten)]
        block: BlockArguments,
    },
    /// Whether a block is certified, finalized and sealed
    Status(BlockArguments),
    /// The whole protocol state of a block
    Snapshot(BlockArguments),
    /// The seal of a block
    Seal(BlockArguments),
    /// The execution result sealed for a block, with its service events
    Result(BlockArguments),
    /// The snapshot tree: one root over identity table and fields, for devices that check answers
    /// of some hundred bytes against it
    Tree {
        #[command(subcommand)]
        about: TreeCommand,
    },
    /// Tell of changes of the protocol state as they are proved, and how far given blocks are
    ///
    /// Without --epoch, --identities, --upgrades or --block, all changes are told. Goes on with
    /// another server when one fails or lies, and until it is interrupted.
    Watch(WatchArguments),
    /// What is kept of servers that lied
    Evidence {
        #[command(subcommand)]
        action: EvidenceCommand,
    },
    /// Verify saved evidence, without a server
    Verify {
        /// File written by --save, or kept of a server that lied
        file: PathBuf,
        /// Print evidence of a protocol state as this question does
        #[arg(long = "as", value_name = "QUESTION")]
        view: Option<View>,
    },
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write man pages, one for each command
    Man {
        /// Folder for the pages; made if missing
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum CheckpointCommand {
    /// Show the checkpoint and what is proved from it
    Show,
    /// Make a checkpoint the default
    Set {
        #[command(flatten)]
        checkpoint: NewCheckpoint,
    },
    /// Write the trusted state to a file, for `weir checkpoint set --file`
    Export {
        /// The file; `-` for standard output
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct NewCheckpoint {
    /// ID of a finalized block that you trust: 64 hexadecimal digits
    pub(crate) block_id: Option<Identifier>,
    /// Trusted state written by `weir checkpoint export`, which you trust as a whole; `-` for
    /// standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

impl Arguments {
    /// The block the user trusts: the one named, or else the default.
    pub(crate) fn checkpoint(&self) -> anyhow::Result<Identifier> {
        if let Some(named) = self.checkpoint {
            return Ok(named);
        }
        self.folder()?.default_checkpoint()?.context(
            "no checkpoint given: pass --checkpoint BLOCK_ID, the ID of a finalized block that \
             you trust, or make one the default with `weir checkpoint set BLOCK_ID`",
        )
    }

    /// Where the trusted states are kept.
    pub(crate) fn folder(&self) -> anyhow::Result<StateFolder> {
        StateFolder::new(self.state_dir.as_deref())
    }

    /// The bounds on time.
    pub(crate) fn clock(&self) -> ClockOptions {
        ClockOptions {
            trusting_period_ms: self.clock.trusting_period,
            past_committee_age_ms: self.clock.past_committee_age,
            clock_skew_ms: self.clock.clock_skew,
            now_ms: self.clock.now,
        }
    }
}

fn trusting_period_ms(text: &str) -> anyhow::Result<u64> {
    let period_ms = duration_ms(text)?;
    Timing::at(0).with_trusting_period_ms(period_ms)?;
    Ok(period_ms)
}

fn past_committee_age_ms(text: &str) -> anyhow::Result<u64> {
    let age_ms = duration_ms(text)?;
    Timing::at(0).with_past_committee_age_ms(age_ms)?;
    Ok(age_ms)
}

fn clock_skew_ms(text: &str) -> anyhow::Result<u64> {
    let skew_ms = duration_ms(text)?;
    Timing::at(0).with_clock_skew_ms(skew_ms)?;
    Ok(skew_ms)
}

fn duration_ms(text: &str) -> anyhow::Result<u64> {
    let duration: Duration = humantime::parse_duration(text)?;
    Ok(u64::try_from(duration.as_millis())?)
}
