//! The payload Merkle tree: a binary Patricia tree over 256-bit keys.
//!
//! A block's payload hash is made of one such tree per payload list. The key is the ID of the
//! entity, the value its position in the list as 8 bytes, big-endian. Nodes are hashed with
//! BLAKE2b-256 under a one-byte key that names the kind of node, so no node passes for another
//! kind (flow-go `module/merkle`).
//!
//! The snapshot tree ([`crate::snapshot_tree`]) is made of trees of the same kind, with other keys and
//! values; `batch` has the proofs about several of their keys at once.
//!
//! Nothing here trusts a proof: [`Proof`] and [`AbsenceProof`] mean nothing until
//! [`verify`] or [`verify_absence`] accepted them under a root that is itself trusted.

pub(crate) mod batch;
pub(crate) mod bits;
mod encoding;
pub(crate) mod hash;
mod proof;
pub(crate) mod tree;

pub use batch::BatchError;
pub use encoding::PROOF_LEN_MAX;
pub use hash::EMPTY_ROOT;
pub use proof::{AbsenceProof, Proof, ProofError, verify, verify_absence};
pub use tree::Tree;

use crate::model::Identifier;
use alloc::collections::BTreeSet;
use tree::list_entries;

/// The Merkle root over a payload list, given as its entities' IDs in order.
///
/// An ID that occurs more than once counts at its last position only, as flow-go's tree replaces
/// the value of a key it has. The root of such a list does not pin the list; see
/// [`root_of_complete_list`].
#[must_use]
pub fn root(ids: &[Identifier]) -> Identifier {
    Identifier(tree::root_hash(&list_entries(ids)))
}

/// The Merkle root over a list without repeated IDs, which pins the whole list.
///
/// Equal roots then mean equal lists: the tree holds every ID with its position, and the
/// positions fill `0..n`. With a repeated ID a position is missing from the tree, and different
/// lists share the root.
///
/// # Errors
/// When an ID occurs more than once.
pub fn root_of_complete_list(ids: &[Identifier]) -> Result<Identifier, RepeatedId> {
    let entries = list_entries(ids);
    if entries.len() == ids.len() {
        return Ok(Identifier(tree::root_hash(&entries)));
    }
    Err(RepeatedId { id: repeated(ids) })
}

/// An ID that occurs more than once in a list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the list holds {id} more than once")]
pub struct RepeatedId {
    /// The repeated ID; the smallest, if several are.
    pub id: Identifier,
}

fn repeated(ids: &[Identifier]) -> Identifier {
    let mut seen = BTreeSet::new();
    let twice = ids.iter().filter(|id| !seen.insert(**id)).min();
    twice.copied().unwrap_or(Identifier::ZERO)
}

/// Bits in a key, and so the depth of every leaf.
const KEY_BITS: u16 = 256;

/// A key of the tree.
type Key = [u8; 32];

#[cfg(test)]
mod tests {
    use super::*;

    #[bounded::test]
    fn root_of_no_entities_is_the_hash_of_nothing() {
        assert_eq!(root(&[]), EMPTY_ROOT);
        assert_eq!(
            EMPTY_ROOT.to_hex(),
            "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"
        );
        assert_eq!(*blake2b_simd::Params::new().hash_length(32).hash(b"").as_bytes(), EMPTY_ROOT.0);
    }

    #[bounded::test]
    fn lists_with_a_repeated_id_share_a_root() {
        let (a, b) = (Identifier([1; 32]), Identifier([2; 32]));
        assert_eq!(root(&[a, b, a]), root(&[b, b, a]));
        assert_eq!(root_of_complete_list(&[b, b, a]), Err(RepeatedId { id: b }));
        assert_eq!(root_of_complete_list(&[b, a]), Ok(root(&[b, a])));
        assert_ne!(root(&[a, b]), root(&[b, a]));
    }
}
