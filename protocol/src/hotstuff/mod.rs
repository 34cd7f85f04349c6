//! HotStuff as Flow runs it.

pub mod finality;
