//! Indexes Flow blocks into per-block snapshots and serves them with evidence.
//!
//! One way through: source, ingest, step, one atomic write a batch, reader, prover, API. Nothing
//! flows back but backpressure and a watch of the head. No database type leaves [`store`].
#![forbid(unsafe_code)]

pub mod store;
