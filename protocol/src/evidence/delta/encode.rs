//! Finding what two preimages have in common.

use super::{Delta, Piece};
use crate::model::Identifier;
use alloc::vec;
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

/// The blocks of a base, by a hash of their content.
struct BlockIndex<'a> {
    base: &'a [u8],
    /// For each hash, the first block that has it.
    first: Vec<Option<usize>>,
    /// For each block, the next one with the same hash.
    next: Vec<Option<usize>>,
}

impl<'a> BlockIndex<'a> {
    fn new(base: &'a [u8]) -> Self {
        let count = base.len() / BLOCK_LEN;
        let first = vec![None; (2 * count).next_power_of_two()];
        let mut index = Self { base, first, next: vec![None; count] };
        // From the end, so that what is found ascends.
        for number in (0..count).rev() {
            let bucket = index.bucket(index.block(number));
            index.next[number] = index.first[bucket].replace(number);
        }
        index
    }

    /// The longest run of the base that the target has at `at`.
    fn longest(&self, target: &[u8], at: usize, parallel: usize) -> Option<Match> {
        let here = &target[at..];
        let straight = self.base.get(parallel..).map_or(0, |base| common_prefix(base, here));
        let mut best = Match { offset: parallel, len: straight };
        if let Some(block) = here.get(..BLOCK_LEN) {
            for number in self.same(block) {
                let offset = number * BLOCK_LEN;
                let len = common_prefix(&self.base[offset..], here);
                if len > best.len {
                    best = Match { offset, len };
                }
            }
        }
        (best.len >= COPY_LEN_MIN).then_some(best)
    }

    /// Blocks with this content.
    fn same<'b>(&'b self, block: &'b [u8]) -> impl Iterator<Item = usize> + 'b {
        let first = self.first[self.bucket(block)];
        let bucket = core::iter::successors(first, |number| self.next[*number]).take(BUCKET_MAX);
        bucket.filter(move |number| self.block(*number) == block).take(CANDIDATES_MAX)
    }

    fn block(&self, number: usize) -> &[u8] {
        &self.base[number * BLOCK_LEN..][..BLOCK_LEN]
    }

    fn bucket(&self, block: &[u8]) -> usize {
        let half = |bytes: Option<&[u8; 8]>| u64::from_le_bytes(*bytes.unwrap_or(&[0; 8]));
        let (low, high) = (half(block.first_chunk()), half(block.last_chunk()));
        // Spreads the bits into the upper half, by the golden ratio (Knuth, volume 3, 6.4).
        let hash = (low ^ high.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (hash >> 32) as usize & (self.first.len() - 1)
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
/// Blocks of equal hash looked at for them.
const BUCKET_MAX: usize = 64;
