//! Blocks that break a rule and are not certified: their sender's fault, as soon as another block, or
//! another form of the same one, is final in their place.

use std::fs;

use weir_integration_tests::access_node::{AccessNode, Faults};
use weir_server::indexer::{End, IndexError};
use weir_server::source::access::{Standing, SyncState};

use crate::oddities::{
    BROKEN, CHANGED, GENESIS, ODD, changing, follow, follow_patiently, honest, too_large,
};
use crate::signed::LAST;

#[bounded::test]
async fn an_uncertified_block_is_its_senders_fault_once_another_is_final() {
    let chain = honest();
    for (change, reason) in BROKEN {
        let blocks = [(ODD, chain.forged(ODD, change))].into();
        let bad = AccessNode::with_faults(&chain, Faults { blocks, ..Faults::default() }).await;
        bad.grow_to(ODD);
        let good = AccessNode::start(&chain).await;
        good.grow_to(ODD - 1);
        let data = tempfile::tempdir().unwrap();
        let follower = follow(data.path(), &chain, &[&bad, &good]).await;
        let rests = |state: &Standing| matches!(state, Standing::Resting { .. });
        follower.upstream_is(0, rests).await;
        good.grow_to(LAST);
        let found = follower.distrusts(0).await;
        assert!(found.contains(reason), "{reason}: {found}");
        follower.indexed(LAST + 1).await;
        assert!(follower.upstreams.borrow()[1].behaves());
        assert_eq!(fs::read_dir(data.path().join("wrong-answers")).unwrap().count(), 1);
        assert_eq!(follower.stop().await.unwrap(), End::Stopped);
    }
}

/// What its own next block does not build on, the network does not have.
#[bounded::test]
async fn a_block_that_its_sender_does_not_go_on_from_is_its_fault_at_once() {
    let chain = honest();
    for (change, reason) in BROKEN {
        let blocks = [(ODD, chain.forged(ODD, change))].into();
        let bad = AccessNode::with_faults(&chain, Faults { blocks, ..Faults::default() }).await;
        let data = tempfile::tempdir().unwrap();
        let follower = follow(data.path(), &chain, &[&bad]).await;
        let found = follower.distrusts(0).await;
        assert!(found.contains(reason), "{reason}: {found}");
        follower.stop().await.unwrap();
    }
}

#[bounded::test]
async fn a_payload_that_cannot_be_stored_stops_nothing() {
    let chain = honest();
    let blocks = [(ODD, chain.forged(ODD, too_large))].into();
    let bad = AccessNode::with_faults(&chain, Faults { blocks, ..Faults::default() }).await;
    bad.grow_to(ODD);
    let good = AccessNode::start(&chain).await;
    let data = tempfile::tempdir().unwrap();
    let follower = follow_patiently(data.path(), &chain, &[&bad, &good]).await;
    let found = follower.distrusts(0).await;
    assert!(found.contains("payload of at most"), "{found}");
    follower.indexed(LAST + 1).await;
    follower.stop().await.unwrap();
}

#[bounded::test]
async fn a_node_that_changed_a_block_is_wrong_when_another_has_it() {
    let chain = honest();
    for (change, reason) in CHANGED {
        let bad = changing(&chain, change).await;
        let good = AccessNode::start(&chain).await;
        let data = tempfile::tempdir().unwrap();
        let follower = follow(data.path(), &chain, &[&bad, &good]).await;
        let found = follower.distrusts(0).await;
        assert!(found.contains(reason), "{reason}: {found}");
        follower.indexed(LAST + 1).await;
        assert!(follower.upstreams.borrow()[1].behaves());
        follower.stop().await.unwrap();
    }
}

/// A later certificate vouches for the one inside, if the blocks come together; otherwise it halts.
#[bounded::test]
async fn who_sent_the_block_that_became_final_is_never_at_fault() {
    let chain = GENESIS.chain(|block| {
        if block.header.height == ODD {
            block.header.parent_voter_sig_data[24] ^= 1;
        }
    });
    let (first, second) = (AccessNode::start(&chain).await, AccessNode::start(&chain).await);
    first.grow_to(ODD);
    let data = tempfile::tempdir().unwrap();
    let follower = follow(data.path(), &chain, &[&first, &second]).await;
    tokio::select! {
        _ = follower.sync_is(|sync| matches!(sync, SyncState::Halted { .. })) => {
            let error = follower.ends().await.unwrap_err();
            assert!(matches!(error, IndexError::Halted(_)), "{error}");
        }
        () = follower.indexed(LAST + 1) => {
            assert_eq!(follower.stop().await.unwrap(), End::Stopped);
        }
    }
    assert!(!data.path().join("wrong-answers").exists());
}
