//! The warning that the network upgrades to a protocol version that this program does not know.

use std::time::{Duration, UNIX_EPOCH};

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
        format!("{upgrade}{}", about(&upgrade))
    };
    Some(format!("{when}; this version knows up to {KV_STORE_VERSION_MAX}, get a newer one"))
}

fn about(upgrade: &ScheduledUpgrade) -> String {
    let time = upgrade.about_ms.and_then(|ms| UNIX_EPOCH.checked_add(Duration::from_millis(ms)));
    time.map_or_else(String::new, |time| {
        format!(", about {}", humantime::format_rfc3339_seconds(time))
    })
}
