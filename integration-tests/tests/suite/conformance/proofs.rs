//! Merkle proofs by themselves: inclusion and absence.

use weir_conformance::Group;
use weir_protocol::codec::sha3_256;
use weir_protocol::merkle::{EMPTY_ROOT, Proof, Tree};
use weir_protocol::model::Identifier;

use super::group::{Cases, Lie};
use super::rlp::{bytes, items, list, uint};

pub(super) fn group() -> Group {
    let about = "A Merkle proof has one shape, and leads from one leaf or gap to one root.";
    let mut cases = Cases::new("proofs", about);
    inclusion(&mut cases);
    shapes(&mut cases);
    absence(&mut cases);
    absence_shapes(&mut cases);
    cases.finish()
}

/// IDs that follow from their number.
fn ids(count: u8) -> Vec<Identifier> {
    (0..count).map(|number| sha3_256(&[b"id", &[number]])).collect()
}

fn raw(encoded: &[u8]) -> Vec<u8> {
    weir_protocol::codec::rlp::Decoder::new(encoded).bytes().unwrap().to_vec()
}

fn inclusion(cases: &mut Cases) {
    const RULE: &str = "WrongRoot";
    let ids = ids(9);
    let tree = Tree::new(&ids);
    let (root, proof) = (tree.root(), tree.prove(&ids[3]).unwrap());
    let task = cases.inclusion(root, (ids[3], 3), &proof);
    cases.honest("inclusion", "An ID at its position among nine.", task);
    let mut lie = |lie: Lie<'_>, root, leaf, proof: &Proof| {
        let task = cases.inclusion(root, leaf, proof);
        cases.lie(lie, task);
    };
    let other = tree.prove(&ids[4]).unwrap();
    lie(("another-position", RULE, "Another position."), root, (ids[3], 2), &proof);
    lie(("last-position", RULE, "The last of all positions."), root, (ids[3], u64::MAX), &proof);
    lie(("another-id", RULE, "Another ID."), root, (ids[4], 3), &proof);
    lie(("proof-of-another", RULE, "The proof of another ID."), root, (ids[3], 3), &other);
    let shorter = Tree::new(&ids[..8]).root();
    lie(("another-count", RULE, "The root of a list of eight."), shorter, (ids[3], 3), &proof);
    let alone = Tree::new(&ids[3..4]);
    let what = "The root of a list of one.";
    lie(("list-of-one", RULE, what), alone.root(), (ids[3], 3), &proof);
    lie(("empty-list", RULE, "The root of no list."), EMPTY_ROOT, (ids[3], 3), &proof);
    let what = "A node of the tree in place of an ID, with the rest of the way.";
    let sibling = Identifier(proof.sibling_hashes()[0]);
    lie(("node-as-a-leaf", RULE, what), root, (sibling, 3), &proof);
    let stranger = sha3_256(&[b"stranger"]);
    let lonely = Tree::new(&[stranger]).prove(&stranger).unwrap();
    lie(("stranger", RULE, "An ID that is not in the list."), root, (stranger, 0), &lonely);
    // An ID that occurs twice counts at its last position.
    let twice = Tree::new(&[ids[0], ids[1], ids[0]]);
    let proof = twice.prove(&ids[0]).unwrap();
    let task = cases.inclusion(twice.root(), (ids[0], 2), &proof);
    cases.honest("repeated-id", "An ID that occurs twice, at its last position.", task);
    let task = cases.inclusion(twice.root(), (ids[0], 0), &proof);
    cases.lie(("repeated-id-first", RULE, "The same at its first position."), task);
}

fn shapes(cases: &mut Cases) {
    let ids = ids(9);
    let tree = Tree::new(&ids);
    let honest = tree.prove(&ids[3]).unwrap().encode();
    let task = cases.inclusion_bytes(tree.root(), (ids[3], 3), &honest);
    cases.honest("shape", "The only shape of a proof.", task);
    let mut lie = |name, rule, what, change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut parts = items(&honest);
        change(&mut parts);
        let task = cases.inclusion_bytes(tree.root(), (ids[3], 3), &list(&parts));
        cases.lie((name, rule, what), task);
    };
    let with = |encoded: &[u8], more: Vec<u8>| list(&[items(encoded), vec![more]].concat());
    lie("sibling-more", "Depth", "A sibling more than the way is deep.", &|parts| {
        parts[2] = with(&parts[2], bytes(&[7; 32]));
    });
    lie("sibling-missing", "NodeTypes", "A sibling is missing.", &|parts| {
        parts[2] = list(&items(&parts[2])[1..]);
    });
    lie("sibling-of-31-bytes", "Encoding", "A sibling of 31 bytes.", &|parts| {
        let mut siblings = items(&parts[2]);
        siblings[0] = bytes(&[7; 31]);
        parts[2] = list(&siblings);
    });
    lie("length-unused", "NodeTypes", "A short node that is not among the nodes.", &|parts| {
        parts[1] = with(&parts[1], uint(1));
    });
    lie("short-node-of-no-bits", "ShortNode", "A short node of no bits.", &|parts| {
        parts[1] = list(&[uint(0)]);
    });
    lie("short-node-of-257-bits", "ShortNode", "A short node longer than a key.", &|parts| {
        parts[1] = list(&[uint(257)]);
    });
    lie("too-deep", "Depth", "A way of 257 bits.", &|parts| {
        let len = items(&parts[1]);
        let len = weir_protocol::codec::rlp::Decoder::new(&len[0]).uint().unwrap();
        parts[1] = list(&[uint(len + 1)]);
    });
    lie("too-shallow", "Depth", "A way of 255 bits.", &|parts| {
        let len = items(&parts[1]);
        let len = weir_protocol::codec::rlp::Decoder::new(&len[0]).uint().unwrap();
        parts[1] = list(&[uint(len - 1)]);
    });
    lie("no-way", "Depth", "A leaf in place of the root.", &|parts| {
        *parts = vec![bytes(&[]), list(&[]), list(&[])];
    });
    lie("types-padded", "NodeTypes", "A byte behind the node types.", &|parts| {
        parts[0] = bytes(&[&raw(&parts[0])[..], &[0]].concat());
    });
    lie("types-with-a-stray-bit", "NodeTypes", "A bit behind the node types.", &|parts| {
        let mut types = raw(&parts[0]);
        *types.last_mut().unwrap() |= 1;
        parts[0] = bytes(&types);
    });
    let two = |parts: &mut Vec<Vec<u8>>| {
        *parts = vec![bytes(&[0xc0]), list(&[uint(128), uint(128)]), list(&[])];
    };
    lie("short-below-short", "ShortNode", "Two short nodes in place of one.", &two);
    let long = vec![0x80; 10 * 1024 + 1];
    let task = cases.inclusion_bytes(tree.root(), (ids[3], 3), &long);
    cases.lie(("too-long", "TooLong", "More bytes than any proof has."), task);
    let tail = [&honest[..], &[0x80]].concat();
    let task = cases.inclusion_bytes(tree.root(), (ids[3], 3), &tail);
    cases.lie(("byte-after-the-end", "Encoding", "A byte follows."), task);
}

