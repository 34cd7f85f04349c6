//! Rules on a header and its parent's.

use weir_protocol::hotstuff::finality::ForkBlock;
use weir_protocol::model::{Block, Header};

use super::Rule;

/// The header continues its parent's: height and views (flow-go `consensus/hotstuff/validator`).
pub(super) fn check_link(header: &Header, parent: &ForkBlock) -> Result<(), Rule> {
    let height = parent.height.saturating_add(1);
    if header.height != height {
        let (expected, found) = (height.to_string(), header.height);
        return Err(Rule::Link { field: "height", expected, found });
    }
    if header.parent_view != parent.view {
        let (expected, found) = (parent.view.to_string(), header.parent_view);
        return Err(Rule::Link { field: "parent view", expected, found });
    }
    if header.view <= parent.view {
        let (expected, found) = (format!("more than {}", parent.view), header.view);
        return Err(Rule::Link { field: "view", expected, found });
    }
    Ok(())
}

/// The block is later than its parent.
///
/// flow-go's consensus nodes also bound how much later (`state/protocol/blocktimer`), by values that
/// each operator sets and no block names.
pub(super) fn check_timestamp(header: &Header, parent_ms: u64) -> Result<(), Rule> {
    if header.timestamp_ms > parent_ms {
        return Ok(());
    }
    let (expected, found) = (format!("more than {parent_ms}"), header.timestamp_ms);
    Err(Rule::Link { field: "timestamp", expected, found })
}

/// A block of the very next view carries no timeout certificate; any other carries that of the
/// view before its own, whose newest QC is not newer than the parent's.
pub(super) fn check_last_view_tc(block: &Block) -> Result<(), Rule> {
    let header = &block.header;
    let broken = |reason: String| Err(Rule::LastViewTc { reason });
    let follows = header.parent_view.checked_add(1) == Some(header.view);
    let tc = match (&block.last_view_tc, follows) {
        (None, true) => return Ok(()),
        (Some(_), true) => return broken("expected none without skipped views, found one".into()),
        (None, false) => return broken("expected one after skipped views, found none".into()),
        (Some(tc), false) => tc,
    };
    if tc.view.checked_add(1) != Some(header.view) {
        return broken(format!("expected view {}, found {}", header.view - 1, tc.view));
    }
    if tc.newest_qc.view > header.parent_view {
        let (expected, found) = (header.parent_view, tc.newest_qc.view);
        return broken(format!("newest qc: expected view {expected} or less, found {found}"));
    }
    Ok(())
}
