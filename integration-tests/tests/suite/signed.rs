//! A short chain of empty blocks, signed by a simulated committee, in which any block may break a rule
//! and be certified all the same.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use weir_devnet::certificates::{Timeout, UnsignedCertificate, Vote, timeout_certificate};
use weir_devnet::epoch::Epoch;
use weir_devnet::nodes::Nodes;
use weir_devnet::random::Random;
use weir_devnet::signer::Signer;
use weir_devnet::{Config, Network, config::RootConfig};
use weir_integration_tests::access_node::ServedChain;
use weir_proto::convert::block_to_wire;
use weir_protocol::codec::snapshot::{Params, Snapshot};
use weir_protocol::codec::{Entity as _, entity_ids, payload_hash, payload_roots};
use weir_protocol::model::{
    Block, EpochSetup, Header, Identifier, QuorumCertificate, ServiceEvent, TimeoutCertificate,
    ViewBasedActivator,
};

/// Height of the last block; the root's is 0.
pub(crate) const LAST: u64 = 8;

/// A network before its first block.
#[derive(Clone, Debug)]
pub(crate) struct Genesis {
    /// Its chain.
    pub(crate) chain_id: &'static str,
    /// The protocol state version to come, and from which view on.
    pub(crate) upgrade: Option<(u64, u64)>,
}

/// Those who sign for the network.
pub(crate) struct Signers {
    epoch: Epoch,
    signer: Signer,
    random: Random,
}

impl Signers {
    pub(crate) fn certify(&mut self, header: &Header) -> QuorumCertificate {
        let vote = Vote { view: header.view, block_id: header.id() };
        let unsigned = UnsignedCertificate::new(&self.epoch, vote, |_| false, &mut self.random);
        unsigned.sign(&self.signer)
    }

    pub(crate) fn time_out(
        &mut self,
        view: u64,
        newest_qc: &QuorumCertificate,
    ) -> TimeoutCertificate {
        let timeout = Timeout { view, newest_qc, older_view: newest_qc.view };
        timeout_certificate(&self.epoch, &timeout, |_| false, &mut self.random, &self.signer)
    }
}

/// Makes the header commit to what the block holds.
pub(crate) fn rehash(block: &mut Block) {
    let roots = payload_roots(&block.payload, &entity_ids(&block.payload.results));
    block.header.payload_hash = payload_hash(&roots);
    block.header.last_view_tc_id =
        block.last_view_tc.as_ref().map_or(Identifier::ZERO, |tc| tc.id());
}

/// Those who sign in the epoch of a setup, and the nodes of it.
fn signers(config: &Config, setup: &EpochSetup) -> (Signers, Nodes) {
    let mut nodes = Nodes::new(config.seed);
    nodes.first(config);
    let epoch = Epoch::new(config.seed, setup, &nodes);
    let random = Random::new(config.seed, "signed", &[]);
    (Signers { epoch, signer: Signer::new(), random }, nodes)
}

/// An epoch after the root's that nobody but its own nodes knows of: who signs in it, and the service
/// events that make it the next.
pub(crate) fn made_up_epoch(root: &Snapshot) -> (Signers, Vec<ServiceEvent>) {
    let config = Config { seed: 9, ..Config::default() };
    let network = Network::new(config.clone()).unwrap();
    let before = &root.head_state().current_epoch_setup;
    let setup = EpochSetup::clone(&network.root().head_state().current_epoch_setup);
    let shift = before.final_view + 1 - setup.first_view;
    let setup = EpochSetup {
        counter: before.counter + 1,
        first_view: setup.first_view + shift,
        dkg_phase1_final_view: setup.dkg_phase1_final_view + shift,
        dkg_phase2_final_view: setup.dkg_phase2_final_view + shift,
        dkg_phase3_final_view: setup.dkg_phase3_final_view + shift,
        final_view: setup.final_view + shift,
        ..setup
    };
    let (signers, nodes) = signers(&config, &setup);
    let commit = Epoch::commit(config.seed, &setup, &nodes);
    let events = [ServiceEvent::EpochSetup(setup.into()), ServiceEvent::EpochCommit(commit.into())];
    (signers, events.into())
}

impl Genesis {
    /// The network's root, and who signs.
    pub(crate) fn root(&self) -> (Snapshot, Signers) {
        let root = RootConfig { protocol_version: 3, ..Config::default().root };
        let chain_id = self.chain_id.to_owned();
        let config = Config { seed: 3, chain_id, root, ..Config::default() };
        let network = Network::new(config.clone()).unwrap();
        let (mut signers, _) = signers(&config, &network.root().head_state().current_epoch_setup);
        let mut segment = network.root().sealing_segment().clone();
        let mut state = network.root().head_state().clone();
        let upgrade = |(data, activation_view)| ViewBasedActivator { data, activation_view };
        state.kv_store.version_upgrade = self.upgrade.map(upgrade);
        let mut block = network.root().head().clone();
        block.payload.protocol_state_id = state.kv_store.id();
        rehash(&mut block);
        let spork_id = block.header.id();
        let qc = signers.certify(&block.header);
        segment.protocol_state_entries = [(state.kv_store.id(), state)].into();
        segment.execution_results[0].block_id = spork_id;
        let seal = segment.first_seal.as_mut().unwrap();
        (seal.block_id, seal.result_id) = (spork_id, segment.execution_results[0].id());
        segment.latest_seals = [(spork_id, seal.id())].into();
        segment.blocks = vec![block.clone()];
        segment.spork_root_block = block;
        let params = Params { spork_id, ..network.root().params().clone() };
        (Snapshot::new(segment, qc, params, None).unwrap(), signers)
    }

    /// Empty blocks, each certified by the next, and changed before anybody signs it.
    pub(crate) fn chain(&self, change: impl Fn(&mut Block)) -> Arc<ServedChain> {
        let (root, mut signers) = self.root();
        let mut block = root.head().clone();
        let mut blocks = BTreeMap::from([(0, block_to_wire(&block))]);
        for height in 1..=LAST {
            let qc = signers.certify(&block.header);
            block = child(&block, &qc);
            change(&mut block);
            rehash(&mut block);
            blocks.insert(height, block_to_wire(&block));
        }
        let params = root.params();
        Arc::new(ServedChain {
            blocks,
            rows: BTreeMap::new(),
            forks: Vec::new(),
            snapshots: HashMap::from([(params.spork_id, root.to_json())]),
            finalized_height: LAST - 2,
            chain_id: params.chain_id.clone(),
            spork_id: params.spork_id,
        })
    }
}

/// An empty block of the next view.
pub(crate) fn child(parent: &Block, qc: &QuorumCertificate) -> Block {
    let mut block = parent.clone();
    block.last_view_tc = None;
    block.header = Header {
        parent_id: parent.header.id(),
        height: parent.header.height + 1,
        timestamp_ms: parent.header.timestamp_ms + 1000,
        view: parent.header.view + 1,
        parent_view: qc.view,
        // The root has none.
        proposer_id: Identifier([1; 32]),
        parent_voter_indices: qc.signer_indices.clone(),
        parent_voter_sig_data: qc.sig_data.clone(),
        ..parent.header.clone()
    };
    block
}
