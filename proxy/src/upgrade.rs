//! Protocol versions that are not known here: what is passed on all the same, and what is said of it.

use std::time::UNIX_EPOCH;

use humantime::format_rfc3339_seconds;
use metrics::{counter, gauge};
use tonic::Status;
use weir_protocol::model::KV_STORE_VERSION_MAX;
use weir_protocol::protocol_state::ScheduledUpgrade;
use weir_verifier::{Answer, AnswerValue, TrustedState};

/// Says that something was passed on whose state only a newer version can check.
pub(crate) fn passed_on(what: &str) {
    counter!("proxy_beyond_upgrade_total").increment(1);
    tracing::debug!("{what} of a protocol version that is not known here is passed on");
}

/// Warns of the upgrade that a newly trusted state schedules, if the one before it did not.
pub(crate) fn warn(before: &TrustedState, now: &TrustedState) {
    let Some(upgrade) = now.upgrade_ahead() else { return };
    gauge!("protocol_upgrade_needs_update").set(1.0);
    let same = |told: ScheduledUpgrade| {
        (told.version, told.activation_view) == (upgrade.version, upgrade.activation_view)
    };
    if before.upgrade_ahead().is_some_and(same) {
        return;
    }
    let announced =
        upgrade.announced(|since| format_rfc3339_seconds(UNIX_EPOCH + since).to_string());
    tracing::warn!(
        "{announced}; this version knows up to {KV_STORE_VERSION_MAX}: from then on states are \
         passed on unchecked, start a newer one before"
    );
}

/// Typed values are made of what is checked, so there are none of a state that cannot be.
pub(crate) fn check_known(answer: &Answer) -> Result<(), Status> {
    match answer.value {
        AnswerValue::Status(_) => Err(Status::failed_precondition(format!(
            "block {} has a protocol version that this proxy does not know (up to \
             {KV_STORE_VERSION_MAX}): ask for the evidence alone",
            answer.block_id
        ))),
        _ => Ok(()),
    }
}
