//! Nodes that fail, stall or fall behind, before one that does not: following goes on with the
//! other, and with the first again once it answers.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tempfile::TempDir;
use weir_integration_tests::access_node::{
    AccessNode, Connection, Faults, Offer, Order, ServedChain,
};
use weir_integration_tests::follower::{Follower, check_all, check_finalized, options};
use weir_proto::flow::entities;
use weir_server::indexer::IndexError;
use weir_server::indexer::feed::Origin;
use weir_server::source::access::{
    AccessOptions, Fetcher, Handle, Network, SporkBasis, Standing, SyncState,
};

const CHAIN: &str = "happy-epochs";
const PATIENCE: Duration = Duration::from_secs(40);

fn chain() -> Arc<ServedChain> {
    static CHAIN_READ: OnceLock<Arc<ServedChain>> = OnceLock::new();
    CHAIN_READ.get_or_init(|| ServedChain::read(CHAIN).unwrap()).clone()
}

fn connection(connection: Connection) -> Faults {
    Faults { connection, ..Faults::default() }
}

fn subscription(subscription: Offer) -> Faults {
    Faults { subscription, ..Faults::default() }
}

fn impatient(data: &TempDir, nodes: &[&AccessNode]) -> AccessOptions {
    let request_timeout = Duration::from_millis(500);
    AccessOptions { request_timeout, ..options(data.path(), nodes) }
}

async fn follow(data: &TempDir, nodes: &[&AccessNode]) -> Follower {
    // The snapshot is given, as fetching it has a timeout of its own.
    let origin = Origin::Snapshot(chain().snapshots[&chain().root_id()].clone());
    Follower::start_at(data.path(), origin, impatient(data, nodes)).await.unwrap()
}

fn rests(text: &str) -> impl Fn(&Standing) -> bool {
    move |state| matches!(state, Standing::Resting { reason, .. } if reason.contains(text))
}

/// What goes wrong with connections and answers, and what is said of it.
fn failures() -> Vec<(Faults, &'static str)> {
    let dripping = Connection::ByteByByte { pause: Duration::from_millis(2) };
    vec![
        // The connection itself may be what takes too long.
        (connection(Connection::Hangs), ""),
        (Faults { hangs_from: Some(1), ..Faults::default() }, "no answer within"),
        (Faults { hangs_from: Some(9), ..Faults::default() }, "no answer within"),
        (connection(Connection::Resets { after: 0 }), ""),
        (connection(Connection::Resets { after: 20_000 }), ""),
        (connection(dripping), ""),
    ]
}

#[bounded::test]
async fn another_node_takes_over_from_one_that_fails() {
    for (faults, reason) in failures() {
        let run = format!("{faults:?}");
        let bad = AccessNode::with_faults(&chain(), faults).await;
        let good = AccessNode::start(&chain()).await;
        let data = tempfile::tempdir().unwrap();
        let follower = follow(&data, &[&bad, &good]).await;
        follower.finalized(chain().finalized_height).await;
        check_finalized(&follower.prover, &chain());
        follower.indexed(chain().blocks.len() as u64).await;
        check_all(&follower.prover, &chain());
        let state = follower.upstreams.borrow()[0].clone();
        assert!(rests(reason)(&state), "{state:?}; {run}");
        let live = follower.sync_is(|sync| matches!(sync, SyncState::Live { .. })).await;
        assert!(live.to_string().contains(&good.url()), "{live}");
        assert!(!data.path().join("wrong-answers").exists(), "{run}");
        follower.stop().await.unwrap();
    }
}

/// Each of the first two fails more slowly than the other one rests.
#[bounded::test]
async fn each_node_is_asked_once_before_one_is_asked_again() {
    let mute = || Faults { hangs_from: Some(1), ..Faults::default() };
    let first = AccessNode::with_faults(&chain(), mute()).await;
    let second = AccessNode::with_faults(&chain(), mute()).await;
    let third = AccessNode::start(&chain()).await;
    let data = tempfile::tempdir().unwrap();
    let follower = follow(&data, &[&first, &second, &third]).await;
    follower.indexed(chain().blocks.len() as u64).await;
    let asked = [&first, &second].map(|node| node.requests("get_network_parameters"));
    assert_eq!(asked, [1, 1]);
    follower.stop().await.unwrap();
}

