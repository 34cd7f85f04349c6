//! Encodings: RLP, the key-value store's msgpack, and flow-go's JSON.
//!
//! Every decoder is strict: one value has one encoding, nothing may follow it, and no length is
//! believed before the bytes for it are there.

mod entities;
pub(crate) mod events;
mod json;
mod keys;
pub mod msgpack;
pub mod rlp;
pub mod service_event;
pub mod snapshot;
pub(crate) mod state;

pub use entities::{Entity, entity_id, entity_ids, payload_hash, payload_roots, sha3_256};
