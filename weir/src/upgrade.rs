//! The warning that the network upgrades to a protocol version that this program does not know.

use std::time::UNIX_EPOCH;

use humantime::format_rfc3339_seconds;
use weir_protocol::model::KV_STORE_VERSION_MAX;
use weir_protocol::protocol_state::ScheduledUpgrade;
use weir_verifier::TrustedState;

/// What to tell of the upgrade that is trusted to come, if there is one.
pub(crate) fn warning(trusted: &TrustedState) -> Option<String> {
    let upgrade = trusted.upgrade_ahead()?;
    let ScheduledUpgrade { version, activation_view, .. } = upgrade;
    let when = if upgrade.is_in_force(trusted.head().view) {
        format!("protocol version {version} is in force since view {activation_view}")
    } else {
        upgrade.announced(|since| format_rfc3339_seconds(UNIX_EPOCH + since).to_string())
    };
    Some(format!("{when}; this version knows up to {KV_STORE_VERSION_MAX}, get a newer one"))
}
