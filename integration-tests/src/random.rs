//! Choices that are the same in every run.

/// Marsaglia's xorshift generator: good enough to pick bytes and moments, and nothing more.
#[derive(Clone, Debug)]
pub struct Xorshift(u64);

impl Xorshift {
    /// Begins with a seed, which a failing test prints.
    ///
    /// # Panics
    /// When the seed is 0, from which nothing else would come.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        assert_ne!(seed, 0, "a seed of zeros gives zeros only");
        Self(seed)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// An index into something of this length.
    ///
    /// # Panics
    /// When the length is 0.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("less than the length")
    }
}
