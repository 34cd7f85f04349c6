//! Arguments of `weir`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use weir_protocol::evidence::{IdentityFilter, Question, Selector, Topic};
use weir_protocol::model::{Identifier, Role};
use weir_protocol::protocol_state::ParticipationStatus;

/// Asks a Weir server about Flow's protocol state and prints only what it could verify.
///
/// Exit codes: 0 verified; 1 local problem, such as an unreadable file; 2 wrong usage; 3 invalid
/// evidence; 4 not enough evidence; 5 server unreachable, not Weir, or refusing; 6 verified, and
/// there is no such node.
#[derive(Debug, Parser)]
#[command(name = "weir", version, propagate_version = true)]
pub(crate) struct Arguments {
    /// Server to ask, such as http://127.0.0.1:9400
    #[arg(long, value_name = "URL", env = "WEIR_SERVER", global = true)]
    pub(crate) server: Option<String>,

    /// ID of a finalized block that you trust: 64 hexadecimal digits
    #[arg(long, value_name = "BLOCK_ID", env = "WEIR_CHECKPOINT", global = true)]
    checkpoint: Option<Identifier>,

    /// Print one JSON object instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Save the evidence to a file, for `weir verify`
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) save: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
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
        /// Only nodes of this role; may be given several times
        #[arg(long, value_name = "ROLE")]
        role: Vec<Role>,
        /// Only nodes of this status: active, joining, leaving or ejected
        #[arg(long, value_name = "STATUS")]
        status: Vec<ParticipationStatus>,
        #[command(flatten)]
        block: BlockArguments,
    },
    /// Whether a block is certified, finalized and sealed
    Status(BlockArguments),
    /// The whole protocol state of a block
    Snapshot(BlockArguments),
    /// Verify saved evidence, without a server
    Verify {
        /// File written by --save
        file: PathBuf,
    },
}

/// Which block to ask about.
#[derive(Debug, Clone, Args)]
#[group(multiple = false)]
pub(crate) struct BlockArguments {
    /// The newest finalized block (the default)
    #[arg(long)]
    latest: bool,
    /// The newest sealed block
    #[arg(long)]
    sealed: bool,
    /// The finalized block at this height
    #[arg(long, value_name = "H")]
    height: Option<u64>,
    /// The block with this ID, also one that was orphaned
    #[arg(long, value_name = "ID")]
    block: Option<Identifier>,
}

/// What to print of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Epoch,
    Identities,
    Status,
    Snapshot,
    Other,
}

impl BlockArguments {
    fn selector(&self) -> Selector {
        match (self.height, self.block) {
            (Some(height), _) => Selector::Height(height),
            (_, Some(id)) => Selector::Id(id),
            _ if self.sealed => Selector::LatestSealed,
            _ => Selector::LatestFinalized,
        }
    }
}

impl Arguments {
    /// The block the user trusts.
    pub(crate) fn checkpoint(&self) -> anyhow::Result<Identifier> {
        self.checkpoint.context(
            "no checkpoint given: pass --checkpoint BLOCK_ID, the ID of a finalized block that \
             you trust",
        )
    }

    /// The question the command asks.
    pub(crate) fn question(&self) -> anyhow::Result<Question> {
        let (block, topic) = match &self.command {
            Command::Epoch(block) | Command::Status(block) | Command::Snapshot(block) => {
                (block, Topic::Snapshot)
            }
            Command::Identity { node_id, block } => (block, Topic::Identity(*node_id)),
            Command::Identities { role, status, block } => {
                let filter = IdentityFilter {
                    roles: role.iter().copied().collect(),
                    statuses: status.iter().copied().collect(),
                    node_ids: BTreeSet::new(),
                };
                (block, Topic::Identities(filter))
            }
            Command::Verify { .. } => bail!("saved evidence carries its own question"),
        };
        Ok(Question { block: block.selector(), topic })
    }

    /// What the command prints.
    pub(crate) fn shape(&self) -> Shape {
        match self.command {
            Command::Epoch(_) => Shape::Epoch,
            Command::Identity { .. } | Command::Identities { .. } => Shape::Identities,
            Command::Status(_) => Shape::Status,
            Command::Snapshot(_) => Shape::Snapshot,
            Command::Verify { .. } => Shape::Other,
        }
    }

    /// What to print of saved evidence.
    pub(crate) fn shape_of(question: &Question) -> Shape {
        match question.topic {
            Topic::Snapshot => Shape::Snapshot,
            Topic::Identity(_) | Topic::Identities(_) => Shape::Identities,
            _ => Shape::Other,
        }
    }
}
