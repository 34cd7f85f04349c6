//! Proofs forged on purpose: each claim that a tree must not support.

use crate::network::{Member, ask, members, rejection, tree};
use weir_protocol::model::{Identifier, Role};
use weir_protocol::snapshot_tree::{
    Field, SnapshotTree, TREE_NODES_MAX, TREE_PROOF_BYTES_MAX, TreeError, TreeItem, TreeQuestion,
    TreeQuestionError, verify,
};

fn node_id(first: u8, last: u8) -> Identifier {
    let mut id = [0; 32];
    (id[0], id[31]) = (first, last);
    Identifier(id)
}

fn member(node_id: Identifier, role: Role) -> Member {
    Member { node_id, role, ejected: false }
}

/// Two nodes left and right of the first bit, so that the proof of one is tag, tag, value, hash.
fn pair() -> (SnapshotTree, Identifier, Identifier) {
    let (left, right) = (node_id(0x10, 1), node_id(0x90, 2));
    let members = [member(left, Role::Consensus), member(right, Role::Access)];
    (tree(&members), left, right)
}

fn message(tree: &SnapshotTree, question: &TreeQuestion, bytes: &[u8]) -> String {
    rejection(tree, question, bytes).to_string()
}

#[bounded::test]
fn a_proof_is_laid_out_as_documented() {
    let (tree, left, right) = pair();
    let proof = tree.prove(&ask([TreeItem::Node(left)]));
    assert_eq!(proof[..3], [1, 0x00, 0x7f]);
    let other = tree.prove(&ask([TreeItem::Node(right)]));
    assert_eq!((&other[..2], other[34]), (&[1, 0x00][..], 0x7f));
    // Absent: below the left half, a path of 255 bits that is not followed, and the leaf's hash.
    let absent = tree.prove(&ask([TreeItem::Node(node_id(0x11, 1))]));
    assert_eq!(absent[..3], [1, 0x00, 0xff]);
    assert_eq!(absent[3], 0x20, "the path begins after the first bit");
    assert_eq!(absent.len(), 3 + 32 + 32 + 32 + 32);
}

#[bounded::test]
fn a_node_that_is_there_cannot_be_absent() {
    let (tree, left, right) = pair();
    let absent = node_id(0x11, 1);
    let proof = tree.prove(&ask([TreeItem::Node(absent)]));
    // The same place, but the key follows the path that the proof shows.
    let found = message(&tree, &ask([TreeItem::Node(left)]), &proof);
    assert!(found.contains("1 of 1 keys follow the path"), "{found}");
    // Another path there: it is hashed.
    let mut altered = proof.clone();
    altered[4] ^= 0x40;
    let question = ask([TreeItem::Node(left)]);
    assert!(matches!(rejection(&tree, &question, &altered), TreeError::WrongRoot { .. }));
    // The tree without leaves.
    let rest = &proof[proof.len() - 32..];
    let empty = [&[1, 0x80][..], rest].concat();
    assert!(matches!(rejection(&tree, &question, &empty), TreeError::WrongRoot { .. }));
    // A neighbour's absence is not this node's.
    assert!(verify(&tree.root(), &ask([TreeItem::Node(right)]), &proof).is_err());
}

#[bounded::test]
fn a_node_that_is_absent_cannot_be_there() {
    let (tree, left, _) = pair();
    let proof = tree.prove(&ask([TreeItem::Node(left)]));
    let absent = ask([TreeItem::Node(node_id(0x11, 1))]);
    assert!(matches!(rejection(&tree, &absent, &proof), TreeError::WrongRoot { .. }));
}

#[bounded::test]
fn a_leaf_is_no_node_and_a_node_no_leaf() {
    let (tree, left, right) = pair();
    let proof = tree.prove(&ask([TreeItem::Node(left)]));
    let end = proof.len() - 64;
    // The leaf one level up, the two hashes below as its siblings.
    let raised = [&[1, 0x7f][..], &proof[3..end], &proof[proof.len() - 32..]].concat();
    let question = ask([TreeItem::Node(left)]);
    assert!(matches!(rejection(&tree, &question, &raised), TreeError::WrongRoot { .. }));
    // The leaf where a subtree is expected.
    let both = ask([TreeItem::Node(left), TreeItem::Node(right)]);
    assert!(verify(&tree.root(), &both, &proof).is_err());
}

#[bounded::test]
fn a_path_has_one_length_and_one_form() {
    let (tree, left, _) = pair();
    let question = ask([TreeItem::Node(left)]);
    let proof = tree.prove(&question);
    let tagged = |tag: &[u8]| [&proof[..2], tag, &proof[3..]].concat();
    // 255 bits are left, and only 0x7f says so.
    let long = message(&tree, &question, &tagged(&[0x7e, 129]));
    assert!(long.contains("fewer than 255 bits, found 255"), "{long}");
    assert!(message(&tree, &question, &tagged(&[0x7e, 255])).contains("found 381"));
    // A path is shown although the key follows it.
    let path: Vec<u8> = [vec![0x20], vec![0; 30], vec![0x02]].concat();
    let shown = tagged(&[&[0xff][..], &path].concat());
    assert!(message(&tree, &question, &shown).contains("1 of 1 keys follow"));
    // Padding after the 255th bit.
    let absent = ask([TreeItem::Node(node_id(0x11, 1))]);
    let mut padded = tree.prove(&absent);
    padded[3 + 31] |= 1;
    assert!(message(&tree, &absent, &padded).contains("not padded"));
}

