//! A proxy between light clients and servers: it checks every answer before it passes it on, and
//! passes the evidence on, so that the next hop can check again.
//!
//! It believes its upstreams nothing. An answer that does not verify is not relayed: its upstream is
//! set aside and the next one asked. What is relayed verifies for the client that asked, from that
//! client's own checkpoint. It never depends on the server.
#![forbid(unsafe_code)]

mod cache;
mod check;
mod fault;
mod hops;
mod info;
mod known;
mod needed;
mod newest;
mod options;
mod own;
mod relay;
mod service;
mod shadow;
mod snapshots;
mod tree;
mod upgrade;
mod upstream;
mod values;
mod watch;

pub use options::{CheckSnapshot, ProxyOptions, StartError};
pub use service::Proxy;
pub use snapshots::{ACCESS_METHODS, ACCESS_REFUSAL, SnapshotProxy};
