//! Flow's protocol rules, bit for bit.
//!
//! The model of blocks, epochs and the protocol state; their encodings and identifiers; the
//! payload Merkle tree; BLS signatures and certificates; and the step that computes a block's
//! protocol state from its parent's.
//!
//! This crate never does I/O, never reads a clock or a random source, and knows neither protobuf
//! nor a database. It builds without `std` and for `wasm32-unknown-unknown`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod bls;
pub mod chunk_assignment;
pub mod codec;
pub mod evidence;
pub mod hotstuff;
pub mod merkle;
pub mod model;
pub mod prg;
pub mod protocol_state;
pub mod request;
pub mod snapshot_tree;