#[bounded::test]
fn a_list_holds_the_nodes_of_its_role_and_all_of_them() {
    let tree = tree(&members(40));
    let question = ask([TreeItem::Role(Role::Execution)]);
    let proof = tree.prove(&question);
    assert_eq!(proof[33..38], [8, 8, 8, 8, 8]);
    for (at, count) in [(35, 7), (35, 9), (35, 0), (33, 9)] {
        let mut altered = proof.clone();
        altered[at] = count;
        assert!(verify(&tree.root(), &question, &altered).is_err(), "count {count} at {at}");
    }
    // Another role's list under this role.
    let other = tree.prove(&ask([TreeItem::Role(Role::Consensus)]));
    let found = rejection(&tree, &question, &other);
    assert!(matches!(found, TreeError::Role { .. } | TreeError::Malformed(_)), "{found}");
    // A whole list left out, and its count with it.
    let mut emptied = proof[..33].to_vec();
    emptied.extend([8, 8, 0x80, 8, 8]);
    emptied.extend([0; 128]);
    assert!(verify(&tree.root(), &question, &emptied).is_err());
}

#[bounded::test]
fn a_role_without_nodes_is_proved_empty() {
    let (tree, ..) = pair();
    let question = ask([TreeItem::Role(Role::Execution)]);
    let proof = tree.prove(&question);
    // Version, root by ID, counts, two roles with nodes as one hash, root of the fields.
    assert_eq!(proof.len(), 1 + 32 + 5 + 32 + 32);
    let answer = verify(&tree.root(), &question, &proof).unwrap();
    assert_eq!(answer.roles[&Role::Execution], []);
    assert_eq!(answer.role_counts.unwrap().total(), 2);
    let consensus = ask([TreeItem::Role(Role::Consensus)]);
    assert!(verify(&tree.root(), &consensus, &proof).is_err());
}

#[bounded::test]
fn a_table_is_in_order_and_complete() {
    let tree = tree(&members(3));
    let question = ask([TreeItem::Table]);
    let proof = tree.prove(&question);
    let (head, fields) = (&proof[..2], &proof[proof.len() - 32..]);
    assert_eq!(head, [1, 3]);
    let body = &proof[2..proof.len() - 32];
    let first_len = usize::from(body[1]) + 2;
    let (first, others) = body.split_at(first_len);
    let reordered = [head, others, first, fields].concat();
    assert!(message(&tree, &question, &reordered).contains("order of identities"));
    let fewer = [&[1, 2], others, fields].concat();
    assert!(matches!(rejection(&tree, &question, &fewer), TreeError::WrongRoot { .. }));
    let twice = [&[1, 4], first, body, fields].concat();
    assert!(message(&tree, &question, &twice).contains("order of identities"));
    // No count is believed before the bytes are there.
    let huge = [&[1, 0x88][..], &[0xff; 8]].concat();
    assert!(message(&tree, &question, &huge).contains("cut short"));
}

#[bounded::test]
fn a_field_is_proved_under_its_own_name() {
    let tree = tree(&members(5));
    let counter = tree.prove(&ask([TreeItem::Field(Field::EpochCounter)]));
    let answers = Field::ALL
        .into_iter()
        .filter(|field| verify(&tree.root(), &ask([TreeItem::Field(*field)]), &counter).is_ok());
    assert_eq!(answers.collect::<Vec<_>>(), [Field::EpochCounter]);
}

#[bounded::test]
fn rejects_other_versions_and_oversized_proofs() {
    let (tree, left, _) = pair();
    let question = ask([TreeItem::Node(left)]);
    let mut proof = tree.prove(&question);
    proof[0] = 2;
    assert_eq!(rejection(&tree, &question, &proof), TreeError::Version { found: 2 });
    let found = TREE_PROOF_BYTES_MAX + 1;
    let too_long = rejection(&tree, &question, &vec![1; found]);
    assert_eq!(too_long, TreeError::TooLong { max: TREE_PROOF_BYTES_MAX, found });
    assert!(message(&tree, &question, &[]).contains("expected 1 more bytes, found 0"));
}

#[bounded::test]
fn a_question_has_items_and_not_too_many() {
    assert_eq!(TreeQuestion::new([]), Err(TreeQuestionError::Empty));
    let nodes = |count: u16| {
        (0..count).map(|n| TreeItem::Node(node_id(n.to_be_bytes()[0], n.to_be_bytes()[1])))
    };
    let max = u16::try_from(TREE_NODES_MAX).unwrap();
    assert!(TreeQuestion::new(nodes(max)).is_ok());
    let found = TREE_NODES_MAX + 1;
    let error = TreeQuestionError::TooManyNodes { max: TREE_NODES_MAX, found };
    assert_eq!(TreeQuestion::new(nodes(max + 1)), Err(error));
    let twice = [TreeItem::Role(Role::Access), TreeItem::Table, TreeItem::Role(Role::Access)];
    assert_eq!(ask(twice), ask([TreeItem::Table, TreeItem::Role(Role::Access)]));
}
