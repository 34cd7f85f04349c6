//! Payload Merkle tree: flow-go's vectors, and proofs of presence and absence on random trees.

mod common;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;
use std::collections::BTreeSet;
use weir_protocol::merkle::{
    AbsenceProof, EMPTY_ROOT, Proof, ProofError, Tree, root, root_of_complete_list, verify,
    verify_absence,
};
use weir_protocol::model::Identifier;

#[bounded::test]
fn roots_and_proofs_are_flow_gos() {
    for vector in common::lines("primitives/merkle.jsonl.gz") {
        let ids = ids(&vector["ids"]);
        let tree = Tree::new(&ids);
        let expected = id(&vector["root"]);
        assert_eq!(root(&ids), expected);
        assert_eq!(tree.root(), expected);
        let unique: BTreeSet<_> = ids.iter().collect();
        assert_eq!(root_of_complete_list(&ids).is_ok(), unique.len() == ids.len());
        for proof in vector["proofs"].as_array().unwrap() {
            check_proof(&tree, proof);
        }
    }
}

fn check_proof(tree: &Tree, expected: &Value) {
    let key = id(&expected["key"]);
    let proof = tree.prove(&key).expect("the key is in the tree");
    let types = hex::encode(proof.interim_node_types());
    assert_eq!(types, expected["interim_node_types"].as_str().expect("is text"));
    assert_eq!(serde_json::json!(proof.short_path_lengths()), expected["short_path_lengths"]);
    let siblings: Vec<_> = proof.sibling_hashes().into_iter().map(hex::encode).collect();
    assert_eq!(serde_json::json!(siblings), expected["sibling_hashes"]);
    let value = expected["value"].as_str().expect("is text");
    let index = u64::from_str_radix(value, 16).expect("is an integer");
    assert_eq!(verify(&tree.root(), &key, index, &proof), Ok(()));
    assert!(verify(&tree.root(), &key, index + 1, &proof).is_err());
    assert_eq!(tree.prove_absence(&key), None);
    assert_eq!(Proof::decode(&proof.encode()), Ok(proof));
}

#[bounded::test]
fn roots_of_every_block_are_flow_gos() {
    for chain in common::chains() {
        for block in common::lines(&format!("{chain}/expected.jsonl.gz")) {
            for list in ["guarantee", "seal", "receipt", "result"] {
                let ids = ids(&block[format!("{list}_ids")]);
                assert_eq!(root(&ids), id(&block[format!("{list}s_root")]), "{list} of {chain}");
            }
        }
    }
}

#[bounded::test]
fn the_empty_tree_holds_nothing() {
    let tree = Tree::new(&[]);
    let any = Identifier([9; 32]);
    let proof = tree.prove_absence(&any).unwrap();
    assert_eq!(proof.encode(), [0xc0]);
    assert_eq!(verify_absence(&EMPTY_ROOT, &any, &proof), Ok(()));
    assert_eq!(tree.prove(&any), None);
    let other = Tree::new(&[Identifier([8; 32])]).root();
    assert!(matches!(
        verify_absence(&other, &any, &proof),
        Err(ProofError::WrongRoot { expected, .. }) if expected == other
    ));
}

#[bounded::test]
fn rejects_malformed_proofs() {
    let hash = [&[0xa0][..], &[7; 32]].concat();
    let check = |types: &[u8], lengths: &[u8], siblings: &[u8]| {
        let body = [types, lengths, siblings].concat();
        let head = match u8::try_from(body.len()).expect("is short") {
            short @ 0..=55 => vec![0xc0 + short],
            long => vec![0xf8, long],
        };
        Proof::decode(&[head, body].concat())
    };
    let list = [&[0xe1][..], &hash].concat();
    // One short node of all 256 bits is the proof of a tree with one leaf.
    assert!(check(&[0x81, 0x80], &[0xc3, 0x82, 1, 0], &[0xc0]).is_ok());
    // A short, a full and a short node: 1 + 1 + 254 bits.
    assert!(check(&[0x81, 0xa0], &[0xc3, 0x01, 0x81, 0xfe], &list).is_ok());
    let depth = |found| Err(ProofError::Depth { found });
    let short = |len| Err(ProofError::ShortNode { len });
    let misfit = |shorts, fulls| Err(ProofError::NodeTypes { shorts, fulls });
    assert_eq!(check(&[0x81, 0xa0], &[0xc3, 0x01, 0x81, 0xfd], &list), depth(255));
    assert_eq!(check(&[0x81, 0xa0], &[0xc3, 0x01, 0x81, 0xff], &list), depth(257));
    assert_eq!(check(&[0x80], &[0xc0], &[0xc0]), depth(0));
    assert_eq!(check(&[0x81, 0xa0], &[0xc3, 0x80, 0x81, 0xff], &list), short(0));
    assert_eq!(check(&[0x81, 0x80], &[0xc3, 0x82, 1, 1], &[0xc0]), short(257));
    assert_eq!(check(&[0x81, 0xc0], &[0xc3, 0x01, 0x81, 0xfe], &list), short(254));
    assert_eq!(check(&[0x81, 0xa1], &[0xc3, 0x01, 0x81, 0xfe], &list), misfit(2, 1));
    assert_eq!(check(&[0x82, 0xa0, 0], &[0xc3, 0x01, 0x81, 0xfe], &list), misfit(2, 1));
    assert_eq!(check(&[0x80], &[0xc3, 0x82, 1, 0], &[0xc0]), misfit(1, 0));
    // A sibling that no full node uses makes the way too long.
    assert_eq!(check(&[0x81, 0x80], &[0xc3, 0x82, 1, 0], &list), depth(257));
    assert!(matches!(Proof::decode(&[0; 20_000]), Err(ProofError::TooLong { .. })));
}

