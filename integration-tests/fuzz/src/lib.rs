//! What fuzzing asserts: one function a target, each over any bytes at all.
//!
//! A target panics when a property is broken, and does nothing else: it returns no error, reads no
//! clock and keeps nothing. `docs/fuzzing.md` says how to run them; `tests/corpus.rs` runs all of
//! them over the kept corpus, and `libfuzzer` hands them to libFuzzer.
//!
//! | target | decoders it covers |
//! |---|---|
//! | [`rlp`] | `codec::rlp::Decoder` |
//! | [`model`] | `decode` of headers, certificates, guarantees, seals, receipts, results, setups, commits, beacons, service events, epoch states, key-value stores |
//! | [`msgpack`] | `KvStore::from_msgpack` |
//! | [`service_event`] | `ServiceEvent::from_json` |
//! | [`snapshot`] | `Snapshot::from_json` |
//! | [`names`] | IDs, roles, statuses and fields from text |
//! | [`block_message`] | `convert::{block_from_wire, result_from_wire}` |
//! | [`frames`] | `frames::Frames` |
//! | [`request`] | `convert` of selectors, filters, epochs and tree questions; `status::available` |
//! | [`bls`] | `bls::{PublicKey, Signature}::from_bytes`, both backends |
//! | [`indices`] | `hotstuff::signer_indices` |
//! | [`certificate`] | `Committee::verify_qc` and the signature data inside |
//! | [`merkle`], [`merkle_answer`] | `merkle::{Proof, AbsenceProof}` |
//! | [`tree`], [`tree_answer`] | `snapshot_tree::verify`, and the batches and identities inside |
//! | [`evidence`] | `evidence::{Evidence, Bundle, Delta, Preimages}`, `verifier::Misbehaviour` |
//! | [`trusted_state`] | `TrustedState::from_bytes` |
//! | [`answer`], [`hops`] | the verifier, with all of the above behind it |
//!
//! Not here: the store's records, which are the server's own bytes under a checksum.
#![forbid(unsafe_code)]

mod answers;
mod bytes_edit;
mod codecs;
mod curve;
mod evidence;
pub mod files;
mod input;
mod known;
mod rlp_tree;
pub mod seeds;
mod trees;
mod wire;

pub use answers::{answer, hops};
pub use codecs::{model, msgpack, names, rlp, service_event, snapshot};
pub use curve::{bls, certificate, indices};
pub use evidence::{evidence, trusted_state};
pub use trees::{merkle, merkle_answer, tree, tree_answer};
pub use wire::{block_message, frames, request};

/// A target's name and function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 20] = [
    ("answer", answer),
    ("block_message", block_message),
    ("bls", bls),
    ("certificate", certificate),
    ("evidence", evidence),
    ("frames", frames),
    ("hops", hops),
    ("indices", indices),
    ("merkle", merkle),
    ("merkle_answer", merkle_answer),
    ("model", model),
    ("msgpack", msgpack),
    ("names", names),
    ("request", request),
    ("rlp", rlp),
    ("service_event", service_event),
    ("snapshot", snapshot),
    ("tree", tree),
    ("tree_answer", tree_answer),
    ("trusted_state", trusted_state),
];
