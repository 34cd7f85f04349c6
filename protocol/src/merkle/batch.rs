//! Proofs about several keys of one tree at once, which share what they have in common.
//!
//! A proof is the part of the tree that the keys reach, from the root down, the left child before
//! the right one. A subtree that no key reaches is its hash, 32 bytes. Any other node is a tag, a
//! path where the tag says so, and what is below:
//!
//! - Seven bits of the tag count the bits of the short node: 0 to 125 as they are; 126 and a byte to
//!   add; 127 for all bits that are left, and no other number for those.
//! - The high bit is clear when every key that reaches the node follows its path. The path is then
//!   the keys' own and is left out. It is set when a key leaves the tree here, and the path follows
//!   the tag, left-aligned and padded with zero bits.
//! - Below is the 32-byte hash when no key goes on, the value when the bits are used up, and
//!   otherwise the two children.
//!
//! `0x80`, which would be a path of no bits that is not followed, is the tree without leaves.
//!
//! The keys decide where a hash, a value or a node comes next, so a proof has nothing to choose but
//! the lengths of paths, and those are hashed: a tree and a set of keys have one proof.

use super::bits::{Path, bit, byte_count};
use super::hash::{self, EMPTY_ROOT, NodeHash};
use super::tree::{Node, Nodes, over_path};
use crate::codec::rlp::{Decoder, RlpError};
use alloc::vec::Vec;

/// Reads a proof's bytes from front to back.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes left.
    pub(crate) fn len(&self) -> usize {
        self.rest.len()
    }

    /// RLP items left, before the first that is malformed and with it; headers are read only.
    pub(crate) fn items(&self) -> usize {
        Decoder::new(self.rest).count()
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], BatchError> {
        let (expected, found) = (count, self.rest.len());
        let (taken, rest) =
            self.rest.split_at_checked(count).ok_or(BatchError::Ends { expected, found })?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, BatchError> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn hash(&mut self) -> Result<NodeHash, BatchError> {
        let mut hash = [0; 32];
        hash.copy_from_slice(self.take(32)?);
        Ok(hash)
    }

    /// The next RLP item, undecoded.
    pub(crate) fn item(&mut self) -> Result<&'a [u8], BatchError> {
        let item = Decoder::new(self.rest).raw()?;
        self.take(item.len())
    }

    /// Nothing is left.
    pub(crate) fn finish(self) -> Result<(), BatchError> {
        match self.rest.len() {
            0 => Ok(()),
            found => Err(BatchError::TrailingBytes { found }),
        }
    }
}

/// Writes the proof about `wanted` keys, ascending, each once.
///
/// `value` writes the value of a key that is in the tree.
pub(crate) fn prove<const N: usize>(
    nodes: &Nodes,
    wanted: &[[u8; N]],
    out: &mut Vec<u8>,
    value: &mut dyn FnMut(&[u8; N], &mut Vec<u8>),
) {
    match nodes.root() {
        None if wanted.is_empty() => out.extend_from_slice(&EMPTY_ROOT.0),
        None => out.push(TAG_EMPTY),
        Some(root) => prove_node(nodes, root, 0, wanted, out, value),
    }
}

fn prove_node<const N: usize>(
    nodes: &Nodes,
    node: &Node,
    depth: u16,
    wanted: &[[u8; N]],
    out: &mut Vec<u8>,
    value: &mut dyn FnMut(&[u8; N], &mut Vec<u8>),
) {
    if wanted.is_empty() {
        out.extend_from_slice(&node.hash);
        return;
    }
    let followers = followers(wanted, depth, &node.path);
    let strays = followers.len() < wanted.len();
    let children = nodes.children(node);
    push_tag(out, strays, node.path.len(), children.is_none());
    if strays {
        out.extend_from_slice(node.path.as_bytes());
    }
    let below = depth + node.path.len();
    match (followers, children) {
        ([], _) => out.extend_from_slice(&node.inner_hash),
        ([key, ..], None) => value(key, out),
        (_, Some((left, right))) => {
            let (lefts, rights) = split(followers, below);
            prove_node(nodes, left, below + 1, lefts, out, value);
            prove_node(nodes, right, below + 1, rights, out, value);
        }
    }
}

/// Reads the value of a key that is in the tree, and returns the leaf's hash.
pub(crate) type TakeLeaf<'f, 'a, const N: usize> =
    dyn FnMut(&[u8; N], &mut Cursor<'a>) -> Result<NodeHash, BatchError> + 'f;

/// Reads the proof about `wanted` keys, ascending, each once, and returns the root it leads to.
///
/// The keys that `leaf` is not called for are not in the tree.
pub(crate) fn open<'a, const N: usize>(
    cursor: &mut Cursor<'a>,
    wanted: &[[u8; N]],
    leaf: &mut TakeLeaf<'_, 'a, N>,
) -> Result<NodeHash, BatchError> {
    if !wanted.is_empty() && cursor.rest.first() == Some(&TAG_EMPTY) {
        cursor.byte()?;
        return Ok(EMPTY_ROOT.0);
    }
    open_node(cursor, 0, wanted, leaf)
}

