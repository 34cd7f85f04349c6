//! Weir's thin client: Flow's protocol state, verified.
//!
//! The [`verifier`] is pure: bytes in, a verdict out; no transport, no clock, no `std`. Behind the
//! feature `transport` the crate also talks to servers ([`transport`], [`sync`]) and is the `weir`
//! command line. Nothing here hands out a value that was not verified.
#![cfg_attr(not(feature = "transport"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(feature = "json")]
pub mod json;
#[cfg(feature = "transport")]
pub mod sync;
#[cfg(feature = "transport")]
pub mod transport;
pub mod verifier;
