//! The format read a second time: roots by plain recursion over strings of bits, and a proof by hand.

use crate::network::{Member, ask, members, tree};
use blake2b_simd::Params;
use weir_protocol::codec::rlp::Encoder;
use weir_protocol::codec::sha3_256;
use weir_protocol::model::{Identifier, Role};
use weir_protocol::snapshot_tree::{Field, NodeIdentity, SnapshotTree, TreeItem};

type Hash = Vec<u8>;

fn blake(key: u8, parts: &[&[u8]]) -> Hash {
    let mut params = Params::new();
    params.hash_length(32).key(&[key]);
    params.hash(&parts.concat()).as_bytes().to_vec()
}

/// Bits of a key, most significant first.
fn bits(key: &[u8]) -> Vec<bool> {
    key.iter().flat_map(|byte| (0..8).map(move |bit| byte & (0x80 >> bit) != 0)).collect()
}

/// Hash over the leaves whose keys are left, as strings of bits.
fn patricia(leaves: &[(Vec<bool>, Hash)]) -> Hash {
    let Some((first, leaf)) = leaves.first() else {
        return Params::new().hash_length(32).hash(b"").as_bytes().to_vec();
    };
    let common = (0..first.len())
        .take_while(|at| leaves.iter().all(|(key, _)| key[*at] == first[*at]))
        .count();
    let inner = if common == first.len() {
        leaf.clone()
    } else {
        let half = |side: bool| {
            let below = leaves.iter().filter(|(key, _)| key[common] == side);
            patricia(
                &below
                    .map(|(key, leaf)| (key[common + 1..].to_vec(), leaf.clone()))
                    .collect::<Vec<_>>(),
            )
        };
        blake(1, &[&half(false), &half(true)])
    };
    if common == 0 {
        return inner;
    }
    let mut path = vec![0u8; common.div_ceil(8)];
    for (at, bit) in first[..common].iter().enumerate() {
        path[at / 8] |= u8::from(*bit) << (7 - at % 8);
    }
    blake(2, &[&u16::try_from(common).unwrap().to_be_bytes(), &path, &inner])
}

fn identity_rlp(node: &NodeIdentity) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.list(|e| {
        e.bytes(&node.skeleton.node_id.0);
        e.bytes(node.skeleton.address.as_bytes());
        e.uint(node.skeleton.role.number().into());
        e.uint(node.skeleton.initial_weight);
        e.bytes(node.skeleton.staking_key.as_ref().map_or(&[], |key| &key[..]));
        e.bytes(node.skeleton.network_key.as_ref().map_or(&[], |key| &key[..]));
        e.uint(node.status.number().into());
    });
    encoder.finish()
}

/// Roots by ID and by role, and the hash of what is beside the tree by ID.
fn roots(tree: &SnapshotTree) -> (Hash, Hash, Hash) {
    let leaf = |tree: u8, node: &NodeIdentity| blake(0, &[&[tree], &identity_rlp(node)]);
    let nodes = tree.identities();
    let by_id: Vec<_> =
        nodes.iter().map(|node| (bits(&node.skeleton.node_id.0), leaf(1, node))).collect();
    let role_key = |node: &NodeIdentity| {
        [&[node.skeleton.role.number()][..], &node.skeleton.node_id.0].concat()
    };
    let by_role: Vec<_> = nodes.iter().map(|node| (bits(&role_key(node)), leaf(2, node))).collect();
    let mut encoder = Encoder::new();
    encoder.uint(7);
    // Of the fields only one is looked at here; `fields_root` takes the others' hashes from proofs.
    let counter = blake(0, &[&[3], &encoder.finish()]);
    let fields = fields_root(tree, &counter);
    let mut rest = Vec::new();
    for role in Role::ALL {
        let count = nodes.iter().filter(|node| node.skeleton.role == role).count();
        rest.extend(u64::try_from(count).unwrap().to_be_bytes());
    }
    let by_role = patricia(&by_role);
    let rest = blake(17, &[&rest, &by_role, &fields]);
    (patricia(&by_id), by_role, rest)
}

