//! Which verification nodes are to verify which chunk of a result.
//!
//! flow-go `module/chunks/chunk_assigner.go`. Everybody computes the assignment from the beacon
//! signature that certifies the block which includes the result, so nobody knows it before.

use crate::model::Identifier;
use crate::prg::{Customizer, Prg};
use alloc::vec::Vec;

/// Returns `alpha` different verification nodes for each of a result's chunks.
///
/// `verifiers` are the active verification nodes with weight, in canonical order, as of the block
/// that was executed. `source` is the random beacon's signature in the certificate of the block
/// that includes the result, see [`beacon_signature`](crate::hotstuff::beacon_signature). None
/// when there are fewer verification nodes than `alpha`: flow-go then assigns nothing.
#[must_use]
pub fn assign_chunks(
    verifiers: &[Identifier],
    chunks: usize,
    source: &[u8],
    alpha: usize,
) -> Option<Vec<Vec<Identifier>>> {
    if verifiers.len() < alpha {
        return None;
    }
    let mut prg = Prg::new(source, Customizer::VerificationChunkAssignment);
    let mut nodes = verifiers.to_vec();
    prg.shuffle(&mut nodes);
    // Nodes are dealt out from here on; when they run out, all are shuffled anew.
    let mut next = 0;
    let mut assignment = Vec::with_capacity(chunks);
    for _ in 0..chunks {
        let mut assigned: Vec<Identifier> = nodes[next..].iter().take(alpha).copied().collect();
        next += assigned.len();
        let missing = alpha - assigned.len();
        if missing > 0 {
            // Those assigned already come last, and are not drawn a second time.
            let others = nodes.len() - assigned.len();
            prg.sample(&mut nodes[..others], missing);
            assigned.extend_from_slice(&nodes[..missing]);
            prg.shuffle(&mut nodes[missing..]);
            next = missing;
        }
        assignment.push(assigned);
    }
    Some(assignment)
}

/// Verification nodes of a chunk, unless a network's operators choose otherwise (flow-go
/// `model/flow/constants.go`, `DefaultChunkAssignmentAlpha`).
pub const DEFAULT_CHUNK_ASSIGNMENT_ALPHA: usize = 3;
