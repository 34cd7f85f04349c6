//! Questions as the suite writes them.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use weir_protocol::request::{IdentityFilter, Question, Selector, Topic};

use serde::{Deserialize, Serialize};
use weir_protocol::model::Identifier;
use weir_protocol::protocol_state::{EpochName, ParticipationStatus};
use weir_protocol::snapshot_tree::{TreeItem, TreeQuestion};

use crate::case::{SuiteError, identifier};

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedQuestion {
    /// About which block.
    pub block: AskedBlock,
    /// What about it.
    pub topic: AskedTopic,
}

/// One thing to ask of a snapshot tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskedItem {
    /// The node of this ID, or its absence.
    Node(String),
    /// All nodes of the role of this name.
    Role(String),
    /// The field of this name, or its absence.
    Field(String),
    /// The whole identity table.
    Table,
}

/// The question that items make.
///
/// # Errors
/// When an ID, role or field is none, or there are no items or too many.
pub fn tree_question(items: &[AskedItem]) -> Result<TreeQuestion, SuiteError> {
    let item = |item: &AskedItem| {
        Ok(match item {
            AskedItem::Node(id) => TreeItem::Node(identifier(id)?),
            AskedItem::Role(name) => {
                TreeItem::Role(name.parse().map_err(|_| SuiteError::Question)?)
            }
            AskedItem::Field(name) => {
                TreeItem::Field(name.parse().map_err(|_| SuiteError::Question)?)
            }
            AskedItem::Table => TreeItem::Table,
        })
    };
    let items = items.iter().map(item).collect::<Result<Vec<_>, _>>()?;
    TreeQuestion::new(items).map_err(|_| SuiteError::Question)
}

impl From<TreeItem> for AskedItem {
    fn from(item: TreeItem) -> Self {
        match item {
            TreeItem::Node(id) => Self::Node(id.to_hex()),
            TreeItem::Role(role) => Self::Role(role.name().to_string()),
            TreeItem::Field(field) => Self::Field(field.name().to_string()),
            TreeItem::Table => Self::Table,
        }
    }
}

/// A block selector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskedBlock {
    /// The newest finalized block.
    LatestFinalized,
    /// The newest sealed block.
    LatestSealed,
    /// The block of this ID.
    Id(String),
    /// The finalized block at this height.
    Height(u64),
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskedTopic {
    /// Summary of the protocol state.
    Snapshot,
    /// The node of this ID.
    Identity(String),
    /// The nodes that pass a filter.
    Identities(AskedFilter),
    /// Setup and commit of an epoch.
    Epoch(AskedEpoch),
    /// The block's seal.
    Seal,
    /// The block's execution result.
    ExecutionResult,
}

/// An identity filter; an empty list does not filter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedFilter {
    /// Names of roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// flow-go's names of participation statuses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<String>,
    /// Node IDs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub node_ids: Vec<String>,
}

/// One of the three epochs of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskedEpoch {
    /// The previous one.
    Previous,
    /// The current one.
    Current,
    /// The next one.
    Next,
}

impl AskedQuestion {
    /// The question of the verifier.
    ///
    /// # Errors
    /// When an ID, role or status is none.
    pub fn parse(&self) -> Result<Question, SuiteError> {
        let block = match &self.block {
            AskedBlock::LatestFinalized => Selector::LatestFinalized,
            AskedBlock::LatestSealed => Selector::LatestSealed,
            AskedBlock::Id(id) => Selector::Id(identifier(id)?),
            AskedBlock::Height(height) => Selector::Height(*height),
        };
        let topic = match &self.topic {
            AskedTopic::Snapshot => Topic::Snapshot,
            AskedTopic::Identity(id) => Topic::Identity(identifier(id)?),
            AskedTopic::Identities(filter) => Topic::Identities(filter.parse()?),
            AskedTopic::Epoch(AskedEpoch::Previous) => Topic::Epoch(EpochName::Previous),
            AskedTopic::Epoch(AskedEpoch::Current) => Topic::Epoch(EpochName::Current),
            AskedTopic::Epoch(AskedEpoch::Next) => Topic::Epoch(EpochName::Next),
            AskedTopic::Seal => Topic::Seal,
            AskedTopic::ExecutionResult => Topic::ExecutionResult,
        };
        Ok(Question { block, topic })
    }
}

impl AskedFilter {
    fn parse(&self) -> Result<IdentityFilter, SuiteError> {
        let role = |name: &String| name.parse().map_err(|_| SuiteError::Question);
        let status = |name: &String| {
            let found = ParticipationStatus::ALL.into_iter().find(|s| s.flow_name() == name);
            found.ok_or(SuiteError::Question)
        };
        let node_id = |id: &String| identifier(id);
        Ok(IdentityFilter {
            roles: self.roles.iter().map(role).collect::<Result<_, _>>()?,
            statuses: self.statuses.iter().map(status).collect::<Result<_, _>>()?,
            node_ids: self.node_ids.iter().map(node_id).collect::<Result<_, _>>()?,
        })
    }
}

impl From<&Question> for AskedQuestion {
    fn from(question: &Question) -> Self {
        let block = match question.block {
            Selector::LatestFinalized => AskedBlock::LatestFinalized,
            Selector::LatestSealed => AskedBlock::LatestSealed,
            Selector::Id(id) => AskedBlock::Id(id.to_hex()),
            Selector::Height(height) => AskedBlock::Height(height),
        };
        let topic = match &question.topic {
            Topic::Snapshot => AskedTopic::Snapshot,
            Topic::Identity(id) => AskedTopic::Identity(id.to_hex()),
            Topic::Identities(filter) => AskedTopic::Identities(AskedFilter {
                roles: filter.roles.iter().map(|role| role.name().to_string()).collect(),
                statuses: filter.statuses.iter().map(|s| s.flow_name().to_string()).collect(),
                node_ids: filter.node_ids.iter().map(Identifier::to_hex).collect(),
            }),
            Topic::Epoch(EpochName::Previous) => AskedTopic::Epoch(AskedEpoch::Previous),
            Topic::Epoch(EpochName::Current) => AskedTopic::Epoch(AskedEpoch::Current),
            Topic::Epoch(EpochName::Next) => AskedTopic::Epoch(AskedEpoch::Next),
            Topic::Seal => AskedTopic::Seal,
            Topic::ExecutionResult => AskedTopic::ExecutionResult,
        };
        Self { block, topic }
    }
}
