//! Blocks that a chain took: just now, or before the process was started.

use std::sync::Arc;

use weir_protocol::hotstuff::finality::ForksProgress;
use weir_protocol::model::{
    Block, ExecutionResult, Header, Identifier, PayloadRoots, VersionBeacon,
};
use weir_protocol::protocol_state::ProtocolState;
use weir_protocol::protocol_state::sealing::LastSealed;

use super::certificates::Claim;

/// A block that satisfies every rule but those on signatures.
#[derive(Debug)]
pub struct Accepted {
    /// Its ID.
    pub block_id: Identifier,
    /// The block.
    pub block: Block,
    /// What its payload hash is made of.
    pub roots: PayloadRoots,
    /// IDs of the execution results in its payload.
    pub result_ids: Vec<Identifier>,
    /// Its protocol state.
    pub state: Arc<ProtocolState>,
    /// The highest block sealed as of it.
    pub last_sealed: LastSealed,
    /// The last version beacon in the results that its payload seals.
    pub version_beacon: Option<VersionBeacon>,
    /// What became final by it, and conflicts that became known.
    pub progress: ForksProgress,
    /// The certificates it carries; none for the root.
    pub claim: Option<Claim>,
}

/// A block that was accepted before, as the store has it.
#[derive(Clone, Debug)]
pub struct Restored {
    /// Position in the order of ingestion.
    pub ordinal: u64,
    /// Its header.
    pub header: Header,
    /// Its protocol state.
    pub state: Arc<ProtocolState>,
    /// The highest block sealed as of it.
    pub last_sealed: LastSealed,
    /// Results in its payload.
    pub results: Vec<ExecutionResult>,
}
