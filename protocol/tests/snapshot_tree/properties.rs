//! Properties over random tables and questions: honest proofs verify, and nothing else does.

use crate::network::{Member, ask, check_bytes, check_honest, tree};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use weir_protocol::model::{Identifier, Role};
use weir_protocol::snapshot_tree::{Field, TreeItem, TreeQuestion, verify};

/// IDs that differ in a few bits only, so that they share long prefixes, and others.
fn node_id() -> impl Strategy<Value = Identifier> {
    let close =
        (0usize..32, select(vec![0u8, 1, 2, 0x80, 0xff]), 0u8..3).prop_map(|(at, by, low)| {
            let mut key = [0xa5; 32];
            key[at] ^= by;
            key[31] ^= low;
            Identifier(key)
        });
    prop_oneof![close, any::<[u8; 32]>().prop_map(Identifier)]
}

fn table() -> impl Strategy<Value = Vec<Member>> {
    let member = (select(Role::ALL.to_vec()), any::<bool>());
    prop::collection::btree_map(node_id(), member, 0..24).prop_map(|members| {
        let member = |(node_id, (role, ejected))| Member { node_id, role, ejected };
        members.into_iter().map(member).collect()
    })
}

/// Something to ask; a node of the table is named by its position.
#[derive(Clone, Debug)]
enum Item {
    Member(Index),
    Other(TreeItem),
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    let other = prop_oneof![
        node_id().prop_map(TreeItem::Node),
        select(Role::ALL.to_vec()).prop_map(TreeItem::Role),
        select(Field::ALL.to_vec()).prop_map(TreeItem::Field),
    ];
    let item = prop_oneof![
        3 => any::<Index>().prop_map(Item::Member),
        6 => other.prop_map(Item::Other),
        1 => Just(Item::Other(TreeItem::Table)),
    ];
    prop::collection::vec(item, 1..8)
}

fn question(items: &[Item], members: &[Member]) -> TreeQuestion {
    let item = |item: &Item| match item {
        Item::Member(_) if members.is_empty() => TreeItem::Node(Identifier::ZERO),
        Item::Member(index) => TreeItem::Node(index.get(members).node_id),
        Item::Other(item) => *item,
    };
    ask(items.iter().map(item))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[bounded::test]
    fn honest_proofs_verify(members in table(), items in items()) {
        check_honest(&tree(&members), &question(&items, &members));
    }

    #[bounded::test]
    fn rejects_a_flipped_byte_anywhere(
        members in table(), items in items(), flip in 1u8.., first in 0usize..16,
    ) {
        let tree = tree(&members);
        let question = question(&items, &members);
        let proof = tree.prove(&question);
        for at in (first % proof.len()..proof.len()).step_by(proof.len().div_ceil(200)) {
            let mut altered = proof.clone();
            altered[at] ^= flip;
            let verdict = verify(&tree.root(), &question, &altered);
            prop_assert!(verdict.is_err(), "byte {at} of {question:?}");
        }
    }

    #[bounded::test]
    fn rejects_truncated_and_extended_proofs(members in table(), items in items()) {
        let tree = tree(&members);
        let question = question(&items, &members);
        let mut proof = tree.prove(&question);
        for len in (0..proof.len()).step_by(7) {
            prop_assert!(verify(&tree.root(), &question, &proof[..len]).is_err());
        }
        prop_assert!(verify(&tree.root(), &question, &proof[..proof.len() - 1]).is_err());
        proof.push(0);
        prop_assert!(verify(&tree.root(), &question, &proof).is_err());
    }

    #[bounded::test]
    fn rejects_dropped_extra_and_exchanged_pieces(
        members in table(), items in items(), from: Index, to: Index, len in select(vec![1, 2, 32, 33]),
    ) {
        let tree = tree(&members);
        let question = question(&items, &members);
        let proof = tree.prove(&question);
        let piece = |at: Index| {
            let start = at.index(proof.len());
            start..(start + len).min(proof.len())
        };
        let (from, to) = (piece(from), piece(to));
        let mut dropped = proof.clone();
        dropped.drain(from.clone());
        check_bytes(&tree, &question, &dropped);
        let mut extra = proof.clone();
        extra.splice(to.start..to.start, proof[from.clone()].iter().copied());
        check_bytes(&tree, &question, &extra);
        let mut exchanged = proof.clone();
        exchanged.splice(to, proof[from].iter().copied());
        check_bytes(&tree, &question, &exchanged);
    }

    #[bounded::test]
    fn a_proof_answers_its_own_question_and_root_only(
        members in table(), items in items(), others in items(), more in table(),
    ) {
        let (honest, other) = (tree(&members), tree(&more));
        let (asked, another) = (question(&items, &members), question(&others, &members));
        // Two absent nodes may leave the tree at the same place: then the bytes are the same.
        check_bytes(&honest, &asked, &honest.prove(&another));
        check_bytes(&honest, &asked, &other.prove(&asked));
    }

    #[bounded::test]
    fn arbitrary_bytes_do_not_verify(
        members in table(), items in items(), bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let tree = tree(&members);
        check_bytes(&tree, &question(&items, &members), &[&[1], &bytes[..]].concat());
    }
}
