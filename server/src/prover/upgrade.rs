//! The protocol version in force, and the upgrade that is scheduled.

use std::time::{Duration, UNIX_EPOCH};

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
        let time = upgrade.about_ms.map(|ms| UNIX_EPOCH + Duration::from_millis(ms));
        let about = time.map_or_else(String::new, |time| {
            format!(", about {}", humantime::format_rfc3339_seconds(time))
        });
        Some(format!(
            "{upgrade}{about}; Weir {VERSION} knows up to {KV_STORE_VERSION_MAX}, start a newer version \
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
        let pending = ScheduledUpgrade::of(state.kv(), state.current_setup(), at)
            .filter(|_| state.kv().pending_upgrade().is_some());
        let known = known.unwrap_or_else(|| Versions::of_chain(&head.chain.chain_id));
        let needs_update = pending.is_some_and(|upgrade| !upgrade.is_known(known));
        Ok(ProtocolVersion { version: state.version(), pending, needs_update })
    }
}
