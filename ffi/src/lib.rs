//! The verifier for other languages: Weir's thin client without transport, clock or storage.
//!
//! Bytes and texts in, texts, numbers or an error out; every decision is the verifier's. The caller
//! fetches evidence, says what time it is, and keeps the trusted state. uniffi makes Kotlin, Swift
//! and Python of this crate; the C library is a crate of its own, over the same functions.
//!
//! IDs are texts of 64 hexadecimal digits, except in [`Held`], which goes into a request. Questions
//! are JSON as `weir_verifier::json::question` reads it, answers JSON as `weir --json` prints it. Byte
//! strings are taken by value, so that they are plain byte arrays in the other languages.
#![forbid(unsafe_code)]

mod error;
mod records;
mod trusted_state;
mod verify;

pub use error::WeirError;
pub use records::{Block, Held, HopsApplied, Timing, View, timing_at};
pub use trusted_state::TrustedState;
pub use verify::{verify_file, verify_tree};

#[cfg(feature = "uniffi")]
uniffi::setup_scaffolding!("weir");
