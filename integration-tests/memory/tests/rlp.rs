//! Decoders of RLP.

use weir_memory::rlp::{answer, block, evidence, header, last_sealed, list, many, seal};
use weir_memory::{ANSWER_BYTES_MAX, check};
use weir_protocol::codec::rlp::{Decoder, Encoder, RlpError};
use weir_protocol::evidence::{EVIDENCE_BYTES_MAX, Evidence};
use weir_protocol::model::{
    EpochCommit, EpochSetup, EpochStateEntry, ExecutionResult, Identifier, KvStore, VersionBeacon,
};
use weir_protocol::snapshot_tree::{TREE_VERSION, TreeItem, TreeQuestion, verify};

/// Evidence, named by what it is full of.
fn hostile_evidence(len: usize) -> Vec<(&'static str, Vec<u8>)> {
    let empty = list(&[]);
    let with_seals = |seals: Vec<u8>| last_sealed(&empty, &seals, &empty);
    let with_approvals = |approvals: Vec<u8>| with_seals(list(&seal(&approvals)));
    let no_signature = list(&[&empty[..], &empty].concat());
    let signatures = list(&list(&[&many(&[0x01], len)[..], &empty].concat()));
    let no_signatures = list(&list(&[&many(&[0x80], len)[..], &empty].concat()));
    let bare_hop = list(&[&block(&empty)[..], &empty, &empty].concat());
    let delta = list(&[&[0xa0][..], &[0; 32], &empty].concat());
    let all = |answer: &[u8]| evidence(&empty, answer, &empty, &empty);
    vec![
        ("approvals without signatures", all(&with_approvals(many(&no_signature, len)))),
        ("one-byte signatures", all(&with_approvals(signatures))),
        ("empty signatures", all(&with_approvals(no_signatures))),
        ("empty lists for approvals", all(&with_approvals(many(&empty, len)))),
        ("seals", all(&with_seals(many(&seal(&empty), len)))),
        ("empty lists for seals", all(&with_seals(many(&empty, len)))),
        ("headers", all(&answer(&block(&many(&header(), len)), &empty))),
        ("empty lists for headers", all(&answer(&block(&many(&empty, len)), &empty))),
        ("hops", evidence(&many(&bare_hop, len), &empty, &empty, &empty)),
        ("empty lists for hops", evidence(&many(&empty, len), &empty, &empty, &empty)),
        ("preimages", evidence(&empty, &empty, &many(&[0x01], len), &empty)),
        ("deltas", evidence(&empty, &empty, &empty, &many(&delta, len))),
        ("nothing known", many(&[0xc0], len)),
    ]
}

#[bounded::test]
fn evidence_takes_four_times_its_bytes() {
    for (name, bytes) in SIZES.into_iter().flat_map(hostile_evidence) {
        check(&format!("evidence of {name}"), bytes.len(), || Evidence::from_bytes(&bytes));
    }
}

#[bounded::test]
fn the_largest_evidence_takes_256_mib() {
    for (name, bytes) in hostile_evidence(EVIDENCE_BYTES_MAX - (1 << 20)) {
        check(&format!("largest evidence of {name}"), bytes.len(), || Evidence::from_bytes(&bytes));
    }
    assert_eq!(4 * EVIDENCE_BYTES_MAX, ANSWER_BYTES_MAX);
}

type Decode = fn(&mut Decoder<'_>) -> Result<(), RlpError>;

/// What the verifier decodes of preimages, with each list in turn full of small items.
fn hostile_preimages(len: usize) -> Vec<(&'static str, Decode, Vec<u8>)> {
    let setup: Decode = |d| EpochSetup::decode(d).map(drop);
    let commit: Decode = |d| EpochCommit::decode(d).map(drop);
    let result: Decode = |d| ExecutionResult::decode(d).map(drop);
    let state: Decode = |d| EpochStateEntry::decode(d).map(drop);
    let store: Decode = |d| KvStore::decode(d).map(drop);
    let beacon: Decode = |d| VersionBeacon::decode(d).map(drop);
    let (empty, zero, id) = (list(&[]), [0x80], [&[0xa0][..], &[0; 32]].concat());
    let two = list(&[0x80, 0x80]);
    let of = |parts: &[&[u8]]| list(&parts.concat());
    let views = [0x80; 6];
    let no_qc = of(&[&zero, &empty]);
    let key = [&[0xb8, 96][..], &[0; 96]].concat();
    let extensions = many(&two, len);
    let container = of(&[&id, &id, &empty, &extensions]);
    let weights = of(&[&many(&two, len), &empty, &zero]);
    let inner = of(&[&of(&[&empty]), &id, &zero, &zero]);
    let store_bytes =
        of(&[&[3], &of(&[&of(&[&of(&[&inner])]), &of(&[&weights, &empty]), &two, &two])]);
    vec![
        ("nil participants", setup, of(&[&views, &many(&empty, len), &empty, &zero, &zero, &zero])),
        ("empty clusters", setup, of(&[&views, &empty, &many(&empty, len), &zero, &zero, &zero])),
        ("cluster qcs", commit, of(&[&zero, &many(&no_qc, len), &key, &empty, &empty])),
        ("keys", commit, of(&[&zero, &empty, &key, &many(&key, len), &empty])),
        ("chunks", result, of(&[&id, &id, &many(&empty, len), &empty, &id])),
        ("service events", result, of(&[&id, &id, &empty, &many(&empty, len), &id])),
        ("extensions", state, of(&[&empty, &container, &empty, &zero])),
        ("weights", store, store_bytes),
        ("boundaries", beacon, of(&[&many(&two, len), &zero])),
    ]
}

#[bounded::test]
fn preimages_take_four_times_their_bytes() {
    for (name, decode, bytes) in SIZES.into_iter().flat_map(hostile_preimages) {
        check(name, bytes.len(), || decode(&mut Decoder::new(&bytes)));
    }
}

/// A table of a snapshot tree whose nodes have no keys.
#[bounded::test]
fn proofs_of_snapshot_trees_take_four_times_their_bytes() {
    let question = TreeQuestion::new(vec![TreeItem::Table]).unwrap();
    for len in SIZES {
        let count = len / 42;
        let mut proof = vec![TREE_VERSION];
        let mut encoder = Encoder::new();
        encoder.uint(count as u64);
        for number in 0..count as u64 {
            encoder.list(|e| {
                e.bytes(&[&number.to_be_bytes()[..], &[7; 24]].concat());
                e.bytes(&[]);
                (0..5).for_each(|field| e.uint([5, 0, 0, 0, 1][field]));
            });
        }
        proof.extend(encoder.finish());
        check("table", proof.len(), || verify(&Identifier::ZERO, &question, &proof));
    }
}

/// Small enough to be taken, and too large.
const SIZES: [usize; 4] = [16 << 10, 64 << 10, 512 << 10, 4 << 20];
