//! From arguments to the question that is asked, and what to print of its answer.

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};
use weir_protocol::model::{Identifier, Role};
use weir_protocol::protocol_state::ParticipationStatus;
use weir_protocol::request::{IdentityFilter, Question, Selector, Topic};
use weir_verifier::json::Shape;

use super::args::Command;

/// Which block to ask about.
#[derive(Debug, Clone, Args)]
#[group(multiple = false)]
pub(crate) struct BlockArguments {
    /// The newest finalized block (the default, but for what only sealed blocks have)
    #[arg(long)]
    latest: bool,
    /// The newest sealed block (the default of `seal` and `result`)
    #[arg(long)]
    sealed: bool,
    /// The finalized block at this height
    #[arg(long, value_name = "H")]
    height: Option<u64>,
    /// The block with this ID, also one that was orphaned
    #[arg(long, value_name = "ID")]
    block: Option<Identifier>,
}

impl BlockArguments {
    pub(super) fn selector(&self, default: Selector) -> Selector {
        match (self.height, self.block) {
            (Some(height), _) => Selector::Height(height),
            (_, Some(id)) => Selector::Id(id),
            _ if self.sealed => Selector::LatestSealed,
            _ if self.latest => Selector::LatestFinalized,
            _ => default,
        }
    }
}

/// Which nodes of the identity table.
#[derive(Debug, Clone, Args)]
pub(crate) struct FilterArguments {
    /// Only nodes of this role; may be given several times
    #[arg(long, value_name = "ROLE")]
    role: Vec<Role>,
    /// Only nodes of this status: active, joining, leaving or ejected
    #[arg(long, value_name = "STATUS")]
    status: Vec<ParticipationStatus>,
}

/// What to print of saved evidence: one topic answers three questions.
pub(crate) fn shape(question: &Question, view: Option<View>) -> Option<Shape> {
    match (&question.topic, view) {
        (Topic::Snapshot, Some(View::Epoch)) => Some(Shape::Epoch),
        (Topic::Snapshot, Some(View::Status)) => Some(Shape::Status),
        (Topic::Snapshot, _) => Some(Shape::Snapshot),
        (_, None) => Some(Shape::Whole),
        (_, Some(_)) => None,
    }
}

/// The questions that the evidence of a protocol state answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum View {
    /// As `weir epoch`
    Epoch,
    /// As `weir status`
    Status,
    /// As `weir snapshot`
    Snapshot,
}

impl Command {
    /// The question that the command asks, if it asks one.
    pub(crate) fn question(&self) -> Option<(Question, Shape)> {
        let latest = Selector::LatestFinalized;
        let sealed = Selector::LatestSealed;
        let (block, topic, shape) = match self {
            Self::Epoch(block) => (block.selector(latest), Topic::Snapshot, Shape::Epoch),
            Self::Status(block) => (block.selector(latest), Topic::Snapshot, Shape::Status),
            Self::Snapshot(block) => (block.selector(latest), Topic::Snapshot, Shape::Snapshot),
            Self::Identity { node_id, block } => {
                (block.selector(latest), Topic::Identity(*node_id), Shape::Whole)
            }
            Self::Identities { filter, block } => {
                let filter = IdentityFilter {
                    roles: filter.role.iter().copied().collect(),
                    statuses: filter.status.iter().copied().collect(),
                    node_ids: BTreeSet::new(),
                };
                (block.selector(latest), Topic::Identities(filter), Shape::Whole)
            }
            Self::Seal(block) => (block.selector(sealed), Topic::Seal, Shape::Whole),
            Self::Result(block) => (block.selector(sealed), Topic::ExecutionResult, Shape::Whole),
            _ => return None,
        };
        Some((Question { block, topic }, shape))
    }
}
