//! What the network knows of each block: one line a block, in the order they were made.
//!
//! Whether a block is final shows only later, so lines wait until it does.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use weir_protocol::codec::entity_ids;
use weir_protocol::model::{Identifier, QuorumCertificate};

use super::files::Made;
use super::states::bytes;
use crate::record::Record;

/// Blocks whose lines wait: those since the latest final one, and any made before them.
#[derive(Default)]
pub(super) struct Undecided {
    waiting: VecDeque<Waiting>,
    finalized_height: Option<u64>,
}

struct Waiting {
    block_id: Identifier,
    record: Arc<Record>,
    is_final: bool,
}

impl Undecided {
    /// Takes a block, and hands out the lines of those whose fate is known since.
    pub(super) fn add(&mut self, made: Made) -> Vec<Value> {
        let Made { block_id, record, finalized } = made;
        self.waiting.push_back(Waiting { block_id, record, is_final: false });
        for waiting in &mut self.waiting {
            if finalized.contains(&waiting.block_id) {
                waiting.is_final = true;
                let height = Some(waiting.record.block.header.height);
                self.finalized_height = self.finalized_height.max(height);
            }
        }
        let mut lines = Vec::new();
        while let Some(first) = self.waiting.front()
            && Some(first.record.block.header.height) <= self.finalized_height
        {
            lines.extend(self.waiting.pop_front().map(|waiting| waiting.line()));
        }
        lines
    }

    /// The lines of blocks that never became final.
    pub(super) fn rest(&mut self) -> Vec<Value> {
        self.waiting.drain(..).map(|waiting| waiting.line()).collect()
    }
}

impl Waiting {
    fn line(&self) -> Value {
        let Record { block, state, execution, roots, .. } = &*self.record;
        let (header, payload) = (&block.header, &block.payload);
        let mut fields = Map::new();
        let mut field = |name: &str, value: Value| fields.insert(name.into(), value);
        field("block_id", self.block_id.to_hex().into());
        field("parent_id", header.parent_id.to_hex().into());
        field("height", header.height.into());
        field("view", header.view.into());
        field("payload_hash", header.payload_hash.to_hex().into());
        let tc = Some(header.last_view_tc_id).filter(|id| !id.is_zero());
        field("last_view_tc_id", tc.map(|id| id.to_hex()).unwrap_or_default().into());
        field("proposer_sig_data", bytes(&self.record.proposer_sig_data));
        field("guarantees_root", roots.guarantees_root.to_hex().into());
        field("seals_root", roots.seals_root.to_hex().into());
        field("receipts_root", roots.receipts_root.to_hex().into());
        field("results_root", roots.results_root.to_hex().into());
        field("guarantee_ids", ids(&entity_ids(&payload.guarantees)));
        field("seal_ids", ids(&entity_ids(&payload.seals)));
        field("receipt_ids", ids(&entity_ids(&payload.receipts)));
        field("result_ids", ids(&entity_ids(&payload.results)));
        field("protocol_state_id", state.id().to_hex().into());
        field("protocol_state_version", state.version().into());
        field("epoch_state_id", state.epoch_state_id().to_hex().into());
        field("epoch_counter", state.epoch_counter().into());
        field("epoch_phase", state.phase().name().into());
        field("epoch_fallback_triggered", state.epoch_fallback_triggered().into());
        // The committee of the epoch that the block's view falls in.
        field("committee_epoch_counter", state.epoch_counter().into());
        field("certifying_qc", self.record.qc.as_ref().map_or(Value::Null, certificate));
        field("execution_result_id", execution.result_id.to_hex().into());
        field("last_sealed_block_id", self.record.last_sealed.block_id.to_hex().into());
        field("finalized", self.is_final.into());
        Value::Object(fields)
    }
}

fn ids(ids: &[Identifier]) -> Value {
    ids.iter().map(Identifier::to_hex).collect()
}

fn certificate(qc: &QuorumCertificate) -> Value {
    json!({
        "view": qc.view,
        "block_id": qc.block_id.to_hex(),
        "signer_indices": bytes(&qc.signer_indices),
        "sig_data": bytes(&qc.sig_data),
    })
}
