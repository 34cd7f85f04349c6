//! A protocol state version that is not known here: a real upgrade halts indexing, a claim does not.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, OnceLock};

use tempfile::TempDir;
use weir_integration_tests::access_node::{AccessNode, Faults, ServedChain};
use weir_integration_tests::follower::Follower;
use weir_proto::convert::{block_from_wire, block_to_wire};
use weir_proto::flow::entities;
use weir_protocol::model::{Block, Identifier};
use weir_server::indexer::{End, IndexError};
use weir_server::source::access::{Standing, SyncState};

use crate::signed::{Genesis, LAST, rehash};

/// First height, and view, of version 4; the newest known is 3.
const ACTIVATION: u64 = 5;
/// An upgrade is pending, as nobody would schedule it in a test network.
const GENESIS: Genesis = Genesis { chain_id: "flow-localnet", upgrade: Some((4, ACTIVATION)) };

/// Empty blocks up to the activation and beyond, each certified by the next.
fn chain() -> Arc<ServedChain> {
    static CHAIN: OnceLock<Arc<ServedChain>> = OnceLock::new();
    let upgraded = |block: &mut Block| {
        if block.header.view == ACTIVATION {
            // What only a newer version can compute.
            block.payload.protocol_state_id = Identifier([4; 32]);
        }
    };
    CHAIN.get_or_init(|| GENESIS.chain(upgraded)).clone()
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
         expected at most 3, found 4; the network upgraded to a protocol version that Weir",
        chain().id_at(ACTIVATION)
    );
    assert!(halted.to_string().starts_with(&reason), "{halted}");
    assert_eq!(follower.prover.latest().head().blocks, ACTIVATION);
    let error = follower.ends().await.unwrap_err();
    assert!(matches!(error, IndexError::Halted(_)), "{error}");
}

/// It goes on with the second node, which has nothing of the new version yet.
async fn goes_on(follower: &Follower, second: &AccessNode) {
    follower.indexed(ACTIVATION).await;
    let live = |sync: &SyncState| matches!(sync, SyncState::Live { upstream, height: 4, .. } if *upstream == second.url());
    follower.sync_is(live).await;
    assert!(follower.upstreams.borrow()[1].behaves());
}

/// The first node is followed no further, and the second one up to the real halt.
async fn is_wrong(node: AccessNode, reason: &str) {
    let second = honest(ACTIVATION - 1).await;
    let (follower, _data) = follow(&[&node, &second]).await;
    let found = follower.distrusts(0).await;
    assert!(found.contains(reason), "{reason}: {found}");
    goes_on(&follower, &second).await;
    second.grow_to(LAST);
    halts(follower).await;
}

/// As [`is_wrong`], but nothing shows yet that the first node is wrong.
async fn is_unproved(node: AccessNode) {
    let second = honest(ACTIVATION - 1).await;
    let (follower, _data) = follow(&[&node, &second]).await;
    follower.upstream_is(0, rests).await;
    goes_on(&follower, &second).await;
    second.grow_to(LAST);
    halts(follower).await;
}

fn rests(state: &Standing) -> bool {
    matches!(state, Standing::Resting { reason, .. } if reason.starts_with("not certified yet"))
}

#[bounded::test]
async fn a_certified_upgrade_halts_with_version_and_height() {
    for tip in [ACTIVATION + 1, LAST] {
        let node = honest(tip).await;
        let (follower, _data) = follow(&[&node]).await;
        halts(follower).await;
    }
}

/// Two nodes may have made it up together.
#[bounded::test]
async fn the_same_block_from_a_second_node_is_no_proof() {
    let nodes = [honest(ACTIVATION).await, honest(ACTIVATION).await];
    let (follower, _data) = follow(&[&nodes[0], &nodes[1]]).await;
    follower.upstream_is(0, rests).await;
    follower.upstream_is(1, rests).await;
    assert_eq!(follower.prover.latest().head().blocks, ACTIVATION);
    nodes[1].grow_to(ACTIVATION + 1);
    halts(follower).await;
}

#[bounded::test]
async fn alone_it_stalls_until_the_certificate_comes() {
    let node = honest(ACTIVATION).await;
    let (follower, _data) = follow(&[&node]).await;
    follower.upstream_is(0, rests).await;
    let claim = format!("not certified yet: block {}", chain().id_at(5));
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
    is_wrong(liar([forged], LAST).await, "at height 5, view 5: protocol state: unsupported").await;
}

#[bounded::test]
async fn a_block_with_forged_certificates_proves_nothing() {
    let qc = |height| chain().forged(height, |block| block.header.parent_voter_sig_data[24] ^= 1);
    is_unproved(liar([qc(ACTIVATION)], ACTIVATION).await).await;
    // The certificate for it.
    is_unproved(liar([qc(ACTIVATION + 1)], ACTIVATION + 1).await).await;
}

/// Long before its view has come; with a timeout certificate that is signed, or is not.
#[bounded::test]
async fn a_block_ahead_of_its_time_proves_nothing() {
    let (_, mut signers) = GENESIS.root();
    let mut ahead = block_from_wire(chain().blocks[&3].clone()).unwrap();
    let tc = signers.time_out(ACTIVATION - 1, &ahead.header.parent_qc());
    ahead.header.view = ACTIVATION;
    ahead.last_view_tc = Some(tc);
    rehash(&mut ahead);
    let signed = block_to_wire(&ahead);
    ahead.last_view_tc.as_mut().unwrap().newest_qc_views[1] ^= 1;
    rehash(&mut ahead);
    for block in [signed, block_to_wire(&ahead)] {
        is_unproved(liar([block], 3).await).await;
    }
}
