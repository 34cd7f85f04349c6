//! A Flow network in one process.
//!
//! Simulates consensus, execution and sealing, and makes blocks that satisfy every rule of the
//! protocol, signatures included. All of it follows from a configuration and a seed. Nothing here
//! reads a clock but to keep a pace, or a random source, and nothing here is a secret: never use it with real value.
#![forbid(unsafe_code)]

pub mod access;
pub mod approvals;
pub mod archive;
pub mod certificates;
pub mod collections;
pub mod config;
pub mod contract;
pub mod epoch;
pub mod execution;
mod genesis;
pub mod keys;
pub mod live;
pub mod network;
pub mod nodes;
pub mod random;
pub mod record;
pub mod schedule;
pub mod signer;
pub mod spock;
pub mod story;
mod upgrading;

pub use config::{Config, ConfigError};
pub use live::{BlockTime, Keep, Live, Tip};
pub use network::{Network, Produced};
pub use schedule::{Command, NodeName, Schedule, Trigger};
