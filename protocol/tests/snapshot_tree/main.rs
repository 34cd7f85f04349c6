//! Snapshot trees: flow-go's states, an independent reading of the format, sizes, and every way a
//! proof can be wrong.

#![expect(clippy::unwrap_used, reason = "tests; allowed by default only inside of test functions")]

#[path = "../common_step/mod.rs"]
mod common_step;
mod forgeries;
mod network;
mod properties;
mod reference;
mod sizes;
mod states;