#[bounded::test]
async fn alone_it_stalls_and_goes_on_as_soon_as_it_answers() {
    for (faults, reason) in failures() {
        let run = format!("{faults:?}");
        let nodes = [
            AccessNode::with_faults(&chain(), faults.clone()).await,
            AccessNode::with_faults(&chain(), faults).await,
        ];
        let data = tempfile::tempdir().unwrap();
        let follower = follow(&data, &[&nodes[0], &nodes[1]]).await;
        let names_both = |sync: &SyncState| match sync {
            SyncState::Stalled { reason: text } => {
                nodes.iter().all(|node| text.contains(&format!("{}: ", node.url())))
                    && text.contains(reason)
                    && !text.contains("no answer yet")
            }
            _ => false,
        };
        follower.sync_is(names_both).await;
        nodes[1].set_faults(Faults::default());
        follower.indexed(chain().blocks.len() as u64).await;
        check_all(&follower.prover, &chain());
        follower.upstream_is(1, |state| *state == Standing::Good).await;
        assert!(!data.path().join("wrong-answers").exists(), "{run}");
        follower.stop().await.unwrap();
    }
}

#[bounded::test]
async fn slow_is_no_fault_when_it_is_fast_enough() {
    let dripping = connection(Connection::ByteByByte { pause: Duration::ZERO });
    let node = AccessNode::with_faults(&chain(), dripping).await;
    node.grow_to(1010);
    let data = tempfile::tempdir().unwrap();
    let follower = Follower::start(data.path(), &chain(), &[&node]).await.unwrap();
    follower.indexed(11).await;
    check_finalized(&follower.prover, &chain());
    assert!(follower.upstreams.borrow()[0].behaves());
    follower.stop().await.unwrap();
}

#[bounded::test]
async fn messages_above_the_usual_limit_are_taken_one_by_one() {
    let faults = Faults { padding_bytes: 17 << 20, ..Faults::default() };
    let node = AccessNode::with_faults(&chain(), faults).await;
    node.grow_to(1004);
    let data = tempfile::tempdir().unwrap();
    let options = options(data.path(), &[&node]);
    let options = AccessOptions { request_timeout: PATIENCE, quiet_max: PATIENCE, ..options };
    let origin = Origin::Checkpoint(chain().root_id());
    let follower = Follower::start_at(data.path(), origin, options).await.unwrap();
    follower.indexed(5).await;
    // Also over the subscription.
    node.asked("subscribe_blocks_from_start_height", 1).await;
    node.grow_to(1007);
    follower.indexed(8).await;
    check_finalized(&follower.prover, &chain());
    assert!(follower.upstreams.borrow()[0].behaves());
    follower.stop().await.unwrap();
}

/// Follows the first node live up to here; then `faults` come, and both nodes grow.
const LIVE: u64 = 1050;

async fn in_the_subscription(faults: Faults, is: impl Fn(&Standing) -> bool) {
    let chain = chain();
    let nodes = [AccessNode::start(&chain).await, AccessNode::start(&chain).await];
    nodes.iter().for_each(|node| node.grow_to(LIVE));
    let data = tempfile::tempdir().unwrap();
    let follower = follow(&data, &[&nodes[0], &nodes[1]]).await;
    follower.indexed(LIVE - 999).await;
    nodes[0].asked("subscribe_blocks_from_start_height", 1).await;
    nodes[0].set_faults(faults);
    nodes.iter().for_each(|node| node.grow_to(chain.last_height()));
    follower.upstream_is(0, is).await;
    follower.finalized(chain.finalized_height).await;
    check_finalized(&follower.prover, &chain);
    follower.stop().await.unwrap();
}

#[bounded::test]
async fn subscriptions_that_lie() {
    let wrong = |text: &'static str| move |state: &Standing| matches!(state, Standing::SetAside { reason } if reason.contains(text));
    let order = |order| Faults { order, ..Faults::default() };
    let next = LIVE + 1;
    let skipped = "subscription: expected height 1051, found 1052";
    in_the_subscription(order(Order::Skips { from: next }), wrong(skipped)).await;
    let repeated = "subscription: expected height 1051, found 1050";
    in_the_subscription(order(Order::Repeats { from: next }), wrong(repeated)).await;
    let light = Faults { light: true, ..Faults::default() };
    in_the_subscription(light, wrong("light block at height 1051")).await;
    // Reorganised: another block at one height, then those of the final branch again.
    let block = chain().forged(next, |block| block.header.timestamp_ms += 1);
    let forged = Faults { blocks: [(next, block)].into(), ..Faults::default() };
    in_the_subscription(forged, wrong("parent: expected a block read before")).await;
    let mut block = chain().blocks[&next].clone();
    block.protocol_state_id = vec![1; 32].into();
    let forged = Faults { blocks: [(next, block)].into(), ..Faults::default() };
    in_the_subscription(forged, wrong("payload hash")).await;
}

