//! Weir's light client for other languages, without transport, clock or storage.
//!
//! Bytes and texts in, texts, numbers or an error out; every decision is the walk's and the
//! verifier's. The caller makes calls, says what time it is, and keeps the trusted state. [`Client`] walks;
//! [`TrustedState`] is the verifier alone, for whoever has a walk of their own. uniffi makes Kotlin, Swift
//! and Python of this crate; the C library is a crate of its own, over the same functions.
//!
//! IDs are texts of 64 hexadecimal digits, except in [`Held`], which goes into a request. Questions
//! are JSON as `weir_verifier::json::question` reads it, answers JSON as `weir --json` prints it. Byte
//! strings are taken by value, so that they are plain byte arrays in the other languages.
#![forbid(unsafe_code)]

mod client;
mod error;
mod records;
mod trusted_state;
mod verify;

pub use client::{Client, Step, Told};
pub use error::WeirError;
pub use records::{Block, Held, HopsApplied, Timing, View, timing_at};
pub use trusted_state::TrustedState;
pub use verify::{verify_file, verify_tree};

#[cfg(feature = "uniffi")]
uniffi::setup_scaffolding!("weir");
