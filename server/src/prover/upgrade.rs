//! The protocol version in force, and the upgrade that is scheduled.

use std::time::UNIX_EPOCH;

use humantime::format_rfc3339_seconds;
use weir_protocol::model::{KV_STORE_VERSION_MAX, Versions};
use weir_protocol::protocol_state::ScheduledUpgrade;

use super::{Prover, ProverError};
use crate::VERSION;

/// Which protocol version the newest final block has, and what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolVersion {
    /// The version in force.
    pub version: u64,
    /// The upgrade that is scheduled and not in force yet.
    pub pending: Option<ScheduledUpgrade>,
    /// Whether the pending upgrade is to a version that this server does not know: it stops before the
    /// first block that has it.
    pub needs_update: bool,
}

impl ProtocolVersion {
    /// What to tell an operator, when a newer version of this program is needed.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let upgrade = self.pending.filter(|_| self.needs_update)?;
        let date = |since| format_rfc3339_seconds(UNIX_EPOCH + since).to_string();
        let announced = upgrade.announced(date);
        Some(format!(
            "{announced}; Weir {VERSION} knows up to {KV_STORE_VERSION_MAX}, start a newer version \
             before"
        ))
    }
}

impl Prover {
    /// The protocol version as of the newest final block, for a server that knows these versions; those
    /// of the chain when `None`.
    ///
    /// # Errors
    /// When the store is damaged.
    pub fn protocol_version(
        &self,
        known: Option<Versions>,
    ) -> Result<ProtocolVersion, ProverError> {
        let head = self.head();
        let block = self.block_at(head.finalized.ordinal)?;
        let header = &block.record.header;
        let state = self.states.load(&block.record.protocol_state_id)?;
        let at = (header.view, header.timestamp_ms);
        let kv = state.kv();
        let pending = ScheduledUpgrade::of(kv, state.current_setup(), at)
            .filter(|_| kv.pending_upgrade().is_some());
        let known = known.unwrap_or_else(|| Versions::of_chain(&head.chain.chain_id));
        let needs_update = pending.is_some() && kv.upgrade_beyond(known).is_some();
        Ok(ProtocolVersion { version: state.version(), pending, needs_update })
    }
}
