//! The nodes of the network: identities with their secret keys.

use std::collections::HashMap;
use std::sync::Arc;

use weir_protocol::model::{Identifier, IdentitySkeleton, Role};

use crate::config::Config;
use crate::keys::{SecretKey, network_key};
use crate::random::{Random, hash};

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What the network knows of it.
    pub skeleton: IdentitySkeleton,
    /// Its staking key.
    pub staking_key: SecretKey,
}

/// All nodes that ever took part, on any fork.
#[derive(Debug)]
pub struct Nodes {
    seed: u64,
    by_id: HashMap<Identifier, Arc<Node>>,
}

impl Nodes {
    /// No nodes yet.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, by_id: HashMap::new() }
    }

    /// Makes the nodes of the first epoch, in canonical order.
    pub fn first(&mut self, config: &Config) -> Vec<Arc<Node>> {
        let mut nodes = Vec::with_capacity(config.nodes.total());
        for role in Role::ALL {
            for number in 0..config.nodes.of(role) as u64 {
                nodes.push(self.make(role, number));
            }
        }
        nodes.sort_by_key(|node| node.skeleton.node_id);
        nodes
    }

    /// The node of a role with this number; always the same for a seed.
    pub fn make(&mut self, role: Role, number: u64) -> Arc<Node> {
        let id = hash(self.seed, "node", &[&[role.number()], &number.to_be_bytes()]);
        let make = || Arc::new(Node::new(role, id));
        Arc::clone(self.by_id.entry(id).or_insert_with(make))
    }

    /// A node by its ID.
    #[must_use]
    pub fn get(&self, id: &Identifier) -> Option<&Arc<Node>> {
        self.by_id.get(id)
    }

    /// The nodes with these IDs that exist, in the same order.
    #[must_use]
    pub fn all(&self, ids: impl IntoIterator<Item = Identifier>) -> Vec<Arc<Node>> {
        ids.into_iter().filter_map(|id| self.get(&id).cloned()).collect()
    }
}

impl Node {
    fn new(role: Role, node_id: Identifier) -> Self {
        let staking_key = SecretKey::derive(&hash(0, "staking", &[&node_id.0]));
        let mut random = Random::new(0, "identity", &[&node_id.0]);
        let digits = &node_id.to_hex()[..12];
        let skeleton = IdentitySkeleton {
            node_id,
            address: format!("{role}-{digits}.example.org:3569"),
            role,
            initial_weight: 1000 + 100 * random.below(5),
            staking_key: Some(staking_key.public_key()),
            network_key: Some(network_key(&node_id)),
        };
        Self { skeleton, staking_key }
    }

    /// Its ID.
    #[must_use]
    pub fn id(&self) -> Identifier {
        self.skeleton.node_id
    }
}
