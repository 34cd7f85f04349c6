//! Domain tags of Flow's signatures (flow-go `module/signature/signing_tags.go`).

/// Votes of the consensus committee, by staking key.
pub const CONSENSUS_VOTE: &str = "FLOW-Consensus_Vote-V00-CS00-with-";
/// Random beacon.
pub const RANDOM_BEACON: &str = "FLOW-Random_Beacon-V00-CS00-with-";
/// Timeouts of the consensus committee.
pub const CONSENSUS_TIMEOUT: &str = "FLOW-Consensus_Timeout-V00-CS00-with-";
/// Votes of a collection cluster.
pub const COLLECTOR_VOTE: &str = "FLOW-Collector_Vote-V00-CS00-with-";