fn open_node<'a, const N: usize>(
    cursor: &mut Cursor<'a>,
    depth: u16,
    wanted: &[[u8; N]],
    leaf: &mut TakeLeaf<'_, 'a, N>,
) -> Result<NodeHash, BatchError> {
    let [first, ..] = wanted else {
        return cursor.hash();
    };
    let left_bits = key_bits::<N>() - depth;
    let Tag { strays, len } = take_tag(cursor, left_bits)?;
    let path = if strays {
        let bytes = cursor.take(byte_count(len))?;
        Path::from_bytes(bytes, len).ok_or(BatchError::Padding { len })?
    } else {
        Path::of_key(first, depth, len)
    };
    let followers = followers(wanted, depth, &path);
    if strays == (followers.len() == wanted.len()) {
        return Err(BatchError::Path { keys: wanted.len(), followers: followers.len() });
    }
    let below = depth + len;
    let inner = match followers {
        [] => cursor.hash()?,
        // Keys are unique, so one is left at the end of all bits.
        [key, ..] if len == left_bits => leaf(key, cursor)?,
        _ => {
            let (lefts, rights) = split(followers, below);
            let left = open_node(cursor, below + 1, lefts, leaf)?;
            hash::full(&left, &open_node(cursor, below + 1, rights, leaf)?)
        }
    };
    Ok(over_path(&path, inner))
}

/// The keys that go on along `path`; they agree in the bits before `depth`, so they are neighbours.
fn followers<'k, const N: usize>(wanted: &'k [[u8; N]], depth: u16, path: &Path) -> &'k [[u8; N]] {
    let stretch = |key: &[u8; N]| Path::of_key(key, depth, path.len());
    let from = wanted.partition_point(|key| stretch(key).as_bytes() < path.as_bytes());
    let len = wanted[from..].partition_point(|key| stretch(key) == *path);
    &wanted[from..from + len]
}

/// The keys whose bit at `depth` is clear, and those whose bit is set.
fn split<const N: usize>(keys: &[[u8; N]], depth: u16) -> (&[[u8; N]], &[[u8; N]]) {
    keys.split_at(keys.partition_point(|key| !bit(key, depth)))
}

/// What a tag says.
struct Tag {
    /// Whether a key leaves the tree here.
    strays: bool,
    /// Bits of the short node.
    len: u16,
}

fn push_tag(out: &mut Vec<u8>, strays: bool, len: u16, to_the_end: bool) {
    let high = if strays { TAG_STRAYS } else { 0 };
    match u8::try_from(len) {
        _ if to_the_end => out.push(high | LEN_TO_THE_END),
        Ok(short) if short < LEN_LONG => out.push(high | short),
        _ => {
            let more = len - u16::from(LEN_LONG);
            out.extend([high | LEN_LONG, u8::try_from(more).expect("paths have at most 264 bits")]);
        }
    }
}

/// Reads a tag of a node that has `left_bits` of the key below it.
fn take_tag(cursor: &mut Cursor<'_>, left_bits: u16) -> Result<Tag, BatchError> {
    let tag = cursor.byte()?;
    let strays = tag & TAG_STRAYS != 0;
    let len = match tag & !TAG_STRAYS {
        LEN_TO_THE_END => left_bits,
        number => {
            let more = if number == LEN_LONG { cursor.byte()? } else { 0 };
            let len = u16::from(number) + u16::from(more);
            if len >= left_bits {
                return Err(BatchError::PathLength { max: left_bits, found: len });
            }
            len
        }
    };
    Ok(Tag { strays, len })
}

fn key_bits<const N: usize>() -> u16 {
    u16::try_from(8 * N).expect("keys have at most 33 bytes")
}

