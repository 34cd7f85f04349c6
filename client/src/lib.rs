//! Weir's thin client: Flow's protocol state from servers that nobody has to trust.
//!
//! [`transport`] brings bytes, [`weir_walk`] decides what to ask next, and [`weir_verifier`] decides
//! what is proved. Nothing here hands out a value that was not verified.
#![forbid(unsafe_code)]

pub mod sync;
pub mod transport;
pub mod watch;
