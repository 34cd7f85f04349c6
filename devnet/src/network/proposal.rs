//! Making a block: payload, protocol state and header.

use std::sync::Arc;

use weir_protocol::codec::snapshot::SealedVersionBeacon;
use weir_protocol::codec::{Entity, payload_hash, payload_roots};
use weir_protocol::model::{
    Block, CollectionGuarantee, Header, Identifier, Payload, PayloadRoots, QuorumCertificate, Seal,
    ServiceEvent, TimeoutCertificate,
};
use weir_protocol::protocol_state::sealing::LastSealed;
use weir_protocol::protocol_state::{EpochName, ProtocolState, evolve_on};

use super::{Network, Slot};
use crate::certificates::{Timeout, timeout_certificate};
use crate::random::Random;
use crate::record::Record;

/// A block and what its making showed.
pub(super) struct Proposal {
    pub(super) block: Block,
    pub(super) roots: PayloadRoots,
    pub(super) state: Arc<ProtocolState>,
    pub(super) last_sealed: LastSealed,
    pub(super) included_height: u64,
    pub(super) version_beacon: Option<SealedVersionBeacon>,
}

impl Network {
    /// Makes the block of a slot.
    pub(super) fn propose(&mut self, slot: &Slot, random: &mut Random) -> Proposal {
        let parent = self.records.get(&slot.parent_id);
        let parent = Arc::clone(parent.expect("the chain goes on from kept blocks"));
        let guarantees = std::mem::take(&mut self.guarantees);
        let included = self.included(slot, &parent, random);
        let sealed = self.sealed(&parent, random);
        let last_sealed = sealed.last().map_or(parent.last_sealed, |(record, seal)| LastSealed {
            block_id: seal.block_id,
            height: record.block.header.height,
        });
        let results = sealed.iter().map(|(record, _)| &record.execution.result);
        let events: Vec<&ServiceEvent> =
            results.flat_map(|result| &result.service_events).collect();
        let state = evolve_on(self.config.versions(), &parent.state, slot.view, &events)
            .expect("versions are checked when commanded, and no view is near the highest");
        let beacon = ServiceEvent::last_version_beacon(events.iter().copied()).cloned();
        let seal_height = parent.block.header.height + 1;
        let version_beacon = match beacon {
            Some(beacon) => Some(SealedVersionBeacon { beacon, seal_height }),
            None => parent.version_beacon.clone(),
        };
        let included_height = parent.included_height + included.len() as u64;
        let (payload, roots) = payload(guarantees, &sealed, &included, state.id());
        let last_view_tc = self.last_view_tc(slot, &parent, random);
        let leader = self.leader(&state, EpochName::Current, slot.view);
        let header =
            self.header(slot, &parent, payload_hash(&roots), last_view_tc.as_ref(), leader);
        let block = Block { header, last_view_tc, payload, proposer_sig_data: Vec::new() };
        Proposal { block, roots, state, last_sealed, included_height, version_beacon }
    }

    fn header(
        &self,
        slot: &Slot,
        parent: &Record,
        payload_hash: Identifier,
        last_view_tc: Option<&TimeoutCertificate>,
        leader: Identifier,
    ) -> Header {
        let parent_qc = certificate_of(parent);
        let config = &self.config;
        let mut random = Random::new(config.seed, "timestamp", &[&slot.view.to_be_bytes()]);
        let elapsed = (slot.view - config.root.view) * config.block_time_ms;
        // Less than a view apart, so that time goes up with the views.
        let jitter = random.below(config.block_time_ms.div_ceil(4));
        let parent_timestamp_ms = parent.block.header.timestamp_ms;
        // A leader whose clock says otherwise moves the time into these bounds.
        let timestamp_ms = (config.root.timestamp_ms + elapsed + jitter)
            .clamp(parent_timestamp_ms + INTERVAL_MIN_MS, parent_timestamp_ms + INTERVAL_MAX_MS);
        Header {
            chain_id: config.chain_id.clone(),
            parent_id: slot.parent_id,
            height: parent.block.header.height + 1,
            payload_hash,
            timestamp_ms,
            view: slot.view,
            parent_view: parent_qc.view,
            parent_voter_indices: parent_qc.signer_indices.clone(),
            parent_voter_sig_data: parent_qc.sig_data.clone(),
            proposer_id: leader,
            last_view_tc_id: last_view_tc.map_or(Identifier::ZERO, Entity::id),
        }
    }

