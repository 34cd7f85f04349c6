//! Random numbers that everybody draws alike from a source of randomness of the protocol.
//!
//! flow-go `state/protocol/prg` and its library `crypto/random`: the source, expanded by SHAKE128,
//! is the key of a `ChaCha20` stream, whose nonce tells the uses of one source apart.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _};
use sha3::Shake128;
use sha3::digest::{ExtendableOutput as _, Update as _, XofReader as _};

/// A pseudo-random generator.
pub struct Prg {
    stream: ChaCha20,
}

/// What numbers are drawn for (flow-go `state/protocol/prg/customizers.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Customizer {
    /// The leaders of an epoch's views.
    ConsensusLeaderSelection,
    /// The verification nodes of a result's chunks.
    VerificationChunkAssignment,
}

impl Prg {
    /// Starts the numbers that a source of any length stands for.
    #[must_use]
    pub fn new(source: &[u8], customizer: Customizer) -> Self {
        let mut key = [0; KEY_LEN];
        let mut shake = Shake128::default();
        shake.update(source);
        shake.finalize_xof().read(&mut key);
        let mut nonce = [0; NONCE_LEN];
        nonce[..2].copy_from_slice(&customizer.index().to_le_bytes());
        Self { stream: ChaCha20::new(&key.into(), &nonce.into()) }
    }

    /// Fills the bytes with the next of the stream.
    pub fn read(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
        self.stream.apply_keystream(bytes);
    }

    /// Draws a number below `end`; 0 when `end` is 0 or 1, without reading the stream.
    ///
    /// As many bytes as the highest number has are read, little-endian, and cut to its bits, until
    /// they are no more than it (flow-go's `UintN`): half of the draws or more succeed.
    pub fn below(&mut self, end: u64) -> u64 {
        let max = end.saturating_sub(1);
        let bits = u64::BITS - max.leading_zeros();
        if bits == 0 {
            return 0;
        }
        let mask = u64::MAX >> (u64::BITS - bits);
        let mut bytes = [0; 8];
        loop {
            self.read(&mut bytes[..bits.div_ceil(8) as usize]);
            let number = u64::from_le_bytes(bytes) & mask;
            if number <= max {
                return number;
            }
        }
    }

    /// Puts all items in random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        self.sample(items, items.len());
    }

    /// Draws `count` of the items, which come first, in random order; the others follow in an
    /// order that is not random. All are drawn when there are fewer.
    pub fn sample<T>(&mut self, items: &mut [T], count: usize) {
        for place in 0..count.min(items.len()) {
            let others = self.below((items.len() - place) as u64);
            // Below the number of items, so it fits.
            let others = usize::try_from(others).unwrap_or(0);
            items.swap(place, place + others);
        }
    }
}

impl Customizer {
    fn index(self) -> u16 {
        match self {
            Self::ConsensusLeaderSelection => 0,
            Self::VerificationChunkAssignment => 2,
        }
    }
}

impl core::fmt::Debug for Prg {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Prg").finish_non_exhaustive()
    }
}

const KEY_LEN: usize = 32;
const NONCE_LEN: usize = 12;