fn absence(cases: &mut Cases) {
    const RULE: &str = "WrongRoot";
    let ids = ids(9);
    let tree = Tree::new(&ids);
    let strangers: Vec<_> = (0..40u8).map(|number| sha3_256(&[b"stranger", &[number]])).collect();
    let stranger = strangers[0];
    let proof = tree.prove_absence(&stranger).unwrap();
    let task = cases.absence(tree.root(), stranger, &proof);
    cases.honest("absence", "An ID that is not among nine.", task);
    // A gap elsewhere: its edges are not those around the ID.
    let elsewhere = strangers.iter().find(|id| tree.prove_absence(id).unwrap() != proof).unwrap();
    let other = tree.prove_absence(elsewhere).unwrap();
    let mut lie = |lie: Lie<'_>, root, id, proof| {
        let task = cases.absence(root, id, proof);
        cases.lie(lie, task);
    };
    let what = "The gap around another ID.";
    lie(("another-gap", RULE, what), tree.root(), stranger, &other);
    let fewer = Tree::new(&ids[1..]);
    let gone = fewer.prove_absence(&ids[0]).unwrap();
    let what = "An ID of the list, absent from a list without it.";
    lie(("absent-from-another-list", RULE, what), tree.root(), ids[0], &gone);
    lie(("root-of-another-list", RULE, "Another list's root."), fewer.root(), stranger, &proof);
    let empty = Tree::new(&[]).prove_absence(&stranger).unwrap();
    let what = "The proof that an empty list has nothing.";
    lie(("empty-list-for-nine", RULE, what), tree.root(), stranger, &empty);
    let empty_root = Tree::new(&[]).root();
    let task = cases.absence(empty_root, stranger, &empty);
    cases.honest("absence-from-nothing", "An empty list has nothing.", task);
    let task = cases.absence(empty_root, stranger, &proof);
    cases.lie(("gap-for-an-empty-list", RULE, "A gap in a list that is empty."), task);
}

fn absence_shapes(cases: &mut Cases) {
    let ids = ids(1);
    let tree = Tree::new(&ids);
    let mut near = ids[0];
    near.0[31] ^= 1;
    let honest = tree.prove_absence(&near).unwrap().encode();
    let task = cases.absence_bytes(tree.root(), near, &honest);
    cases.honest("absence-by-the-last-bit", "An ID that differs in its last bit.", task);
    let task = cases.absence_bytes(tree.root(), ids[0], &honest);
    let what = "The path shown is that of the ID itself.";
    cases.lie(("path-of-the-id", "Follows", what), task);
    let mut lie = |name, rule, what, change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut parts = items(&honest);
        change(&mut parts);
        let task = cases.absence_bytes(tree.root(), near, &list(&parts));
        cases.lie((name, rule, what), task);
    };
    lie("path-of-no-bits", "ShortNode", "A path of no bits.", &|parts| {
        (parts[3], parts[4]) = (uint(0), bytes(&[]));
    });
    lie("path-too-long", "ShortNode", "A path of 257 bits.", &|parts| parts[3] = uint(257));
    lie("path-in-fewer-bytes", "ShortNode", "A path with a byte less.", &|parts| {
        parts[4] = bytes(&raw(&parts[4])[..31]);
    });
    lie("path-with-stray-bits", "ShortNode", "Bits behind the path.", &|parts| {
        let mut path = raw(&parts[4]);
        path[31] |= 1;
        (parts[3], parts[4]) = (uint(255), bytes(&path));
    });
    lie("path-cut", "WrongRoot", "A path of 255 bits, cut to fit.", &|parts| {
        let mut path = raw(&parts[4]);
        path[0] ^= 0x80;
        path[31] &= 0xfe;
        (parts[3], parts[4]) = (uint(255), bytes(&path));
    });
    lie("child-of-31-bytes", "Encoding", "A child of 31 bytes.", &|parts| {
        parts[5] = bytes(&[7; 31]);
    });
    lie("path-below-a-short-node", "ShortNode", "A path below a short node.", &|parts| {
        (parts[0], parts[1]) = (bytes(&[0x80]), list(&[uint(1)]));
    });
    lie("way-and-path-too-deep", "Depth", "A way and a path of 257 bits.", &|parts| {
        (parts[0], parts[2]) = (bytes(&[0]), list(&[bytes(&[7; 32])]));
    });
}
