//! Refusals that a client acts on.

/// Why a server refuses, where a client can act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// It has never seen the block.
    UnknownBlock,
    /// The client's head is before what the proof needs.
    HeadTooOld {
        /// Least height that serves.
        height_needed: u64,
    },
    /// Its final chain is another one than that of the client's head.
    HeadNotCanonical,
}
