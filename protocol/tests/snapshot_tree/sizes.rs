//! Sizes of proofs. They are deterministic, so they are asserted, not measured.

use crate::network::{ask, check_honest, members, tree};
use weir_protocol::model::{Identifier, Role};
use weir_protocol::snapshot_tree::{Field, SnapshotTree, TreeItem};

/// Lengths of the proofs of every identity, value included: shortest, average and longest.
fn identity_proofs(tree: &SnapshotTree) -> (usize, usize, usize) {
    let node = |id: Identifier| tree.prove(&ask([TreeItem::Node(id)])).len();
    let lengths: Vec<_> = tree.identities().iter().map(|n| node(n.skeleton.node_id)).collect();
    let sum: usize = lengths.iter().sum();
    let (min, max) = (lengths.iter().min().unwrap(), lengths.iter().max().unwrap());
    (*min, sum / lengths.len(), *max)
}

#[bounded::test]
fn an_identity_among_500_takes_at_most_700_bytes() {
    let tree = tree(&members(500));
    let (min, average, max) = identity_proofs(&tree);
    assert!(max <= 700, "{min} to {max}, {average} on average");
    assert!(average <= 600, "{average}");
    for node in tree.identities() {
        check_honest(&tree, &ask([TreeItem::Node(node.skeleton.node_id)]));
    }
    println!("500 nodes: {min} to {max} bytes, {average} on average");
    let absent = check_honest(&tree, &ask([TreeItem::Node(Identifier([0x5a; 32]))]));
    assert!(absent <= 450, "{absent}");
    let field = check_honest(&tree, &ask([TreeItem::Field(Field::EpochPhase)]));
    assert!(field <= 300, "{field}");
    println!("absence {absent}, field {field}");
}

#[bounded::test]
fn an_identity_among_100_000_takes_at_most_1024_bytes() {
    let tree = tree(&members(100_000));
    let (min, average, max) = identity_proofs(&tree);
    assert!(max <= 1024, "{min} to {max}, {average} on average");
    println!("100,000 nodes: {min} to {max} bytes, {average} on average");
    for node in tree.identities().iter().step_by(1_000) {
        check_honest(&tree, &ask([TreeItem::Node(node.skeleton.node_id)]));
    }
}

#[bounded::test]
fn a_role_costs_its_identities_and_its_boundary() {
    let tree = tree(&members(500));
    let values = |role: Role| -> usize {
        let list = tree.identities().iter().filter(|node| node.skeleton.role == role);
        list.map(|node| 205 + node.skeleton.address.len()).sum()
    };
    for role in Role::ALL {
        let len = check_honest(&tree, &ask([TreeItem::Role(role)]));
        println!("{role}: {} bytes beside {} of identities", len - values(role), values(role));
        // Version, root by ID, five counts, at most three siblings, root of the fields.
        assert!(len - values(role) <= 1 + 32 + 5 * 2 + 3 * 32 + 32, "{role}");
    }
    let table: usize = Role::ALL.into_iter().map(values).sum();
    // Version, count, root of the fields.
    assert_eq!(check_honest(&tree, &ask([TreeItem::Table])), table + 1 + 3 + 32);
}

#[bounded::test]
fn a_batch_shares_siblings() {
    let tree = tree(&members(500));
    let ids = tree.identities().iter().step_by(10).map(|node| node.skeleton.node_id);
    let ids: Vec<_> = ids.collect();
    let single: usize = ids.iter().map(|id| check_honest(&tree, &ask([TreeItem::Node(*id)]))).sum();
    let batch = check_honest(&tree, &ask(ids.into_iter().map(TreeItem::Node)));
    println!("50 of 500 identities: {batch} bytes, {single} one by one");
    assert!(batch * 10 < single * 7, "{batch} {single}");
}