#[bounded::test]
fn the_deepest_proof_is_within_the_limit() {
    // Keys that part from the first at every bit: 256 full nodes.
    let mut ids = vec![Identifier([0; 32])];
    ids.extend((0..256).map(|bit| {
        let mut key = [0; 32];
        key[bit / 8] = 0x80 >> (bit % 8);
        Identifier(key)
    }));
    let tree = Tree::new(&ids);
    let proof = tree.prove(&ids[0]).unwrap();
    assert_eq!(proof.sibling_hashes().len(), 256);
    assert_eq!(verify(&tree.root(), &ids[0], 0, &proof), Ok(()));
    assert_eq!(Proof::decode(&proof.encode()), Ok(proof));
}

/// IDs that differ in a few bits only, so that they share long prefixes.
fn close_id() -> impl Strategy<Value = Identifier> {
    (0usize..32, prop::sample::select(vec![0u8, 1, 2, 0x80, 0xff]), 0usize..32, 0u8..3).prop_map(
        |(at, byte, also, low)| {
            let mut key = [0xa5; 32];
            key[at] ^= byte;
            key[also] ^= low;
            Identifier(key)
        },
    )
}

fn id_lists() -> impl Strategy<Value = Vec<Identifier>> {
    let far = any::<[u8; 32]>().prop_map(Identifier);
    prop::collection::vec(prop_oneof![close_id(), far], 0..60)
}

proptest! {
    #[bounded::test]
    fn present_ids_prove_and_verify(ids in id_lists()) {
        let tree = Tree::new(&ids);
        prop_assert_eq!(tree.root(), root(&ids));
        for id in &ids {
            let index = ids.iter().rposition(|other| other == id).unwrap() as u64;
            let proof = tree.prove(id).unwrap();
            prop_assert_eq!(verify(&tree.root(), id, index, &proof), Ok(()));
            prop_assert_eq!(Proof::decode(&proof.encode()), Ok(proof));
            prop_assert_eq!(tree.prove_absence(id), None);
        }
    }

    #[bounded::test]
    fn absent_ids_prove_absence(ids in id_lists(), absent in close_id()) {
        prop_assume!(!ids.contains(&absent));
        let tree = Tree::new(&ids);
        prop_assert_eq!(tree.prove(&absent), None);
        let proof = tree.prove_absence(&absent).unwrap();
        prop_assert_eq!(verify_absence(&tree.root(), &absent, &proof), Ok(()));
        prop_assert_eq!(AbsenceProof::decode(&proof.encode()), Ok(proof.clone()));
        for id in &ids {
            prop_assert!(verify_absence(&tree.root(), id, &proof).is_err());
        }
    }

    #[bounded::test]
    fn rejects_a_flipped_byte_anywhere(
        ids in id_lists(), which: Index, absent in close_id(), flip in 1u8..,
    ) {
        let tree = Tree::new(&ids);
        if !ids.is_empty() {
            let index = which.index(ids.len());
            let id = ids[index];
            let index = ids.iter().rposition(|other| *other == id).unwrap() as u64;
            let bytes = tree.prove(&id).unwrap().encode();
            for altered in flips(&bytes, flip) {
                let verdict = Proof::decode(&altered)
                    .and_then(|proof| verify(&tree.root(), &id, index, &proof));
                prop_assert!(verdict.is_err());
            }
        }
        if let Some(proof) = tree.prove_absence(&absent) {
            for altered in flips(&proof.encode(), flip) {
                let verdict = AbsenceProof::decode(&altered)
                    .and_then(|proof| verify_absence(&tree.root(), &absent, &proof));
                prop_assert!(verdict.is_err());
            }
        }
    }
}

fn flips(bytes: &[u8], flip: u8) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len()).map(move |at| {
        let mut altered = bytes.to_vec();
        altered[at] ^= flip;
        altered
    })
}

fn ids(value: &Value) -> Vec<Identifier> {
    value.as_array().map(|ids| ids.iter().map(id).collect()).unwrap_or_default()
}

fn id(value: &Value) -> Identifier {
    value.as_str().and_then(|text| text.parse().ok()).expect("is an identifier")
}
