//! The root: first block, first epoch, and the snapshot of both.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_protocol::codec::snapshot::{Params, ProtocolStateEntry, SealingSegment, Snapshot};
use weir_protocol::codec::{Entity as _, payload_hash};
use weir_protocol::merkle;
use weir_protocol::model::{
    Block, DynamicIdentityEntry, EpochStateContainer, EpochStateEntry, ExecutionMeteringParameters,
    ExecutionParameters, Header, Identifier, KvStore, MagnitudeVersion, Payload, PayloadRoots,
    Seal, ServiceEvent, UpdatableField,
};
use weir_protocol::protocol_state::{EpochEvents, ProtocolState, UntrustedProtocolState};

use crate::certificates::{UnsignedCertificate, Vote};
use crate::config::{Config, ConfigError};
use crate::contract::{Contract, SetupParts, setup_of};
use crate::epoch::Epoch;
use crate::execution::Execution;
use crate::nodes::Nodes;
use crate::random::{Random, hash};
use crate::record::Record;
use crate::signer::Signer;

/// Where a network begins.
#[derive(Debug)]
pub(crate) struct Genesis {
    /// The trusted snapshot.
    pub(crate) snapshot: Snapshot,
    /// Its head.
    pub(crate) record: Record,
    /// The head's ID.
    pub(crate) block_id: Identifier,
}

impl Genesis {
    /// The root of the network.
    pub(crate) fn new(
        config: &Config,
        nodes: &mut Nodes,
        signer: &Signer,
    ) -> Result<Self, ConfigError> {
        let approved = nodes.first(config);
        let events = first_epoch(config, approved.iter().map(|node| &node.skeleton), nodes);
        let setup = Arc::clone(&events.setup);
        let service_events: Vec<ServiceEvent> = [ServiceEvent::EpochSetup((*setup).clone().into())]
            .into_iter()
            .chain(events.commit.iter().map(|c| ServiceEvent::EpochCommit((**c).clone().into())))
            .collect();
        let state = Arc::new(root_state(config, events));
        let root = root_block(config, state.id());
        let block_id = root.0.header.id();
        let final_state = hash(config.seed, "root state", &[]);
        let execution = Execution::root(block_id, service_events, final_state);
        let epoch = Epoch::new(config.seed, &setup, nodes);
        let mut random = Random::new(config.seed, "qc", &[&block_id.0]);
        let vote = Vote { view: config.root.view, block_id };
        let qc = UnsignedCertificate::new(&epoch, vote, |_| false, &mut random);
        let qc = qc.sign(signer);
        let record = Record::root(root, state, Contract::new(approved, setup), execution, qc);
        let snapshot = snapshot(config, &record, block_id)?;
        Ok(Self { snapshot, record, block_id })
    }
}

fn first_epoch<'a>(
    config: &Config,
    participants: impl Iterator<Item = &'a weir_protocol::model::IdentitySkeleton>,
    nodes: &Nodes,
) -> EpochEvents {
    let parts = SetupParts {
        counter: config.root.epoch_counter,
        first_view: config.root.view,
        participants: participants.cloned().collect(),
        block_id: Identifier::ZERO,
    };
    let setup = setup_of(parts, config);
    let commit = Epoch::commit(config.seed, &setup, nodes);
    EpochEvents { setup: Arc::new(setup), commit: Some(Arc::new(commit)) }
}

fn root_state(config: &Config, events: EpochEvents) -> ProtocolState {
    let nodes = events.setup.participants.iter();
    let current_epoch = EpochStateContainer {
        setup_id: events.setup.id(),
        commit_id: events.commit.as_ref().map_or(Identifier::ZERO, |commit| commit.id()),
        active_identities: nodes
            .map(|node| DynamicIdentityEntry { node_id: node.node_id, ejected: false })
            .collect(),
        epoch_extensions: Vec::new(),
    };
    let epoch_state = EpochStateEntry {
        previous_epoch: None,
        current_epoch,
        next_epoch: None,
        epoch_fallback_triggered: false,
    };
    let version = config.root.protocol_version;
    let kv = KvStore {
        version,
        version_upgrade: None,
        epoch_state_id: epoch_state.id(),
        epoch_extension_view_count: config.epochs.extension_view_count,
        finalization_safety_threshold: config.epochs.finalization_safety_threshold,
        execution: (version == 3).then(execution_parameters),
        snapshot_tree_root: None,
    };
    let parts =
        UntrustedProtocolState { kv, epoch_state, previous: None, current: events, next: None };
    ProtocolState::new(parts).expect("every part was made from the one it names")
}

/// What a network starts with at version 3: no weights, no memory limit, versions 0.0.
fn execution_parameters() -> ExecutionParameters {
    let metering = ExecutionMeteringParameters {
        execution_memory_limit: u64::MAX,
        ..ExecutionMeteringParameters::default()
    };
    let zero = UpdatableField { current_value: MagnitudeVersion::default(), update: None };
    ExecutionParameters {
        metering: UpdatableField { current_value: metering, update: None },
        execution_component_version: zero.clone(),
        cadence_component_version: zero,
    }
}

/// The root block, and the roots that its payload hash covers.
fn root_block(config: &Config, protocol_state_id: Identifier) -> (Block, PayloadRoots) {
    let empty = merkle::root(&[]);
    let roots = PayloadRoots {
        guarantees_root: empty,
        seals_root: empty,
        receipts_root: empty,
        results_root: empty,
        protocol_state_id,
    };
    let header = Header {
        chain_id: config.chain_id.clone(),
        parent_id: hash(config.seed, "root parent", &[]),
        height: config.root.height,
        payload_hash: payload_hash(&roots),
        timestamp_ms: config.root.timestamp_ms,
        view: config.root.view,
        parent_view: 0,
        parent_voter_indices: Vec::new(),
        parent_voter_sig_data: Vec::new(),
        proposer_id: Identifier::ZERO,
        last_view_tc_id: Identifier::ZERO,
    };
    let payload = Payload {
        guarantees: Vec::new(),
        seals: Vec::new(),
        receipts: Vec::new(),
        results: Vec::new(),
        protocol_state_id,
    };
    (Block { header, last_view_tc: None, payload, proposer_sig_data: Vec::new() }, roots)
}

fn snapshot(config: &Config, root: &Record, block_id: Identifier) -> Result<Snapshot, ConfigError> {
    let block = (*root.block).clone();
    let seal = Seal {
        block_id,
        result_id: root.execution.result_id,
        final_state: root.execution.final_state(),
        aggregated_approval_sigs: Vec::new(),
    };
    let states = BTreeMap::from([(root.state.id(), ProtocolStateEntry::of(&root.state))]);
    let segment = SealingSegment {
        blocks: vec![block.clone()],
        extra_blocks: Vec::new(),
        execution_results: vec![(*root.execution.result).clone()],
        latest_seals: BTreeMap::from([(block_id, seal.id())]),
        first_seal: Some(seal),
        protocol_state_entries: states,
        spork_root_block: block,
    };
    let params = Params {
        chain_id: config.chain_id.clone(),
        spork_id: block_id,
        spork_root_block_height: config.root.height,
        spork_root_block_view: config.root.view,
    };
    let qc = root.qc.clone().expect("the root is certified");
    Ok(Snapshot::new(segment, qc, params, None)?)
}
