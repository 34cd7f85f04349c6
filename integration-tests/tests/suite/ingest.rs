//! Reference chains over the Access API: every record as flow-go computed it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use tempfile::TempDir;
use weir_integration_tests::CHAINS;
use weir_integration_tests::access_node::{AccessNode, Faults, Offer, ServedChain};
use weir_integration_tests::follower::{Follower, check_all, check_finalized, check_same, options};
use weir_protocol::model::Identifier;
use weir_server::indexer::feed::Origin;
use weir_server::indexer::{End, IndexError};
use weir_server::source::access::SyncState;

const CHAIN: &str = "happy-epochs";

fn temporary() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[bounded::test]
async fn every_record_of_every_chain_agrees_with_flow_go() {
    for name in CHAINS {
        let chain = ServedChain::read(name).unwrap();
        let node = AccessNode::start(&chain).await;
        let data = temporary();
        let follower = Follower::start(data.path(), &chain, &[&node]).await.unwrap();
        follower.indexed(chain.blocks.len() as u64).await;
        check_all(&follower.prover, &chain);
        assert_eq!(follower.prover.latest().head().finalized.height, chain.finalized_height);
        assert_eq!(follower.stop().await.unwrap(), End::Stopped, "{name}");
    }
}

#[bounded::test]
async fn every_later_snapshot_is_a_checkpoint_to_begin_at() {
    for name in CHAINS {
        let chain = ServedChain::read(name).unwrap();
        let node = AccessNode::start(&chain).await;
        for (height, block_id) in chain.later_checkpoints() {
            let data = temporary();
            let origin = Origin::Checkpoint(block_id);
            let options = options(data.path(), &[&node]);
            let follower = Follower::start_at(data.path(), origin, options).await.unwrap();
            follower.indexed(chain.last_height() + 1 - height).await;
            check_all(&follower.prover, &chain);
            assert_eq!(follower.prover.head().first_height, height);
            follower.stop().await.unwrap();
        }
    }
}

/// The node shows one block more after each restart.
#[bounded::test]
async fn restarts_at_any_block_change_nothing() {
    let chain = ServedChain::read(CHAIN).unwrap();
    let node = AccessNode::start(&chain).await;
    let later = chain.later_checkpoints()[0];
    for (root, block_id) in [(chain.first_height(), chain.root_id()), later] {
        let origin = || Origin::Checkpoint(block_id);
        let undisturbed = temporary();
        node.grow_to(chain.last_height());
        let options_of = |data: &TempDir| options(data.path(), &[&node]);
        let expected = Follower::start_at(undisturbed.path(), origin(), options_of(&undisturbed))
            .await
            .unwrap();
        expected.indexed(chain.last_height() + 1 - root).await;

        let data = temporary();
        // Around a checkpoint every block counts; a whole chain takes some steps.
        let step = if root == chain.first_height() { 7 } else { 1 };
        for height in (root..chain.last_height()).step_by(step).chain([chain.last_height()]) {
            node.grow_to(height);
            let follower =
                Follower::start_at(data.path(), origin(), options_of(&data)).await.unwrap();
            follower.indexed(height + 1 - root).await;
            check_finalized(&follower.prover, &chain);
            if height == chain.last_height() {
                check_same(&follower.prover, &expected.prover);
            }
            assert_eq!(follower.stop().await.unwrap(), End::Stopped);
        }
        expected.stop().await.unwrap();
    }
}

#[bounded::test]
async fn new_blocks_come_in_by_subscription() {
    let chain = ServedChain::read(CHAIN).unwrap();
    let node = AccessNode::start(&chain).await;
    node.grow_to(1010);
    let data = temporary();
    let follower = Follower::start(data.path(), &chain, &[&node]).await.unwrap();
    follower.indexed(11).await;
    node.asked("subscribe_blocks_from_start_height", 1).await;
    let asked = node.requests("get_block_by_height");
    for height in 1011..=chain.last_height() {
        node.grow_to(height);
        follower.indexed(height - 999).await;
    }
    assert_eq!(node.requests("get_block_by_height"), asked);
    let live = |height| move |sync: &SyncState| matches!(sync, SyncState::Live { height: h, .. } if *h == height);
    follower.sync_is(live(chain.last_height())).await;
    check_all(&follower.prover, &chain);
    follower.stop().await.unwrap();
}

