//! `SPoCK` proofs: each execution node's signature over what only an execution of the chunk shows.
//!
//! In flow-go the secret is a digest of all register accesses. Here a chunk runs one of a few
//! programs, and always does the same, so its secret recurs and is signed once a node.

use std::collections::HashMap;

use weir_protocol::bls::SIGNATURE_LEN;
use weir_protocol::model::{Chunk, Identifier};

use crate::nodes::Node;
use crate::random::hash;

/// Makes proofs, and keeps the latest.
#[derive(Debug)]
pub struct Spocks {
    seed: u64,
    /// By executor and program.
    made: HashMap<(Identifier, u8), [u8; SIGNATURE_LEN]>,
}

impl Spocks {
    /// Proofs in the network of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, made: HashMap::new() }
    }

    /// The executor's proof that it executed the chunk.
    ///
    /// A signature of the secret (flow-go's crypto library, `SPOCKProve`).
    #[must_use]
    pub fn prove(&mut self, executor: &Node, chunk: &Chunk) -> Vec<u8> {
        if self.made.len() >= PROOFS_MAX {
            self.made.clear();
        }
        let prove = || executor.staking_key.sign(SPOCK, &secret(self.seed, chunk).0);
        self.made.entry((executor.id(), program(chunk))).or_insert_with(prove).to_vec()
    }
}

/// What the execution of a chunk shows.
#[must_use]
pub fn secret(seed: u64, chunk: &Chunk) -> Identifier {
    hash(seed, "spock secret", &[&[program(chunk)]])
}

/// The program that a chunk runs.
fn program(chunk: &Chunk) -> u8 {
    chunk.end_state.0[0] % PROGRAMS
}

/// Tag of proofs (flow-go `module/signature/signing_tags.go`).
pub const SPOCK: &str = "FLOW-SPoCK-V00-CS00-with-";

const PROGRAMS: u8 = 64;
/// Proofs kept, of some hundred bytes each.
const PROOFS_MAX: usize = 1 << 14;