/// Climbs from the leaf of the epoch counter to the root of the fields, tag by tag.
fn fields_root(tree: &SnapshotTree, leaf: &[u8]) -> Hash {
    let proof = tree.prove(&ask([TreeItem::Field(Field::EpochCounter)]));
    // Version, root by ID, five counts below 128, root by role unless it follows from the counts.
    let by_role = if tree.identities().is_empty() { 0 } else { 32 };
    let mut rest = &proof[1 + 32 + 5 + by_role..];
    let key = bits(&sha3_256(&[b"current_epoch.counter"]).0);
    climb(&mut rest, &key, leaf)
}

fn climb(rest: &mut &[u8], key: &[bool], leaf: &[u8]) -> Hash {
    let (tag, after) = rest.split_first().unwrap();
    *rest = after;
    let len = if *tag == 0x7f { key.len() } else { usize::from(*tag) };
    assert!(*tag < 0x7e || *tag == 0x7f, "a follower's path is short, or the rest");
    let (path, below) = key.split_at(len);
    let inner = match below.split_first() {
        None => {
            *rest = &rest[1..];
            leaf.to_vec()
        }
        Some((true, below)) => {
            let (left, after) = rest.split_at(32);
            *rest = after;
            blake(1, &[left, &climb(rest, below, leaf)])
        }
        Some((false, below)) => {
            let left = climb(rest, below, leaf);
            let (right, after) = rest.split_at(32);
            *rest = after;
            blake(1, &[&left, right])
        }
    };
    if path.is_empty() {
        return inner;
    }
    let mut bytes = vec![0u8; len.div_ceil(8)];
    path.iter().enumerate().for_each(|(at, bit)| bytes[at / 8] |= u8::from(*bit) << (7 - at % 8));
    blake(2, &[&u16::try_from(len).unwrap().to_be_bytes(), &bytes, &inner])
}

#[bounded::test]
fn roots_are_those_of_the_documented_rules() {
    for count in [0, 1, 2, 3, 5, 8, 100] {
        let tree = tree(&members(count));
        let (by_id, _, rest) = roots(&tree);
        let root = blake(16, &[b"flow-snapshot-tree", &[1], &by_id, &rest]);
        assert_eq!(tree.root().0.to_vec(), root, "{count} nodes");
    }
}

#[bounded::test]
fn roles_in_any_mixture_hash_by_the_documented_rules() {
    for mask in 0..32u8 {
        let members: Vec<Member> = members(25)
            .into_iter()
            .filter(|member| mask & (1 << (member.role.number() - 1)) != 0)
            .collect();
        let tree = tree(&members);
        let (_, by_role, _) = roots(&tree);
        let proof = tree.prove(&ask([TreeItem::Field(Field::Version)]));
        // A tree of no roles needs no bytes.
        let found = if mask == 0 { by_role.clone() } else { proof[38..70].to_vec() };
        assert_eq!(found, by_role, "roles {mask:05b}");
    }
}

#[bounded::test]
fn the_format_has_not_changed() {
    let check = |count, expected: &str| {
        let tree = tree(&members(count));
        let question = ask([
            TreeItem::Node(Identifier([0; 32])),
            TreeItem::Role(Role::Execution),
            TreeItem::Field(Field::EpochPhase),
        ]);
        let digest = sha3_256(&[&tree.root().0, &tree.prove(&question)]);
        assert_eq!(digest.to_hex(), expected, "{count} nodes");
    };
    check(0, "409350db9dc686e7debb828f117770c0714fcb43841549cdbbd7c42d3d3ad4b0");
    check(10, "d6deb957cc41afc1ddb49e959b5783b389e216f0612053b22c53621f49af1447");
    check(500, "57193e5a74317f27c607fe25fdcb8796a986edf74544afe9d9712bae0dac46de");
}
