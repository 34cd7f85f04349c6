//! A protocol state version that is not known here: a real upgrade halts indexing, a claim does not.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use tempfile::TempDir;
use weir_devnet::certificates::{Timeout, UnsignedCertificate, Vote, timeout_certificate};
use weir_devnet::epoch::Epoch;
use weir_devnet::nodes::Nodes;
use weir_devnet::random::Random;
use weir_devnet::signer::Signer;
use weir_devnet::{Config, Network, config::RootConfig};
use weir_integration_tests::access_node::{AccessNode, Faults, ServedChain};
use weir_integration_tests::follower::Follower;
use weir_proto::convert::{block_from_wire, block_to_wire};
use weir_proto::flow::entities;
use weir_protocol::codec::snapshot::{Params, Snapshot};
use weir_protocol::codec::{Entity as _, entity_ids, payload_hash, payload_roots};
use weir_protocol::model::{
    Block, Header, Identifier, QuorumCertificate, TimeoutCertificate, ViewBasedActivator,
};
use weir_server::indexer::{End, IndexError};
use weir_server::source::access::{SyncState, UpstreamState};

/// First height, and view, of version 4; the newest known is 3.
const ACTIVATION: u64 = 5;
const LAST: u64 = 8;

/// Those who sign for the network.
struct Signers {
    epoch: Epoch,
    signer: Signer,
    random: Random,
}

impl Signers {
    fn certify(&mut self, header: &Header) -> QuorumCertificate {
        let vote = Vote { view: header.view, block_id: header.id() };
        let unsigned = UnsignedCertificate::new(&self.epoch, vote, |_| false, &mut self.random);
        unsigned.sign(&self.signer)
    }

    fn time_out(&mut self, view: u64, newest_qc: &QuorumCertificate) -> TimeoutCertificate {
        let timeout = Timeout { view, newest_qc, older_view: newest_qc.view };
        timeout_certificate(&self.epoch, &timeout, |_| false, &mut self.random, &self.signer)
    }
}

fn rehash(block: &mut Block) {
    let roots = payload_roots(&block.payload, &entity_ids(&block.payload.results));
    block.header.payload_hash = payload_hash(&roots);
    block.header.last_view_tc_id =
        block.last_view_tc.as_ref().map_or(Identifier::ZERO, |tc| tc.id());
}

fn signers(config: &Config, root: &Snapshot) -> Signers {
    let mut nodes = Nodes::new(config.seed);
    nodes.first(config);
    let epoch = Epoch::new(config.seed, &root.head_state().current_epoch_setup, &nodes);
    Signers { epoch, signer: Signer::new(), random: Random::new(config.seed, "upgrades", &[]) }
}

