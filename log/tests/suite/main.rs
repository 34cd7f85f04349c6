//! What a log promises, on files that fail.

mod disk;
mod faults;
mod model;
mod power;