    /// The certificate of the view before, when that view brought no certified block.
    fn last_view_tc(
        &mut self,
        slot: &Slot,
        parent: &Record,
        random: &mut Random,
    ) -> Option<TimeoutCertificate> {
        let parent_header = &parent.block.header;
        if parent_header.view + 1 == slot.view {
            return None;
        }
        let view = slot.view - 1;
        let name = epoch_at(&parent.state, view);
        let epoch = self.epoch(&parent.state, name);
        let newest_qc = certificate_of(parent);
        let older_view = parent_header.parent_view.max(self.config.root.view);
        let timeout = Timeout { view, newest_qc, older_view };
        let is_absent = |id: &Identifier| is_ejected(&parent.state, name, id);
        Some(timeout_certificate(&epoch, &timeout, is_absent, random, &self.signer))
    }

    /// Ancestors whose results the block includes: all that are executed, by ascending height.
    fn included(&self, slot: &Slot, parent: &Record, random: &mut Random) -> Vec<&Record> {
        let mut included = Vec::new();
        let mut block_id = slot.parent_id;
        while let Some(record) = self.record(&block_id)
            && record.block.header.height > parent.included_height
        {
            included.push(record);
            block_id = record.block.header.parent_id;
        }
        included.reverse();
        // Execution is now and then one block behind.
        if random.happens(EXECUTION_LATE_PER_MILLE) {
            included.pop();
        }
        included
    }

    /// Ancestors that the block seals, by ascending height: all whose results are approved.
    fn sealed<'a>(
        &'a self,
        parent: &'a Record,
        random: &mut Random,
    ) -> Vec<(&'a Record, &'a Seal)> {
        // Approvals now and then come in late.
        if random.happens(APPROVALS_LATE_PER_MILLE) {
            return Vec::new();
        }
        let mut sealed = Vec::new();
        let mut record = parent;
        while record.block.header.height > parent.last_sealed.height {
            for seal in record.approved.iter().rev() {
                let of_seal = self.record(&seal.block_id).expect("unsealed blocks are kept");
                if of_seal.block.header.height > parent.last_sealed.height {
                    sealed.push((of_seal, seal));
                }
            }
            let parent = self.record(&record.block.header.parent_id);
            record = parent.expect("the last sealed block is kept");
        }
        sealed.reverse();
        sealed
    }
}

/// Payload and its roots; the IDs of results are known and not computed again.
fn payload(
    guarantees: Vec<CollectionGuarantee>,
    sealed: &[(&Record, &Seal)],
    included: &[&Record],
    protocol_state_id: Identifier,
) -> (Payload, PayloadRoots) {
    let executions = || included.iter().map(|record| &record.execution);
    let result_ids: Vec<_> = executions().map(|execution| execution.result_id).collect();
    let payload = Payload {
        guarantees,
        seals: sealed.iter().map(|(_, seal)| (*seal).clone()).collect(),
        receipts: executions().flat_map(|execution| execution.receipts.clone()).collect(),
        results: executions().map(|execution| (*execution.result).clone()).collect(),
        protocol_state_id,
    };
    let roots = payload_roots(&payload, &result_ids);
    (payload, roots)
}

fn certificate_of(parent: &Record) -> &QuorumCertificate {
    parent.qc.as_ref().expect("only certified blocks are extended")
}

/// Which of a state's epochs a view belongs to.
pub(super) fn epoch_at(state: &ProtocolState, view: u64) -> EpochName {
    if view > state.final_view() && state.next_commit().is_some() {
        EpochName::Next
    } else if view < state.first_view() && state.previous_commit().is_some() {
        EpochName::Previous
    } else {
        EpochName::Current
    }
}

/// Whether a node is ejected from one of a state's epochs.
pub(super) fn is_ejected(state: &ProtocolState, name: EpochName, id: &Identifier) -> bool {
    let nodes = state.container(name).map(|epoch| &epoch.active_identities[..]).unwrap_or_default();
    let place = nodes.binary_search_by_key(id, |node| node.node_id);
    place.is_ok_and(|place| nodes[place].ejected)
}

/// Least time from a block's to its child's (flow-go `cmd/consensus`, `--min-interval`).
const INTERVAL_MIN_MS: u64 = 1;
/// Most time from a block's to its child's (flow-go `cmd/consensus`, `--max-interval`).
const INTERVAL_MAX_MS: u64 = 90_000;
const EXECUTION_LATE_PER_MILLE: u32 = 100;
const APPROVALS_LATE_PER_MILLE: u32 = 100;