#[bounded::test]
async fn subscriptions_that_end_or_go_quiet_or_hang() {
    in_the_subscription(subscription(Offer::Ends { after: 3 }), rests("ended")).await;
    in_the_subscription(subscription(Offer::Quiet { after: 3 }), rests("no block for")).await;
    in_the_subscription(connection(Connection::Hangs), rests("no answer within")).await;
}

/// An end is no lie: alone, the node is subscribed to again.
#[bounded::test]
async fn a_subscription_that_ends_is_begun_again() {
    let node = AccessNode::with_faults(&chain(), subscription(Offer::Ends { after: 2 })).await;
    node.grow_to(1001);
    let data = tempfile::tempdir().unwrap();
    let follower = follow(&data, &[&node]).await;
    for height in 1002..1008 {
        node.grow_to(height);
        follower.indexed(height - 999).await;
    }
    assert!(node.requests("subscribe_blocks_from_start_height") > 1);
    check_finalized(&follower.prover, &chain());
    follower.stop().await.unwrap();
}

#[bounded::test]
async fn a_node_that_goes_back_in_time_or_stands_still_is_left() {
    for (offer, tip, reason) in [
        (Offer::Open, 1020, "it is behind"),
        (Offer::None, 1020, "it is behind"),
        (Offer::Open, LIVE, "while the tip of"),
        (Offer::None, LIVE, "while the tip of"),
    ] {
        let chain = chain();
        let stuck = AccessNode::with_faults(&chain, subscription(offer)).await;
        let other = AccessNode::start(&chain).await;
        [&stuck, &other].iter().for_each(|node| node.grow_to(LIVE));
        let data = tempfile::tempdir().unwrap();
        let follower = follow(&data, &[&stuck, &other]).await;
        follower.indexed(LIVE - 999).await;
        stuck.asked("subscribe_blocks_from_start_height", 1).await;
        if tip == LIVE {
            other.grow_to(chain.last_height());
        }
        stuck.grow_to(tip);
        follower.upstream_is(0, rests(reason)).await;
        other.grow_to(chain.last_height());
        follower.indexed(chain.blocks.len() as u64).await;
        check_all(&follower.prover, &chain);
        follower.stop().await.unwrap();
    }
}

/// Without anybody ahead of it, a node that has nothing new is in order.
#[bounded::test]
async fn two_honest_nodes_agree() {
    let nodes = [AccessNode::start(&chain()).await, AccessNode::start(&chain()).await];
    let data = tempfile::tempdir().unwrap();
    let follower = follow(&data, &[&nodes[0], &nodes[1]]).await;
    follower.indexed(chain().blocks.len() as u64).await;
    nodes[1].asked("get_block_header_by_height", 3).await;
    nodes[1].asked("get_latest_block_header", 2).await;
    assert!(follower.upstreams.borrow().iter().all(Standing::behaves));
    assert!(!data.path().join("wrong-answers").exists());
    check_all(&follower.prover, &chain());
    follower.stop().await.unwrap();
}

#[bounded::test]
async fn a_node_with_another_final_block_is_distrusted_without_being_followed() {
    let chain = chain();
    let forged = chain
        .blocks
        .keys()
        .skip(1)
        .map(|height| (*height, chain.forged(*height, |block| block.header.timestamp_ms += 1)));
    let faults = Faults { blocks: forged.collect(), ..Faults::default() };
    let honest = AccessNode::start(&chain).await;
    let other = AccessNode::with_faults(&chain, faults).await;
    let data = tempfile::tempdir().unwrap();
    let follower = follow(&data, &[&honest, &other]).await;
    let reason = follower.distrusts(1).await;
    assert!(reason.starts_with("finalized block at height "), "{reason}");
    assert_eq!(other.requests("get_block_by_height"), 0);
    follower.indexed(chain.blocks.len() as u64).await;
    check_all(&follower.prover, &chain);
    assert!(follower.upstreams.borrow()[0].behaves());
    assert_eq!(std::fs::read_dir(data.path().join("wrong-answers")).unwrap().count(), 1);
    follower.stop().await.unwrap();
}

