//! Hashes of the tree's nodes.

use super::bits::Path;
use crate::model::Identifier;
use blake2b_simd::{Params, State};

/// Root of the tree without leaves: BLAKE2b-256 of nothing, unkeyed.
pub const EMPTY_ROOT: Identifier = Identifier([
    0x0e, 0x57, 0x51, 0xc0, 0x26, 0xe5, 0x43, 0xb2, 0xe8, 0xab, 0x2e, 0xb0, 0x60, 0x99, 0xda, 0xa1,
    0xd1, 0xe5, 0xdf, 0x47, 0x77, 0x8f, 0x77, 0x87, 0xfa, 0xab, 0x45, 0xcd, 0xf1, 0x2f, 0xe3, 0xa8,
]);

/// Hash of a node.
pub(crate) type NodeHash = [u8; 32];

/// Hash of a leaf, which covers its value only; the key is the way down to it.
pub(crate) fn leaf(value: &[u8]) -> NodeHash {
    finish(keyed(LEAF_KEY).update(value))
}

/// Hash of a node with two children.
pub(crate) fn full(left: &NodeHash, right: &NodeHash) -> NodeHash {
    finish(keyed(FULL_KEY).update(left).update(right))
}

/// Hash of a node with one child, reached over `path`.
pub(crate) fn short(path: &Path, child: &NodeHash) -> NodeHash {
    let mut state = keyed(SHORT_KEY);
    finish(state.update(&path.len().to_be_bytes()).update(path.as_bytes()).update(child))
}

/// Hash of parts, one after the other, under a key of its own.
///
/// Nodes have the keys 0 to 2; whoever hashes roots together takes others.
pub(crate) fn parts(key: u8, parts: &[&[u8]]) -> NodeHash {
    let mut state = keyed(key);
    for part in parts {
        state.update(part);
    }
    finish(&state)
}

fn keyed(key: u8) -> State {
    Params::new().hash_length(HASH_LEN).key(&[key]).to_state()
}

fn finish(state: &State) -> NodeHash {
    let mut hash = [0; HASH_LEN];
    hash.copy_from_slice(state.finalize().as_bytes());
    hash
}

const HASH_LEN: usize = 32;
pub(crate) const LEAF_KEY: u8 = 0;
const FULL_KEY: u8 = 1;
const SHORT_KEY: u8 = 2;
