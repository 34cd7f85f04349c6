//! Questions: which block, and what about it.

use crate::codec::rlp::{Decoder, Encoder, RlpError};
use crate::model::{Identifier, Role};
use crate::protocol_state::{EpochName, ParticipationStatus};
use alloc::collections::BTreeSet;

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// About which block.
    pub block: Selector,
    /// What about it.
    pub topic: Topic,
}

/// Which block a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The newest finalized block the server knows.
    LatestFinalized,
    /// The newest sealed block the server knows.
    LatestSealed,
    /// The block with this ID, also one that was orphaned.
    Id(Identifier),
    /// The finalized block at this height.
    Height(u64),
}

/// What a question is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Summary of the protocol state.
    Snapshot,
    /// One node.
    Identity(Identifier),
    /// The identity table, or a part of it.
    Identities(IdentityFilter),
    /// Setup and commit of an epoch.
    Epoch(EpochName),
    /// The block's seal.
    Seal,
    /// The execution result sealed for the block.
    ExecutionResult,
}

/// Which nodes of an identity table are asked for; an empty set does not filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentityFilter {
    /// Roles wanted.
    pub roles: BTreeSet<Role>,
    /// Participation statuses wanted.
    pub statuses: BTreeSet<ParticipationStatus>,
    /// Nodes wanted.
    pub node_ids: BTreeSet<Identifier>,
}

impl IdentityFilter {
    /// Whether a node of this ID, role and status passes.
    #[must_use]
    pub fn admits(&self, node_id: &Identifier, role: Role, status: ParticipationStatus) -> bool {
        (self.roles.is_empty() || self.roles.contains(&role))
            && (self.statuses.is_empty() || self.statuses.contains(&status))
            && (self.node_ids.is_empty() || self.node_ids.contains(node_id))
    }
}

impl Question {
    /// Appends the question.
    pub fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| {
            self.block.encode(e);
            self.topic.encode(e);
        });
    }

    /// Reads a question.
    ///
    /// # Errors
    /// When the bytes are no question.
    pub fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| Ok(Self { block: Selector::decode(d)?, topic: Topic::decode(d)? }))
    }
}

impl Selector {
    pub(super) fn encode(self, encoder: &mut Encoder) {
        encoder.list(|e| match self {
            Self::LatestFinalized => e.uint(0),
            Self::LatestSealed => e.uint(1),
            Self::Id(id) => {
                e.uint(2);
                e.bytes(&id.0);
            }
            Self::Height(height) => {
                e.uint(3);
                e.uint(height);
            }
        });
    }

    pub(super) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| match d.uint()? {
            0 => Ok(Self::LatestFinalized),
            1 => Ok(Self::LatestSealed),
            2 => Ok(Self::Id(Identifier(d.array()?))),
            3 => Ok(Self::Height(d.uint()?)),
            _ => Err(RlpError::Invalid { field: "block selector" }),
        })
    }
}

impl Topic {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| match self {
            Self::Snapshot => e.uint(0),
            Self::Identity(node_id) => {
                e.uint(1);
                e.bytes(&node_id.0);
            }
            Self::Identities(filter) => {
                e.uint(2);
                e.list(|e| filter.roles.iter().for_each(|role| e.uint(role.number().into())));
                e.list(|e| {
                    filter.statuses.iter().for_each(|status| e.uint(status.number().into()))
                });
                e.list(|e| filter.node_ids.iter().for_each(|id| e.bytes(&id.0)));
            }
            Self::Epoch(name) => {
                e.uint(3);
                e.uint(match name {
                    EpochName::Previous => 0,
                    EpochName::Current => 1,
                    EpochName::Next => 2,
                });
            }
            Self::Seal => e.uint(4),
            Self::ExecutionResult => e.uint(5),
        });
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| match d.uint()? {
            0 => Ok(Self::Snapshot),
            1 => Ok(Self::Identity(Identifier(d.array()?))),
            2 => Ok(Self::Identities(IdentityFilter {
                roles: ascending(d, role)?,
                statuses: ascending(d, status)?,
                node_ids: ascending(d, |d| d.array().map(Identifier))?,
            })),
            3 => Ok(Self::Epoch(match d.uint()? {
                0 => EpochName::Previous,
                1 => EpochName::Current,
                2 => EpochName::Next,
                _ => {
                    return Err(RlpError::Invalid { field: "epoch position" });
                }
            })),
            4 => Ok(Self::Seal),
            5 => Ok(Self::ExecutionResult),
            _ => Err(RlpError::Invalid { field: "topic" }),
        })
    }
}

fn role(decoder: &mut Decoder<'_>) -> Result<Role, RlpError> {
    Role::from_number(decoder.uint()?).ok_or(RlpError::Invalid { field: "role" })
}

fn status(decoder: &mut Decoder<'_>) -> Result<ParticipationStatus, RlpError> {
    let unknown = RlpError::Invalid { field: "participation status" };
    ParticipationStatus::from_number(decoder.uint()?).ok_or(unknown)
}

fn ascending<T: Ord>(
    decoder: &mut Decoder<'_>,
    item: impl FnMut(&mut Decoder<'_>) -> Result<T, RlpError>,
) -> Result<BTreeSet<T>, RlpError> {
    let items = decoder.list_of_at_most(FILTER_IDS_MAX, "length of a filter", item)?;
    if !items.is_sorted_by(|a, b| a < b) {
        return Err(RlpError::Invalid { field: "order of a filter" });
    }
    // One by one: `collect` would sort first what is in order, with a sort of its own for each type.
    let mut set = BTreeSet::new();
    set.extend(items);
    Ok(set)
}

/// Most node IDs in a filter.
pub const FILTER_IDS_MAX: usize = 1024;
