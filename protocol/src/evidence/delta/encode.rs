//! Finding what two preimages have in common.

use super::{Delta, Piece};
use crate::model::Identifier;
use alloc::vec::Vec;

impl Delta {
    /// A delta that expands to `target` from `base`, the preimage with the ID `base_id`.
    ///
    /// Greedy: the longest match for each position, found by blocks of the base. The same input
    /// gives the same delta.
    #[must_use]
    pub fn between(base_id: Identifier, base: &[u8], target: &[u8]) -> Self {
        let index = BlockIndex::new(base);
        let mut pieces = Vec::new();
        let mut literal_from = 0;
        let mut at = 0;
        // Where the base goes on if a change kept the length.
        let mut parallel = 0usize;
        while at < target.len() {
            let Some(found) = index.longest(target, at, parallel) else {
                at += 1;
                parallel = parallel.saturating_add(1);
                continue;
            };
            let back = common_suffix(&base[..found.offset], &target[literal_from..at]);
            pieces.push(Piece::Literal(&target[literal_from..at - back]));
            pieces.push(Piece::Copy {
                offset: (found.offset - back) as u64,
                len: (found.len + back) as u64,
            });
            at += found.len;
            literal_from = at;
            parallel = found.offset + found.len;
        }
        pieces.push(Piece::Literal(&target[literal_from..]));
        Self::new(base_id, &pieces)
    }
}

/// Where bytes of the target are in the base.
struct Match {
    offset: usize,
    len: usize,
}

/// The blocks of a base, sorted by content.
struct BlockIndex<'a> {
    base: &'a [u8],
    /// Start of each block, by content and then by position.
    starts: Vec<usize>,
}

impl<'a> BlockIndex<'a> {
    fn new(base: &'a [u8]) -> Self {
        let mut starts: Vec<usize> = (0..base.len() / BLOCK_LEN).map(|i| i * BLOCK_LEN).collect();
        starts.sort_by_key(|start| (&base[*start..start + BLOCK_LEN], *start));
        Self { base, starts }
    }

    /// The longest run of the base that the target has at `at`.
    fn longest(&self, target: &[u8], at: usize, parallel: usize) -> Option<Match> {
        let here = &target[at..];
        let straight = self.base.get(parallel..).map_or(0, |base| common_prefix(base, here));
        let mut best = Match { offset: parallel, len: straight };
        if let Some(block) = here.get(..BLOCK_LEN) {
            let first = self.starts.partition_point(|start| self.block(*start) < block);
            let same = self.starts[first..].iter().take_while(|start| self.block(**start) == block);
            for offset in same.take(CANDIDATES_MAX) {
                let len = common_prefix(&self.base[*offset..], here);
                if len > best.len {
                    best = Match { offset: *offset, len };
                }
            }
        }
        (best.len >= COPY_LEN_MIN).then_some(best)
    }

    fn block(&self, start: usize) -> &[u8] {
        &self.base[start..start + BLOCK_LEN]
    }
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count()
}

/// Blocks by which matches are found.
const BLOCK_LEN: usize = 16;
/// A shorter copy costs more than the bytes themselves.
const COPY_LEN_MIN: usize = 10;
/// Blocks of equal content tried at one position.
const CANDIDATES_MAX: usize = 8;
