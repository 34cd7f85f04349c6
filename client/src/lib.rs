//! Weir's thin client: Flow's protocol state from servers that nobody has to trust.
//!
//! [`transport`] brings bytes, [`sync`] walks from a checkpoint and fetches what is missing, and
//! [`weir_verifier`] decides. Nothing here hands out a value that was not verified.
#![forbid(unsafe_code)]

pub mod sync;
pub mod transport;
