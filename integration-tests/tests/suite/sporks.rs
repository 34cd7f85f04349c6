//! Which spork a network is of, where no hash proves it: at a checkpoint in the middle of one.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use weir_integration_tests::access_node::{AccessNode, Faults, ServedChain};
use weir_integration_tests::follower::{Follower, check_finalized, options};
use weir_protocol::codec::Entity as _;
use weir_protocol::codec::snapshot::{Params, Snapshot};
use weir_protocol::model::Identifier;
use weir_server::indexer::IndexError;
use weir_server::indexer::feed::Origin;
use weir_server::source::access::{AccessOptions, Standing, SyncState};

fn chain() -> Arc<ServedChain> {
    ServedChain::read("happy-epochs").unwrap()
}

fn checkpoint(chain: &ServedChain) -> Identifier {
    chain.later_checkpoints()[0].1
}

/// A snapshot of the checkpoint in which everything holds, but which names another spork.
fn of_another_spork(chain: &ServedChain) -> (Identifier, Vec<u8>) {
    let honest = Snapshot::from_json(&chain.snapshots[&checkpoint(chain)]).unwrap();
    let mut segment = honest.sealing_segment().clone();
    segment.spork_root_block.header.timestamp_ms += 1;
    segment.spork_root_block.header.height += 1;
    let header = &segment.spork_root_block.header;
    let (spork_id, spork_root_block_height) = (header.id(), header.height);
    let params = Params { spork_id, spork_root_block_height, ..honest.params().clone() };
    let forged = Snapshot::new(segment, honest.quorum_certificate().clone(), params, None);
    (spork_id, forged.unwrap().to_json())
}

/// A node that says everywhere that it is of another spork.
fn liar(chain: &ServedChain) -> Faults {
    let (spork_id, snapshot) = of_another_spork(chain);
    Faults { spork_id: Some(spork_id), snapshot: Some(snapshot), ..Faults::default() }
}

async fn start(
    data: &Path,
    chain: &ServedChain,
    nodes: &[&AccessNode],
    spork_id: Option<Identifier>,
) -> Result<Follower, IndexError> {
    let options = AccessOptions { spork_id, ..options(data, nodes) };
    Follower::start_at(data, Origin::Checkpoint(checkpoint(chain)), options).await
}

fn temporary() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn evidence(data: &TempDir) -> usize {
    std::fs::read_dir(data.path().join("wrong-answers")).map_or(0, Iterator::count)
}

async fn follows_to_the_end(follower: Follower, chain: &ServedChain) {
    follower.finalized(chain.finalized_height).await;
    check_finalized(&follower.prover, chain);
    assert_eq!(follower.prover.latest().head().chain.spork_id, chain.spork_id);
    follower.stop().await.unwrap();
}

/// Whoever comes first: nobody is believed, and nobody is called wrong.
#[bounded::test]
async fn nodes_that_disagree_are_named_and_nothing_is_begun() {
    let chain = chain();
    let liar = AccessNode::with_faults(&chain, liar(&chain)).await;
    let honest = AccessNode::start(&chain).await;
    for nodes in [[&liar, &honest], [&honest, &liar]] {
        let data = temporary();
        let error = start(data.path(), &chain, &nodes, None).await.unwrap_err();
        assert!(matches!(error, IndexError::Sporks { .. }), "{error}");
        let (lie, _) = of_another_spork(&chain);
        for (node, spork_id) in [(&liar, lie), (&honest, chain.spork_id)] {
            let said = format!("{}: spork {spork_id}", node.url());
            assert!(error.to_string().contains(&said), "{error}");
        }
        assert!(error.to_string().contains("--spork SPORK_ID"), "{error}");
        assert_eq!(evidence(&data), 0);
        // With the honest node alone it begins there.
        follows_to_the_end(start(data.path(), &chain, &[&honest], None).await.unwrap(), &chain)
            .await;
    }
}

#[bounded::test]
async fn with_the_spork_named_the_liar_is_the_wrong_one() {
    let chain = chain();
    let bad = AccessNode::with_faults(&chain, liar(&chain)).await;
    let honest = AccessNode::start(&chain).await;
    let data = temporary();
    let spork_id = Some(chain.spork_id);
    let follower = start(data.path(), &chain, &[&bad, &honest], spork_id).await.unwrap();
    let reason = follower.distrusts(0).await;
    let (lie, _) = of_another_spork(&chain);
    let expected = format!("another network: expected spork {}, found {lie}", chain.spork_id);
    assert_eq!(reason, expected);
    assert!(follower.upstreams.borrow()[1].behaves());
    follows_to_the_end(follower, &chain).await;
    assert_eq!(evidence(&data), 1);
    // Alone, it is refused.
    let error = start(temporary().path(), &chain, &[&bad], spork_id).await.unwrap_err();
    assert!(matches!(error, IndexError::NoCheckpoint { .. }), "{error}");
}

