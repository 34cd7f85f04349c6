//! Deterministic choices: everything random in the network is drawn from here.
//!
//! Streams are named, so that one more draw in one place changes nothing elsewhere. Never reads
//! a clock or the machine's random source.

use weir_protocol::codec::sha3_256;
use weir_protocol::model::Identifier;

/// A stream of pseudo-random numbers (`SplitMix64`), fit for simulation and nothing else.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The stream of this seed and name.
    #[must_use]
    pub fn new(seed: u64, name: &str, parts: &[&[u8]]) -> Self {
        Self::from_identifier(&hash(seed, name, parts))
    }

    /// The stream that an identifier stands for.
    #[must_use]
    pub fn from_identifier(id: &Identifier) -> Self {
        let mut state = [0; 8];
        state.copy_from_slice(&id.0[..8]);
        Self { state: u64::from_be_bytes(state) }
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        // The bias of the remainder is below 2^-40 for the small bounds used here.
        self.number().checked_rem(end).unwrap_or(0)
    }

    /// A number from `first` to `last`, both included.
    pub fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last.saturating_sub(first).saturating_add(1))
    }

    /// A position in a list of `len` elements; 0 when it is empty.
    pub fn position(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// Whether something happens that happens `per_mille` times in a thousand.
    pub fn happens(&mut self, per_mille: u32) -> bool {
        self.below(1000) < u64::from(per_mille)
    }

    /// The next bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.number().to_be_bytes()[..chunk.len()]);
        }
        bytes
    }

    /// The next identifier.
    pub fn identifier(&mut self) -> Identifier {
        Identifier(self.bytes())
    }
}

/// The hash of seed, name and parts; each part is preceded by its length.
#[must_use]
pub fn hash(seed: u64, name: &str, parts: &[&[u8]]) -> Identifier {
    let seed = seed.to_be_bytes();
    let lengths: Vec<[u8; 8]> = [name.as_bytes()]
        .iter()
        .chain(parts)
        .map(|part| (part.len() as u64).to_be_bytes())
        .collect();
    let mut input: Vec<&[u8]> = vec![&seed];
    for (length, part) in lengths.iter().zip([name.as_bytes()].iter().chain(parts)) {
        input.extend([&length[..], part]);
    }
    sha3_256(&input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[bounded::test]
    fn streams_differ_by_seed_name_and_parts() {
        let first = |seed, name, part: &[u8]| Random::new(seed, name, &[part]).number();
        assert_eq!(first(1, "a", b"b"), first(1, "a", b"b"));
        for other in [first(2, "a", b"b"), first(1, "b", b"b"), first(1, "a", b"c")] {
            assert_ne!(first(1, "a", b"b"), other);
        }
        assert_ne!(hash(1, "ab", &[]), hash(1, "a", &[b"b"]));
    }

    #[bounded::test]
    fn stays_within_bounds() {
        let mut random = Random::new(7, "bounds", &[]);
        for _ in 0..1000 {
            assert!(random.below(10) < 10);
            assert!((3..=5).contains(&random.between(3, 5)));
        }
        assert_eq!((random.below(0), random.position(0)), (0, 0));
        assert!(!random.happens(0) && random.happens(1000));
    }
}
