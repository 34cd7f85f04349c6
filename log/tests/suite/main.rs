//! What a log promises, on files that fail.

mod chance;
mod codec;
mod copy;
mod damage;
mod disk;
mod faults;
mod mend;
mod model;
mod power;
mod shrink;
