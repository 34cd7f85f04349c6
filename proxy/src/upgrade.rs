//! Protocol versions that are not known here: what is passed on all the same, and what is said of it.

use std::time::{Duration, UNIX_EPOCH};

use metrics::{counter, gauge};
use tonic::Status;
use weir_protocol::codec::Entity as _;
use weir_protocol::evidence::AnswerProof;
use weir_protocol::model::KV_STORE_VERSION_MAX;
use weir_protocol::protocol_state::ScheduledUpgrade;
use weir_verifier::{AnchoredBy, Answer, AnswerValue, StatusAnswer, Trust, TrustedState};

/// Says that something was passed on whose state only a newer version can check.
pub(crate) fn passed_on(what: &str, why: &impl std::fmt::Display) {
    counter!("proxy_beyond_upgrade_total").increment(1);
    tracing::debug!("{what} is passed on without its protocol state being checked: {why}");
}

/// Warns of the upgrade that a newly trusted state schedules, if the one before it did not.
pub(crate) fn warn(before: &TrustedState, now: &TrustedState) {
    let Some(upgrade) = now.upgrade_ahead() else { return };
    gauge!("protocol_upgrade_needs_update").set(1.0);
    let ScheduledUpgrade { version, activation_view, about_ms } = upgrade;
    let told = before.upgrade_ahead();
    if told.is_some_and(|told| (told.version, told.activation_view) == (version, activation_view)) {
        return;
    }
    let time = about_ms.and_then(|ms| UNIX_EPOCH.checked_add(Duration::from_millis(ms)));
    let about = time.map_or_else(String::new, |time| {
        format!(", about {}", humantime::format_rfc3339_seconds(time))
    });
    tracing::warn!(
        "{upgrade}{about}; this version knows up to {KV_STORE_VERSION_MAX}: from then on states are \
         passed on unchecked, start a newer one before"
    );
}

/// What is said of a block without anything being checked, so that the evidence may be passed on.
pub(crate) fn unchecked(evidence: &AnswerProof) -> Answer {
    let header = &evidence.block.header;
    let nothing =
        StatusAnswer { protocol_state_id: None, last_sealed_block_id: None, sealed_by: None };
    Answer {
        block_id: header.id(),
        height: header.height,
        view: header.view,
        timestamp_ms: header.timestamp_ms,
        chain_id: header.chain_id.clone(),
        trust: Trust::Known,
        anchored_by: AnchoredBy::KnownBlock,
        value: AnswerValue::Status(nothing),
    }
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
