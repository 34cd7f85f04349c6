//! `flow.access.AccessAPI`: Weir in the place of an access node.
//!
//! Blocks, headers, snapshots, results and subscriptions are answered from the store. Other methods
//! go to an upstream access node where one is configured, marked as unverified.

mod passthrough;
mod view;

pub use passthrough::{Passthrough, Rest, UNVERIFIED_METADATA};
