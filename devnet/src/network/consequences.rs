//! What follows from a block: its proposer's vote, its execution, its certificate, the approval of
//! what its parent includes, and the next collections.
//!
//! Nearly all of a network's time goes into signatures, so all of a block's are made together.

use std::sync::Arc;

use weir_protocol::model::{CollectionGuarantee, ExecutionResult, Identifier};
use weir_protocol::protocol_state::{EpochName, ProtocolState};

use super::Network;
use super::pace::{Fate, Slot};
use super::proposal::{Proposal, is_ejected};
use crate::approvals::{self, UnsignedSeal};
use crate::certificates::{UnsignedCertificate, Vote, VotingKeys, vote_jobs, votes};
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
        let seals = self.approve(slot, random);
        let is_certified = slot.fate != Fate::TimedOut;
        let certificate =
            is_certified.then(|| self.certificate(slot, block_id, &proposal.state, random));
        let mut voters = vec![self.proposer_keys(&proposal)];
        voters.extend(certificate.iter().map(UnsignedCertificate::keys));
        let mut jobs = vote_jobs(Vote { view: slot.view, block_id }, &voters).to_vec();
        jobs.extend(execution.0.jobs());
        jobs.extend(seals.iter().flat_map(UnsignedSeal::jobs));
        let count = random.between(0, u64::from(self.config.guarantees_per_block_max));
        let collections = self.collect(count, random);
        jobs.extend(collections.iter().map(Proposed::job));

        let signed = &mut self.signer.sign(jobs).into_iter();
        let mut votes = votes(signed);
        let proposer_vote = votes.next().expect("the proposer votes");
        let qc = certificate.zip(votes.next()).map(|(certificate, vote)| certificate.signed(vote));
        let (execution, contract) = (execution.0.signed(signed), execution.1);
        let approved = seals.into_iter().map(|seal| seal.signed(signed)).collect();
        for proposed in collections {
            self.guarantees.push(self.collections.certify(proposed, signed));
        }
        self.collect_more(count, random);
        Record {
            block: Arc::new(proposal.block),
            proposer_sig_data: proposer_vote.map(|signature| signature.to_bytes()).concat(),
            roots: proposal.roots,
            state: proposal.state,
            contract,
            execution,
            approved,
            last_sealed: proposal.last_sealed,
            included_height: proposal.included_height,
            version_beacon: proposal.version_beacon,
            qc,
        }
    }

    /// The keys of the proposer, who votes for its block by proposing it.
    fn proposer_keys(&mut self, proposal: &Proposal) -> VotingKeys {
        let epoch = self.epoch(&proposal.state, EpochName::Current);
        let leader = &proposal.block.header.proposer_id;
        epoch.voting_keys(leader).expect("leaders are of the committee")
    }

    /// Has the results approved that the parent includes, as its certificate is known now.
    fn approve(&self, slot: &Slot, random: &mut Random) -> Vec<UnsignedSeal> {
        let parent = self.records.get(&slot.parent_id).expect("the parent was just extended");
        let qc = parent.qc.as_ref().expect("only certified blocks are extended");
        let results = parent.block.payload.results.iter();
        let approve = |result: &ExecutionResult| {
            let record = self.records.get(&result.block_id).expect("unsealed blocks are kept");
            let (execution, state, alpha) =
                (&record.execution, &*record.state, self.config.chunk_alpha());
            let task = approvals::Task { execution, state, qc, alpha };
            UnsignedSeal::new(&task, &self.nodes, random)
        };
        results.map(approve).collect()
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
