//! Weir's server: indexes Flow blocks into per-block snapshots and serves them with evidence.
//!
//! One way through: `source → ingest → protocol_state step → store → reader → prover → api`.
//! Nothing flows back but a watch of the head. The server never asks to be trusted, and never
//! depends on the client.
#![forbid(unsafe_code)]

// The chain that the store's tests share names this crate as they do.
#[cfg(test)]
extern crate self as weir_server;

pub mod access;
pub mod api;
pub mod backup;
pub mod check;
pub mod export;
pub mod indexer;
pub mod ingest;
pub mod payload;
pub mod prover;
pub mod prune;
pub mod replay;
pub mod source;
pub mod store;
pub mod upgrade;
pub mod watch;

/// This version of Weir.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
