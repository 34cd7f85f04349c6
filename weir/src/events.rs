//! Events as text.

use weir_client::watch::{Event, EventKind};
use weir_protocol::model::KV_STORE_VERSION_MAX;
use weir_verifier::{Change, EpochAt, IdentityAnswer};
use weir_walk::watch::json::identity_change;

/// One line for an event.
pub(crate) fn to_text(event: &Event) -> String {
    let what = match &event.kind {
        EventKind::Change(change) => change_text(change),
        EventKind::Reverted { finalized_id, finalized_height } => format!(
            "reverted: the block was orphaned, block {finalized_id} at height {finalized_height} \
             is final"
        ),
        EventKind::Status { status, .. } => format!("block is {}", status.name()),
        _ => "unknown".to_owned(),
    };
    let block = &event.block;
    format!("{} {what} (block {}, {})\n", block.height, block.block_id, block.trust)
}

fn change_text(change: &Change) -> String {
    match change {
        Change::Epoch { before, after } => {
            let EpochAt { counter, phase, fallback_triggered, first_view, final_view } = after;
            let fallback = if *fallback_triggered { ", in fallback mode" } else { "" };
            format!(
                "epoch {counter} {phase}{fallback}, views {first_view} to {final_view}; was epoch \
                 {} {}",
                before.counter, before.phase
            )
        }
        Change::Version { before, after } => {
            let upgrade = after.upgrade.map_or_else(String::new, |upgrade| {
                format!(", version {} from view {}", upgrade.data, upgrade.activation_view)
            });
            let upgrade = match after.needs_update {
                true => format!("{upgrade} (this program knows up to {KV_STORE_VERSION_MAX})"),
                false => upgrade,
            };
            format!("protocol state version {}{upgrade}; was {}", after.version, before.version)
        }
        Change::Identity { before, after } => {
            let (before, after) = (before.as_deref(), after.as_deref());
            let status = |node: &IdentityAnswer| node.status.name();
            let node = after.or(before);
            format!(
                "{} node {} {}: {}; was {}",
                node.map(|node| node.skeleton.role.to_string()).unwrap_or_default(),
                node.map(|node| node.skeleton.node_id.to_hex()).unwrap_or_default(),
                identity_change(before, after),
                after.map_or("-", status),
                before.map_or("-", status),
            )
        }
    }
}