/// A network's root with an upgrade pending, as nobody would schedule it in a test network.
fn root() -> (Snapshot, Signers) {
    let root = RootConfig { protocol_version: 3, ..Config::default().root };
    let config = Config { seed: 3, root, ..Config::default() };
    let network = Network::new(config.clone()).unwrap();
    let mut signers = signers(&config, network.root());
    let mut segment = network.root().sealing_segment().clone();
    let mut state = network.root().head_state().clone();
    let upgrade = ViewBasedActivator { data: 4, activation_view: ACTIVATION };
    state.kv_store.version_upgrade = Some(upgrade);
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

/// An empty block of the next view.
fn child(parent: &Block, qc: &QuorumCertificate) -> Block {
    let mut block = parent.clone();
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
    if block.header.view == ACTIVATION {
        // What only a newer version can compute.
        block.payload.protocol_state_id = Identifier([4; 32]);
    }
    rehash(&mut block);
    block
}

/// Empty blocks up to the activation and beyond, each certified by the next.
fn chain() -> Arc<ServedChain> {
    static CHAIN: OnceLock<Arc<ServedChain>> = OnceLock::new();
    let make = || {
        let (root, mut signers) = root();
        let mut block = root.head().clone();
        let mut blocks = BTreeMap::from([(0, block_to_wire(&block))]);
        for height in 1..=LAST {
            let qc = signers.certify(&block.header);
            block = child(&block, &qc);
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
    };
    CHAIN.get_or_init(make).clone()
}

async fn honest(tip: u64) -> AccessNode {
    let node = AccessNode::start(&chain()).await;
    node.grow_to(tip);
    node
}

/// A node with other blocks of its own.
async fn liar(blocks: impl IntoIterator<Item = entities::Block>, tip: u64) -> AccessNode {
    let blocks = blocks.into_iter().map(|block| (block.height, block)).collect();
    let node = AccessNode::with_faults(&chain(), Faults { blocks, ..Faults::default() }).await;
    node.grow_to(tip);
    node
}

async fn follow(nodes: &[&AccessNode]) -> (Follower, TempDir) {
    let data = tempfile::tempdir().unwrap();
    (Follower::start(data.path(), &chain(), nodes).await.unwrap(), data)
}

/// It halts at the real block, having indexed those before it.
async fn halts(follower: Follower) {
    let halted = follower.sync_is(|sync| matches!(sync, SyncState::Halted { .. })).await;
    let reason = format!(
        "halted: block {} at height 5, view 5: protocol state: unsupported protocol state version, \
         expected at most 3, found 4",
        chain().id_at(ACTIVATION)
    );
    assert_eq!(halted.to_string(), reason);
    assert_eq!(follower.prover.latest().head().blocks, ACTIVATION);
    let error = follower.ends().await.unwrap_err();
    assert!(matches!(error, IndexError::Ingest(_)), "{error}");
}

/// It goes on with the second node, which has nothing of the new version yet.
async fn goes_on(follower: &Follower, second: &AccessNode) {
    follower.indexed(ACTIVATION).await;
    let live = |sync: &SyncState| matches!(sync, SyncState::Live { upstream, height: 4, .. } if *upstream == second.url());
    follower.sync_is(live).await;
    assert_eq!(follower.upstreams.borrow()[1], UpstreamState::Good);
}

async fn is_wrong(node: AccessNode, reason: &str) {
    let second = honest(ACTIVATION - 1).await;
    let (follower, _data) = follow(&[&node, &second]).await;
    let found = follower.distrusts(0).await;
    assert!(found.contains(reason), "{reason}: {found}");
    goes_on(&follower, &second).await;
    second.grow_to(LAST);
    halts(follower).await;
}

fn rests(state: &UpstreamState) -> bool {
    matches!(state, UpstreamState::Resting { reason } if reason.starts_with("not certified yet"))
}

#[bounded::test]
async fn a_certified_upgrade_halts_with_version_and_height() {
    for tip in [ACTIVATION + 1, LAST] {
        let node = honest(tip).await;
        let (follower, _data) = follow(&[&node]).await;
        halts(follower).await;
    }
}

#[bounded::test]
async fn the_same_block_from_a_second_node_halts() {
    let nodes = [honest(ACTIVATION).await, honest(ACTIVATION).await];
    let (follower, _data) = follow(&[&nodes[0], &nodes[1]]).await;
    halts(follower).await;
}

#[bounded::test]
async fn alone_it_stalls_until_the_certificate_comes() {
    let node = honest(ACTIVATION).await;
    let (follower, _data) = follow(&[&node]).await;
    follower.upstream_is(0, rests).await;
    let claim = format!("not certified yet, nor had by a second node: block {}", chain().id_at(5));
    let unproved =
        |sync: &SyncState| matches!(sync, SyncState::Stalled { reason } if reason.contains(&claim));
    let stalled = follower.sync_is(unproved).await;
    assert!(stalled.to_string().contains("at height 5, view 5"), "{stalled}");
    // However often it says so.
    node.asked("get_network_parameters", 4).await;
    follower.sync_is(unproved).await;
    node.grow_to(ACTIVATION + 1);
    halts(follower).await;
}

#[bounded::test]
async fn a_forged_block_does_not_halt() {
    let forged = chain().forged(ACTIVATION, |block| block.header.timestamp_ms += 1);
    let bad = liar([forged], ACTIVATION).await;
    let second = honest(ACTIVATION - 1).await;
    let (follower, _data) = follow(&[&bad, &second]).await;
    follower.upstream_is(0, rests).await;
    goes_on(&follower, &second).await;
    assert_eq!(follower.stop().await.unwrap(), End::Stopped);

    // The real one halts all the same, and the forged one confirms nothing.
    let (follower, _data) = follow(&[&bad, &second]).await;
    follower.upstream_is(0, rests).await;
    goes_on(&follower, &second).await;
    second.grow_to(LAST);
    halts(follower).await;
}

#[bounded::test]
async fn a_forged_block_below_the_real_ones_is_a_wrong_answer() {
    let forged = chain().forged(ACTIVATION, |block| block.header.timestamp_ms += 1);
    let next = chain().id_at(ACTIVATION + 1);
    let reason = format!("block {next} at height 6, view 6: parent: expected a block read before");
    is_wrong(liar([forged], LAST).await, &reason).await;
}

#[bounded::test]
async fn a_block_with_forged_certificates_is_a_wrong_answer() {
    let qc = |height| chain().forged(height, |block| block.header.parent_voter_sig_data[24] ^= 1);
    is_wrong(liar([qc(ACTIVATION)], ACTIVATION).await, "height 5, view 5: quorum certificate")
        .await;
    // The certificate for it.
    let child = qc(ACTIVATION + 1);
    is_wrong(liar([child], ACTIVATION + 1).await, "height 6, view 6: quorum certificate").await;
}

/// Long before its view has come, only a timeout certificate leads to the activation.
#[bounded::test]
async fn a_block_ahead_of_its_time_needs_a_timeout_certificate() {
    let (_, mut signers) = root();
    let mut ahead = block_from_wire(chain().blocks[&3].clone()).unwrap();
    let tc = signers.time_out(ACTIVATION - 1, &ahead.header.parent_qc());
    ahead.header.view = ACTIVATION;
    ahead.last_view_tc = Some(tc);
    rehash(&mut ahead);
    let signed = block_to_wire(&ahead);
    ahead.last_view_tc.as_mut().unwrap().newest_qc_views[1] ^= 1;
    rehash(&mut ahead);
    is_wrong(liar([block_to_wire(&ahead)], 3).await, "height 3, view 5: timeout certificate").await;

    // Signed as it must be, it is only not proved.
    let bad = liar([signed], 3).await;
    let second = honest(ACTIVATION - 1).await;
    let (follower, _data) = follow(&[&bad, &second]).await;
    follower.upstream_is(0, rests).await;
    goes_on(&follower, &second).await;
    follower.stop().await.unwrap();
}