/// The mistake was the operator's, and no node stays set aside for it.
#[bounded::test]
async fn a_wrong_spork_named_once_is_forgotten() {
    let chain = chain();
    let honest = AccessNode::start(&chain).await;
    let data = temporary();
    let (wrong, _) = of_another_spork(&chain);
    let error = start(data.path(), &chain, &[&honest], Some(wrong)).await.unwrap_err();
    assert!(error.to_string().contains("another network: expected spork"), "{error}");
    let spork_id = Some(chain.spork_id);
    let follower = start(data.path(), &chain, &[&honest], spork_id).await.unwrap();
    follows_to_the_end(follower, &chain).await;
}

#[bounded::test]
async fn nodes_that_agree_are_believed_with_the_spork_named_or_not() {
    let chain = chain();
    let nodes = [AccessNode::start(&chain).await, AccessNode::start(&chain).await];
    for spork_id in [None, Some(chain.spork_id)] {
        let data = temporary();
        let follower = start(data.path(), &chain, &[&nodes[0], &nodes[1]], spork_id).await.unwrap();
        follows_to_the_end(follower, &chain).await;
        assert_eq!(evidence(&data), 0);
    }
    // The one that does not give the snapshot was asked, too.
    assert_eq!(nodes[1].requests("get_protocol_state_snapshot_by_block_id"), 0);
    assert!(nodes[1].requests("get_node_version_info") > 0);
}

/// Old nodes do not say their spork, and one that is down says nothing.
#[bounded::test]
async fn nodes_that_say_nothing_are_no_contradiction() {
    let chain = chain();
    let old = Faults { hides_version: true, ..Faults::default() };
    let mute = Faults { hangs_from: Some(1), ..Faults::default() };
    for faults in [old, mute] {
        let silent = AccessNode::with_faults(&chain, faults).await;
        let honest = AccessNode::start(&chain).await;
        let data = temporary();
        let follower = start(data.path(), &chain, &[&honest, &silent], None).await.unwrap();
        follows_to_the_end(follower, &chain).await;
    }
}

#[bounded::test]
async fn a_node_that_contradicts_itself_is_wrong() {
    let chain = chain();
    let faults = Faults { spork_id: None, ..liar(&chain) };
    let bad = AccessNode::with_faults(&chain, faults).await;
    let honest = AccessNode::start(&chain).await;
    let data = temporary();
    let follower = start(data.path(), &chain, &[&bad, &honest], None).await.unwrap();
    let reason = follower.distrusts(0).await;
    assert!(reason.starts_with("snapshot: of spork "), "{reason}");
    follows_to_the_end(follower, &chain).await;
}

/// The word of a single node is taken; later an honest one is not called wrong because of it.
#[bounded::test]
async fn a_lie_told_alone_shows_when_an_honest_node_comes() {
    let chain = chain();
    let bad = AccessNode::with_faults(&chain, liar(&chain)).await;
    let honest = AccessNode::start(&chain).await;
    let data = temporary();
    let follower = start(data.path(), &chain, &[&bad], None).await.unwrap();
    follower.finalized(chain.finalized_height).await;
    follower.stop().await.unwrap();

    let follower = start(data.path(), &chain, &[&honest], None).await.unwrap();
    let stalled = follower.sync_is(|sync| matches!(sync, SyncState::Stalled { .. })).await;
    let (lie, _) = of_another_spork(&chain);
    let said = format!("it says it is of spork {}, other access nodes said {lie}", chain.spork_id);
    for text in [&honest.url(), &said, "--spork SPORK_ID"] {
        assert!(stalled.to_string().contains(text), "{stalled}");
    }
    let state = follower.upstreams.borrow()[0].clone();
    assert!(matches!(state, Standing::Resting { .. }), "{state:?}");
    assert_eq!(evidence(&data), 0);
    follower.stop().await.unwrap();

    let error = start(data.path(), &chain, &[&honest], Some(chain.spork_id)).await.unwrap_err();
    let text =
        format!("--spork names spork {}, but the data folder is of spork {lie}", chain.spork_id);
    assert_eq!(error.to_string(), text);
}

#[bounded::test]
async fn the_spork_of_a_snapshot_file_is_the_operators_word() {
    let chain = chain();
    let another = AccessNode::with_faults(&chain, liar(&chain)).await;
    let honest = AccessNode::start(&chain).await;
    let data = temporary();
    let origin = || Origin::Snapshot(chain.snapshots[&checkpoint(&chain)].clone());
    let options = |spork_id| {
        let options = options(data.path(), &[&another, &honest]);
        AccessOptions { spork_id, ..options }
    };
    let (lie, _) = of_another_spork(&chain);
    let error = Follower::start_at(data.path(), origin(), options(Some(lie))).await.unwrap_err();
    assert!(matches!(error, IndexError::AnotherSpork { of: "the root snapshot", .. }), "{error}");
    let follower = Follower::start_at(data.path(), origin(), options(None)).await.unwrap();
    let reason = follower.distrusts(0).await;
    assert!(reason.starts_with("another network: expected spork "), "{reason}");
    follows_to_the_end(follower, &chain).await;
}
