//! Which events are told.

use alloc::collections::BTreeSet;

use weir_protocol::model::{Identifier, Role};

use weir_verifier::{Change, IdentityAnswer};

/// Which changes of the protocol state are told; without restrictions, all.
///
/// Restrictions of one sort add up, and those of different sorts must all be met: nodes of two
/// roles, or all changes of the epoch besides one node's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// All when `None`.
    kinds: Option<BTreeSet<Kind>>,
    roles: BTreeSet<Role>,
    node_ids: BTreeSet<Identifier>,
}

/// A sort of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Of the epoch: counter, phase, views, fallback mode.
    Epoch,
    /// Of the version of the protocol state.
    Version,
    /// Of nodes in the identity table.
    Identity,
}

impl Filter {
    /// No change at all.
    #[must_use]
    pub fn nothing() -> Self {
        Self { kinds: Some(BTreeSet::new()), ..Self::default() }
    }

    /// Whether no change is told at all.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.kinds.as_ref().is_some_and(BTreeSet::is_empty)
    }

    /// Changes of this kind.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kinds.get_or_insert_default().insert(kind);
        self
    }

    /// Of nodes those with this role, before or after the change.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.roles.insert(role);
        self
    }

    /// Of nodes this one.
    #[must_use]
    pub fn node(mut self, node_id: Identifier) -> Self {
        self.node_ids.insert(node_id);
        self
    }

    /// Whether the change is told.
    #[must_use]
    pub fn admits(&self, change: &Change) -> bool {
        let (kind, nodes) = match change {
            Change::Epoch { .. } => (Kind::Epoch, None),
            Change::Version { .. } => (Kind::Version, None),
            Change::Identity { before, after } => (Kind::Identity, Some([before, after])),
        };
        let admits_node = |node: &IdentityAnswer| {
            let skeleton = &node.skeleton;
            (self.roles.is_empty() || self.roles.contains(&skeleton.role))
                && (self.node_ids.is_empty() || self.node_ids.contains(&skeleton.node_id))
        };
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
            && nodes.is_none_or(|nodes| nodes.into_iter().flatten().any(|node| admits_node(node)))
    }
}
