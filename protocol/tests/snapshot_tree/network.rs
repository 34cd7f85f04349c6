//! Made-up states, and the answers a tree must give, found without a tree.

use weir_protocol::codec::sha3_256;
use weir_protocol::model::{
    Clusters, DynamicIdentityEntry, EpochSetup, EpochStateContainer, EpochStateEntry, Identifier,
    IdentitySkeleton, KvStore, Role,
};
use weir_protocol::protocol_state::EpochIdentities;
use weir_protocol::snapshot_tree::{SnapshotTree, TreeAnswer, TreeError, TreeItem, TreeQuestion};

/// A node of a made-up network.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) node_id: Identifier,
    pub(crate) role: Role,
    pub(crate) ejected: bool,
}

/// Members with IDs as random as real ones: more than half collect or decide.
pub(crate) fn members(count: u32) -> Vec<Member> {
    let member = |number: u32| Member {
        node_id: sha3_256(&[&number.to_be_bytes()]),
        role: Role::ALL[usize::try_from(number % 5).unwrap()],
        ejected: number % 97 == 5,
    };
    (0..count).map(member).collect()
}

/// The snapshot tree of a network with these members, each node ID once.
pub(crate) fn tree(members: &[Member]) -> SnapshotTree {
    let mut members = members.to_vec();
    members.sort_by_key(|member| member.node_id);
    let setup = setup(&members);
    let dynamic = |m: &Member| DynamicIdentityEntry { node_id: m.node_id, ejected: m.ejected };
    let entry = EpochStateEntry {
        previous_epoch: None,
        current_epoch: EpochStateContainer {
            setup_id: Identifier([1; 32]),
            commit_id: Identifier([2; 32]),
            active_identities: members.iter().map(dynamic).collect(),
            epoch_extensions: Vec::new(),
        },
        next_epoch: None,
        epoch_fallback_triggered: false,
    };
    let kv = KvStore {
        version: 2,
        version_upgrade: None,
        epoch_state_id: Identifier([3; 32]),
        epoch_extension_view_count: 100_000,
        finalization_safety_threshold: 1_000,
        execution: None,
        snapshot_tree_root: None,
    };
    let epochs = EpochIdentities { entry: &entry, previous: None, current: &setup, next: None };
    SnapshotTree::new(&kv, &epochs).unwrap()
}

fn setup(members: &[Member]) -> EpochSetup {
    EpochSetup {
        counter: 7,
        first_view: 1_000_000,
        dkg_phase1_final_view: 0,
        dkg_phase2_final_view: 0,
        dkg_phase3_final_view: 0,
        final_view: 1_999_999,
        participants: members.iter().map(skeleton).collect(),
        assignments: Clusters::default(),
        random_source: vec![0; 16],
        target_duration: 0,
        target_end_time: 0,
    }
}

fn skeleton(member: &Member) -> IdentitySkeleton {
    let key = member.node_id.0;
    let mut staking_key = [0; 96];
    staking_key.chunks_mut(32).for_each(|chunk| chunk.copy_from_slice(&key));
    let mut network_key = [0; 64];
    network_key.chunks_mut(32).for_each(|chunk| chunk.copy_from_slice(&key));
    IdentitySkeleton {
        node_id: member.node_id,
        // As long as those of the main network.
        address: format!("{}-{:03}.mainnet28.nodes.onflow.org:3569", member.role, key[0]),
        role: member.role,
        initial_weight: 1_000,
        staking_key: Some(staking_key),
        network_key: Some(network_key),
    }
}

/// A question about these items.
pub(crate) fn ask(items: impl IntoIterator<Item = TreeItem>) -> TreeQuestion {
    TreeQuestion::new(items).unwrap()
}

/// The answer to `question`, looked up in the tree's lists.
pub(crate) fn expected(tree: &SnapshotTree, question: &TreeQuestion) -> TreeAnswer {
    let mut answer = TreeAnswer::default();
    let identities = tree.identities();
    for item in question.items() {
        match item {
            TreeItem::Table => answer.table = Some(identities.to_vec()),
            TreeItem::Node(node_id) => {
                let node = identities.iter().find(|node| node.skeleton.node_id == node_id);
                answer.nodes.insert(node_id, node.cloned());
            }
            TreeItem::Role(role) => {
                let list = identities.iter().filter(|node| node.skeleton.role == role);
                answer.roles.insert(role, list.cloned().collect());
            }
            TreeItem::Field(field) => {
                answer.fields.insert(field, tree.fields().get(&field).cloned());
            }
        }
    }
    if question.items().any(|item| !matches!(item, TreeItem::Node(_))) {
        answer.role_counts = Some(tree.role_counts());
    }
    answer
}

/// The proof of an honest tree verifies and says what the tree holds; returns its length.
pub(crate) fn check_honest(tree: &SnapshotTree, question: &TreeQuestion) -> usize {
    let proof = tree.prove(question);
    let answer = weir_protocol::snapshot_tree::verify(&tree.root(), question, &proof);
    assert_eq!(answer, Ok(expected(tree, question)), "{question:?}");
    proof.len()
}

/// Bytes verify exactly when they are the question's one proof.
pub(crate) fn check_bytes(tree: &SnapshotTree, question: &TreeQuestion, bytes: &[u8]) {
    let verdict = weir_protocol::snapshot_tree::verify(&tree.root(), question, bytes);
    if bytes == tree.prove(question) {
        assert_eq!(verdict, Ok(expected(tree, question)), "{question:?}");
    } else {
        assert!(verdict.is_err(), "{question:?} with {}", hex::encode(bytes));
    }
}

/// Why `bytes` are rejected under the tree's root.
pub(crate) fn rejection(tree: &SnapshotTree, question: &TreeQuestion, bytes: &[u8]) -> TreeError {
    weir_protocol::snapshot_tree::verify(&tree.root(), question, bytes).unwrap_err()
}