#[bounded::test]
async fn forged_snapshots_of_a_checkpoint() {
    let chain = chain();
    let honest = chain.snapshots[&chain.root_id()].clone();
    let text = String::from_utf8(honest.clone()).unwrap();
    let other_spork = text.replace(&chain.spork_id.to_hex(), &"7".repeat(64));
    let qc = serde_json::from_slice::<serde_json::Value>(&honest).unwrap();
    let signature = qc["QuorumCertificate"]["SigData"].as_str().unwrap();
    let mut digits: Vec<char> = signature.chars().collect();
    digits[40] = if digits[40] == 'A' { 'B' } else { 'A' };
    let other_signature = text.replace(signature, &digits.iter().collect::<String>());
    assert_ne!(other_signature, text);
    let another = chain.snapshots[&chain.later_checkpoints()[0].1].clone();
    for (json, reason) in [
        (another, "snapshot: asked for block"),
        (b"{}".to_vec(), "snapshot: "),
        (honest[..honest.len() / 2].to_vec(), "snapshot: "),
        (other_spork.into_bytes(), "snapshot: "),
        (other_signature.into_bytes(), "quorum certificate"),
    ] {
        let faults = Faults { snapshot: Some(json), ..Faults::default() };
        let bad = AccessNode::with_faults(&chain, faults).await;
        let good = AccessNode::start(&chain).await;
        let data = tempfile::tempdir().unwrap();
        let error = Follower::start(data.path(), &chain, &[&bad]).await.unwrap_err();
        let IndexError::NoCheckpoint { reasons, .. } = &error else { panic!("{error}") };
        assert!(reasons.contains(reason) && reasons.contains(&bad.url()), "{reasons}");
        // Another block is no question of versions; for the rest, this version may be the wrong one.
        let set_aside = data.path().join("wrong-answers").exists();
        assert_eq!(set_aside, reason == "snapshot: asked for block", "{error}");
        let follower = Follower::start(data.path(), &chain, &[&bad, &good]).await.unwrap();
        let found = follower.distrusts(0).await;
        assert!(found.contains(reason), "{found}");
        follower.indexed(chain.blocks.len() as u64).await;
        check_all(&follower.prover, &chain);
        assert_eq!(std::fs::read_dir(data.path().join("wrong-answers")).unwrap().count(), 1);
        follower.stop().await.unwrap();
    }
}

/// Blocks that the indexer has not written yet take up 64 MiB at most.
#[bounded::test]
async fn fetching_waits_while_the_memory_for_blocks_is_full() {
    let chain = chain();
    let faults = Faults { padding_bytes: 4 << 20, ..Faults::default() };
    let node = AccessNode::with_faults(&chain, faults).await;
    let data = tempfile::tempdir().unwrap();
    let options = AccessOptions { request_timeout: PATIENCE, ..options(data.path(), &[&node]) };
    let (fetcher, mut handle): (Fetcher, Handle) = Fetcher::new(options).unwrap();
    let mut state = handle.state.subscribe();
    handle.finalized(chain.first_height(), chain.root_id());
    let (chain_id, spork_id) = (chain.chain_id.clone(), chain.spork_id);
    let network = Network { chain_id, spork_id, spork_basis: SporkBasis::Nodes };
    let fetching = tokio::spawn(fetcher.run(network));
    let mut fetches = async |height: u64| {
        let is = |state: &SyncState| matches!(state, SyncState::Syncing { height: h, .. } if *h == height);
        tokio::time::timeout(PATIENCE, state.wait_for(is)).await.unwrap().unwrap();
    };
    // Each is a little more than 4 MiB, so that the sixteenth does not fit.
    fetches(1016).await;
    for height in 1016..1024 {
        assert_eq!(handle.blocks.len(), 15);
        let asked = node.requests("get_block_by_height");
        assert!(asked <= height - 1000 + 16, "{asked} blocks asked for");
        let mut fetched = handle.blocks.recv().await.unwrap();
        assert_eq!(header_height(&fetched.block), height - 15);
        fetched.release();
        fetches(height + 1).await;
    }
    drop(handle);
    tokio::time::timeout(PATIENCE, fetching).await.unwrap().unwrap();
}

fn header_height(block: &entities::Block) -> u64 {
    block.block_header.as_ref().unwrap().height
}
