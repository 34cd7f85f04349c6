//! Conflicting certificates, as they are kept and reported.

use serde_json::{Value, json};
use weir_protocol::hotstuff::finality::{Evidence, ForkBlock};

/// The evidence as one JSON object.
#[must_use]
pub fn evidence_json(evidence: &[Evidence]) -> Value {
    let block = |block: &ForkBlock| {
        json!({
            "block_id": block.block_id.to_hex(),
            "parent_id": block.parent_id.to_hex(),
            "height": block.height,
            "view": block.view,
        })
    };
    let conflict = |conflict: &Evidence| match conflict {
        Evidence::DoubleCertification { first, second } => json!({
            "kind": "double_certification", "first": block(first), "second": block(second),
        }),
        Evidence::ConflictingFinality { finalized, conflicting } => json!({
            "kind": "conflicting_finality",
            "finalized": block(finalized),
            "conflicting": block(conflicting),
        }),
        other => json!({ "kind": "other", "detail": format!("{other:?}") }),
    };
    json!({ "evidence": evidence.iter().map(conflict).collect::<Vec<_>>() })
}
