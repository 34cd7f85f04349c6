//! What a proof is about, and what it says.

use super::{Field, FieldValue, NodeIdentity, RoleCounts, TREE_NODES_MAX};
use crate::model::{Identifier, Role};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// One thing to ask of a snapshot tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeItem {
    /// A node, or its absence.
    Node(Identifier),
    /// All nodes of a role.
    Role(Role),
    /// A field, or its absence.
    Field(Field),
    /// The whole identity table.
    Table,
}

/// A set of things to ask of a snapshot tree, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeQuestion {
    pub(super) nodes: BTreeSet<Identifier>,
    pub(super) roles: BTreeSet<Role>,
    pub(super) fields: BTreeSet<Field>,
    pub(super) table: bool,
}

impl TreeQuestion {
    /// Asks for all `items`; the order does not matter, and neither does repetition.
    ///
    /// # Errors
    /// When there is no item, or more than [`TREE_NODES_MAX`] nodes.
    pub fn new(items: impl IntoIterator<Item = TreeItem>) -> Result<Self, TreeQuestionError> {
        let mut question = Self {
            nodes: BTreeSet::new(),
            roles: BTreeSet::new(),
            fields: BTreeSet::new(),
            table: false,
        };
        let mut items = items.into_iter().peekable();
        if items.peek().is_none() {
            return Err(TreeQuestionError::Empty);
        }
        for item in items {
            match item {
                TreeItem::Node(node_id) => _ = question.nodes.insert(node_id),
                TreeItem::Role(role) => _ = question.roles.insert(role),
                TreeItem::Field(field) => _ = question.fields.insert(field),
                TreeItem::Table => question.table = true,
            }
            let found = question.nodes.len();
            if found > TREE_NODES_MAX {
                return Err(TreeQuestionError::TooManyNodes { max: TREE_NODES_MAX, found });
            }
        }
        Ok(question)
    }

    /// What is asked for, in the order of the trees.
    pub fn items(&self) -> impl Iterator<Item = TreeItem> {
        let nodes = self.nodes.iter().copied().map(TreeItem::Node);
        let roles = self.roles.iter().copied().map(TreeItem::Role);
        let fields = self.fields.iter().copied().map(TreeItem::Field);
        self.table.then_some(TreeItem::Table).into_iter().chain(nodes).chain(roles).chain(fields)
    }

    /// Whether anything but nodes is asked for, so that the proof opens what is beside the tree by
    /// ID.
    pub(super) fn opens_rest(&self) -> bool {
        !self.roles.is_empty() || !self.fields.is_empty()
    }

    /// Keys in the tree by ID, ascending.
    pub(super) fn node_keys(&self) -> Vec<[u8; 32]> {
        self.nodes.iter().map(|node_id| node_id.0).collect()
    }

    /// Keys in the tree of fields, ascending, with the fields.
    pub(super) fn field_keys(&self) -> BTreeMap<[u8; 32], Field> {
        self.fields.iter().map(|field| (field.key(), *field)).collect()
    }
}

/// Why items make no question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeQuestionError {
    /// Nothing is asked for.
    #[error("expected at least one item, found none")]
    Empty,
    /// Too many nodes are asked for.
    #[error("expected at most {max} nodes, found {found}")]
    TooManyNodes {
        /// Nodes allowed.
        max: usize,
        /// Nodes found.
        found: usize,
    },
}

/// What a snapshot tree holds of what was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreeAnswer {
    /// The whole identity table in canonical order, if it was asked for.
    pub table: Option<Vec<NodeIdentity>>,
    /// Every node asked for; `None` when the table has no such node.
    pub nodes: BTreeMap<Identifier, Option<NodeIdentity>>,
    /// Every role asked for, with all its nodes in canonical order.
    pub roles: BTreeMap<Role, Vec<NodeIdentity>>,
    /// Every field asked for; `None` when the state has no such field.
    pub fields: BTreeMap<Field, Option<FieldValue>>,
    /// Number of nodes of each role; `None` when only nodes were asked for.
    pub role_counts: Option<RoleCounts>,
}
