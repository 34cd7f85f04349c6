//! The verifier for pages and Node: Weir's thin client, called from JavaScript.
//!
//! Bytes and plain objects in, plain objects or an error out; every decision is the verifier's.
//! Nothing here talks to a server, reads a clock or keeps anything: the script beside it does.
#![forbid(unsafe_code)]

mod client;
#[cfg(feature = "conformance")]
mod conformance;
mod error;
#[cfg(feature = "verifier")]
mod question;
#[cfg(feature = "verifier")]
mod rejection;
#[cfg(feature = "verifier")]
mod trusted_state;
mod value;

pub use client::Client;
#[cfg(feature = "conformance")]
pub use conformance::check_suite;
#[cfg(feature = "verifier")]
pub use trusted_state::{TrustedState, verify_file};