/// Why bytes are no proof about the keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The proof ends too early.
    #[error("the proof ends: expected {expected} more bytes, found {found}")]
    Ends {
        /// Bytes that come next.
        expected: usize,
        /// Bytes left.
        found: usize,
    },
    /// Bytes that nothing needs.
    #[error("{found} bytes follow the proof")]
    TrailingBytes {
        /// Bytes left.
        found: usize,
    },
    /// A short node that reaches the end of the key, or beyond, and does not say so.
    #[error("expected a path of fewer than {max} bits, found {found}")]
    PathLength {
        /// Bits of the key left.
        max: u16,
        /// Bits found.
        found: u16,
    },
    /// A path that is not padded with zero bits.
    #[error("a path of {len} bits is not padded with zeros")]
    Padding {
        /// Its bits.
        len: u16,
    },
    /// A path is shown that all keys follow, or left out where some do not.
    #[error("{followers} of {keys} keys follow the path, which the proof says otherwise")]
    Path {
        /// Keys that reach the node.
        keys: usize,
        /// Keys that go on.
        followers: usize,
    },
    /// A value is malformed.
    #[error("malformed value: {0}")]
    Value(#[from] RlpError),
}

const TAG_STRAYS: u8 = 0x80;
const TAG_EMPTY: u8 = TAG_STRAYS;
const LEN_LONG: u8 = 0x7e;
const LEN_TO_THE_END: u8 = 0x7f;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::tree::Entry;

    /// Leaves under keys of two bytes whose values are the keys themselves.
    fn nodes(keys: &[[u8; 2]]) -> Nodes {
        let entry = |key: &[u8; 2]| Entry { key: *key, leaf: hash::leaf(key) };
        Nodes::build(&keys.iter().map(entry).collect::<Vec<_>>())
    }

    fn proof(keys: &[[u8; 2]], wanted: &[[u8; 2]]) -> Vec<u8> {
        let mut out = Vec::new();
        prove(&nodes(keys), wanted, &mut out, &mut |key, out| out.extend(key));
        out
    }

    /// The root a proof leads to, and the keys it shows to be there.
    fn opened(wanted: &[[u8; 2]], proof: &[u8]) -> Result<(NodeHash, Vec<[u8; 2]>), BatchError> {
        let (mut cursor, mut present) = (Cursor::new(proof), Vec::new());
        let root = open(&mut cursor, wanted, &mut |key, cursor| {
            present.push(*key);
            Ok(hash::leaf(cursor.take(2)?))
        })?;
        cursor.finish()?;
        Ok((root, present))
    }

    #[bounded::test]
    fn every_set_of_keys_has_a_proof_without_its_own_hashes() {
        let keys = [[0x12, 0x34], [0x12, 0x35], [0x80, 0x00], [0xff, 0xff]];
        let root = nodes(&keys).root_hash();
        let check = |wanted: &[[u8; 2]], present: &[[u8; 2]], len: usize| {
            let proof = proof(&keys, wanted);
            assert_eq!(proof.len(), len, "{proof:x?}");
            assert_eq!(opened(wanted, &proof), Ok((root, present.to_vec())));
        };
        // Four tags of full nodes or short ones, three leaves' tags: no hash is left.
        check(&keys, &keys, 3 + 4 + 4 * 2);
        check(&[], &[], 32);
        check(&keys[..1], &keys[..1], 3 + 2 + 2 * 32);
        // Leaves the tree at the short node before the first two keys: two bytes of path.
        check(&[[0x13, 0x00]], &[], 2 + 2 + 2 * 32);
        check(&[[0x12, 0x34], [0x13, 0x00]], &keys[..1], 2 + 2 + 1 + 2 + 2 * 32);
    }

    #[bounded::test]
    fn long_paths_have_one_tag() {
        // 263 bits in common are 126 and 137.
        let mut keys = [[0u8; 33]; 2];
        keys[1][32] = 1;
        let entry = |key: &[u8; 33]| Entry { key: *key, leaf: hash::leaf(&[]) };
        let nodes = Nodes::build(&keys.map(|key| entry(&key)));
        let mut out = Vec::new();
        prove(&nodes, &keys, &mut out, &mut |_, _| ());
        assert_eq!(out, [0x7e, 137, 0x7f, 0x7f]);
        let root = open(&mut Cursor::new(&out), &keys, &mut |_, _| Ok(hash::leaf(&[])));
        assert_eq!(root, Ok(nodes.root_hash()));
    }

    #[bounded::test]
    fn the_tree_without_leaves_has_one_form() {
        assert_eq!(proof(&[], &[[1, 2]]), [0x80]);
        assert_eq!(opened(&[[1, 2]], &[0x80]), Ok((EMPTY_ROOT.0, Vec::new())));
        assert_eq!(proof(&[], &[]), EMPTY_ROOT.0);
        let found = opened(&[[1, 2]], &[0x80, 0]);
        assert_eq!(found, Err(BatchError::TrailingBytes { found: 1 }));
        // Further down a path of no bits is always followed.
        let below = opened(&[[1, 2]], &[0x00, 0x80]);
        assert_eq!(below, Err(BatchError::Path { keys: 1, followers: 1 }));
    }
}