#[bounded::test]
async fn new_blocks_come_in_by_polling_where_there_is_no_subscription() {
    let chain = ServedChain::read(CHAIN).unwrap();
    let faults = Faults { subscription: Offer::None, hides_version: true, ..Faults::default() };
    let node = AccessNode::with_faults(&chain, faults).await;
    node.grow_to(1000);
    let data = temporary();
    let follower = Follower::start(data.path(), &chain, &[&node]).await.unwrap();
    for height in 1001..=chain.last_height() {
        node.grow_to(height);
        follower.indexed(height - 999).await;
    }
    assert_eq!(node.requests("subscribe_blocks_from_start_height"), 1);
    check_all(&follower.prover, &chain);
    follower.stop().await.unwrap();
}

#[bounded::test]
async fn a_snapshot_file_does_as_well_as_a_checkpoint() {
    let chain = ServedChain::read(CHAIN).unwrap();
    let node = AccessNode::start(&chain).await;
    for block_id in [chain.root_id(), chain.later_checkpoints()[0].1] {
        let mut stores = Vec::new();
        let file = Origin::Snapshot(chain.snapshots[&block_id].clone());
        for origin in [file, Origin::Checkpoint(block_id)] {
            let data = temporary();
            let options = options(data.path(), &[&node]);
            let follower = Follower::start_at(data.path(), origin, options).await.unwrap();
            follower.finalized(chain.finalized_height).await;
            follower.indexed(chain.last_height() + 1 - follower.prover.head().first_height).await;
            stores.push((follower, data));
        }
        check_same(&stores[0].0.prover, &stores[1].0.prover);
        for (follower, _data) in stores {
            follower.stop().await.unwrap();
        }
    }
}

#[bounded::test]
async fn a_checkpoint_that_no_node_knows_is_refused_with_each_answer() {
    let chain = ServedChain::read(CHAIN).unwrap();
    let nodes = [AccessNode::start(&chain).await, AccessNode::start(&chain).await];
    let data = temporary();
    let block_id = Identifier([7; 32]);
    let options = options(data.path(), &[&nodes[0], &nodes[1]]);
    let error = Follower::start_at(data.path(), Origin::Checkpoint(block_id), options).await;
    let error = error.unwrap_err();
    assert!(matches!(error, IndexError::NoCheckpoint { block_id: of, .. } if of == block_id));
    for text in [&nodes[0].url(), &nodes[1].url(), "block not found", "--root FILE"] {
        assert!(error.to_string().contains(text), "{error}");
    }
    // Nothing was begun.
    let follower = Follower::start(data.path(), &chain, &[&nodes[0]]).await.unwrap();
    follower.stop().await.unwrap();
}

#[bounded::test]
async fn a_store_begun_elsewhere_is_not_gone_on_with() {
    let chain = ServedChain::read(CHAIN).unwrap();
    let node = AccessNode::start(&chain).await;
    let data = temporary();
    let follower = Follower::start(data.path(), &chain, &[&node]).await.unwrap();
    follower.indexed(chain.blocks.len() as u64).await;
    follower.stop().await.unwrap();
    let start = |origin| Follower::start_at(data.path(), origin, options(data.path(), &[&node]));

    let other = ServedChain::read("ejection").unwrap();
    let error = start(Origin::Checkpoint(other.root_id())).await.unwrap_err();
    assert!(matches!(error, IndexError::AnotherCheckpoint { .. }), "{error}");
    let file = other.snapshots[&other.root_id()].clone();
    let error = start(Origin::Snapshot(file)).await.unwrap_err();
    assert!(matches!(error, IndexError::AnotherChain { field: "spork", .. }), "{error}");
    // Any block that the store has is a checkpoint of it.
    let later = chain.later_checkpoints()[0].1;
    start(Origin::Checkpoint(later)).await.unwrap().stop().await.unwrap();
}
