//! A Flow network in one process.
//!
//! Simulates consensus, execution and sealing, and makes blocks that satisfy every rule of the
//! protocol, signatures included. All of it follows from a configuration and a seed. Nothing here
//! reads a clock or a random source, and nothing here is a secret: never use it with real value.
#![forbid(unsafe_code)]

pub mod config;
pub mod keys;
pub mod nodes;
pub mod random;
pub mod schedule;
