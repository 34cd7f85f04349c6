//! What follows from a block: its execution, its certificate, and the next collections.
//!
//! Nearly all of a network's time goes into signatures, so all of a block's are made together.

use std::sync::Arc;

use weir_protocol::model::{CollectionGuarantee, Identifier};
use weir_protocol::protocol_state::{EpochName, ProtocolState};

use super::Network;
use super::pace::{Fate, Slot};
use super::proposal::{Proposal, is_ejected};
use crate::certificates::{UnsignedCertificate, Vote};
use crate::collections::{Proposed, Reference};
use crate::contract::{Contract, Environment, ExecutedBlock};
use crate::execution::{Task, UnsignedExecution};
use crate::random::Random;
use crate::record::Record;

impl Network {
    /// Executes and certifies a block.
    pub(super) fn conclude(
        &mut self,
        slot: &Slot,
        block_id: Identifier,
        proposal: Proposal,
        random: &mut Random,
    ) -> Record {
        let execution = self.execute(slot, block_id, &proposal, random);
        let mut jobs = execution.0.jobs();
        let is_certified = slot.fate != Fate::TimedOut;
        let certificate =
            is_certified.then(|| self.certificate(slot, block_id, &proposal.state, random));
        jobs.extend(certificate.iter().flat_map(UnsignedCertificate::jobs));
        let count = random.between(0, u64::from(self.config.guarantees_per_block_max));
        let collections = self.collect(count, random);
        jobs.extend(collections.iter().map(Proposed::job));

        let signed = &mut self.signer.sign(jobs).into_iter();
        let (execution, contract) = (execution.0.signed(signed), execution.1);
        let qc = certificate.map(|certificate| certificate.signed(signed));
        for proposed in collections {
            self.guarantees.push(self.collections.certify(proposed, signed));
        }
        self.collect_more(count, random);
        let Proposal { block, roots, state, last_sealed, included_height, version_beacon } =
            proposal;
        let block = Arc::new(block);
        Record {
            block,
            roots,
            state,
            contract,
            execution,
            last_sealed,
            included_height,
            version_beacon,
            qc,
        }
    }

    fn execute(
        &mut self,
        slot: &Slot,
        block_id: Identifier,
        proposal: &Proposal,
        random: &mut Random,
    ) -> (UnsignedExecution, Contract) {
        let Proposal { block, state, last_sealed, .. } = proposal;
        let parent = self.records.get(&slot.parent_id).expect("the parent was just extended");
        let parent = Arc::clone(parent);
        let executed = ExecutedBlock {
            block_id,
            height: block.header.height,
            view: slot.view,
            state,
            sealed_height: last_sealed.height,
        };
        let mut environment =
            Environment { config: &self.config, log: &self.log, nodes: &mut self.nodes };
        let (contract, events) = parent.contract.execute(&executed, &mut environment);
        let collections = block.payload.guarantees.len();
        let task = Task { block_id, collections, parent: &parent.execution, state, events };
        let execution = UnsignedExecution::new(task, &self.nodes, &mut self.spocks, random);
        (execution, contract)
    }

    fn certificate(
        &mut self,
        slot: &Slot,
        block_id: Identifier,
        state: &ProtocolState,
        random: &mut Random,
    ) -> UnsignedCertificate {
        let epoch = self.epoch(state, EpochName::Current);
        let vote = Vote { view: slot.view, block_id };
        let is_absent = |id: &Identifier| is_ejected(state, EpochName::Current, id);
        UnsignedCertificate::new(&epoch, vote, is_absent, random)
    }

    /// At most so many collections, whose reference is final, by clusters of that block's epoch.
    fn collect(&mut self, count: u64, random: &mut Random) -> Vec<Proposed> {
        let reference_id = self.forks.latest_finalized().block_id;
        let Some(record) = self.record(&reference_id) else { return Vec::new() };
        let timestamp_ms = record.block.header.timestamp_ms;
        let state = Arc::clone(&record.state);
        let epoch = self.epoch(&state, EpochName::Current);
        let reference = Reference { block_id: reference_id, timestamp_ms };
        self.collections.propose(&epoch, reference, count, random)
    }

    /// Where there are more collections than clusters, these make several, one after the other.
    fn collect_more(&mut self, count: u64, random: &mut Random) {
        loop {
            let missing = count.saturating_sub(self.guarantees.len() as u64);
            let proposed = self.collect(missing, random);
            if proposed.is_empty() {
                return;
            }
            let signed = self.signer.sign(proposed.iter().map(Proposed::job).collect());
            let mut signed = signed.into_iter();
            let certify = |proposed| self.collections.certify(proposed, &mut signed);
            let more: Vec<CollectionGuarantee> = proposed.into_iter().map(certify).collect();
            self.guarantees.extend(more);
        }
    }
}
