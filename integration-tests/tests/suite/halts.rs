//! Certified blocks that break a rule of ours: this version stops before them and blames nobody.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use weir_integration_tests::access_node::{AccessNode, ServedChain};
use weir_integration_tests::follower::{Follower, options};
use weir_protocol::model::{SIMULATED_KV_STORE_VERSION, Versions};
use weir_protocol::protocol_state::evolve_on;
use weir_server::indexer::feed::Origin;
use weir_server::indexer::{End, IndexError};
use weir_server::ingest::Chain;
use weir_server::source::access::{Standing, SyncState};

use crate::oddities::{
    BROKEN, CHANGED, GENESIS, ODD, changing, follow, follow_patiently, honest, odd, too_large,
};
use crate::signed::{Genesis, LAST};

/// It halts before the odd block and says which and why, with every node in good standing.
async fn halts(follower: Follower, data: &Path, chain: &ServedChain, reason: &str) -> String {
    let halted = follower.sync_is(|sync| matches!(sync, SyncState::Halted { .. })).await;
    let text = halted.to_string();
    let block = format!("halted: block {} at height {ODD}, view ", chain.id_at(ODD));
    let why = if reason == UNSUPPORTED { "does not know" } else { "is wrong about this rule" };
    let version = format!("Weir {} {why}", env!("CARGO_PKG_VERSION"));
    for part in [&block, reason, &version] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(follower.prover.latest().head().blocks, ODD);
    let wrong = |state: &Standing| matches!(state, Standing::SetAside { .. });
    assert!(!follower.upstreams.borrow().iter().any(wrong), "{text}");
    let error = follower.ends().await.unwrap_err();
    assert!(matches!(error, IndexError::Halted(_)), "{error}");
    assert!(!data.join("wrong-answers").exists(), "{text}");
    let remembered = fs::read_dir(data.join("upstreams")).unwrap();
    assert_eq!(remembered.count(), 0, "{text}");
    text
}

#[bounded::test]
async fn a_certified_block_halts_whatever_rule_it_breaks() {
    for (change, reason) in BROKEN {
        let chain = odd(change);
        let node = AccessNode::start(&chain).await;
        let data = tempfile::tempdir().unwrap();
        let follower = follow(data.path(), &chain, &[&node]).await;
        let first = halts(follower, data.path(), &chain, reason).await;
        // Started again, the same version comes to the same end.
        let follower = follow(data.path(), &chain, &[&node]).await;
        assert_eq!(halts(follower, data.path(), &chain, reason).await, first);
    }
}

#[bounded::test]
async fn at_the_tip_it_waits_for_the_certificate() {
    let (change, reason) = BROKEN[0];
    let chain = odd(change);
    let nodes = [AccessNode::start(&chain).await, AccessNode::start(&chain).await];
    nodes.iter().for_each(|node| node.grow_to(ODD));
    let data = tempfile::tempdir().unwrap();
    let follower = follow(data.path(), &chain, &[&nodes[0], &nodes[1]]).await;
    for index in [0, 1] {
        let unproved = |state: &Standing| matches!(state, Standing::Resting { reason, .. } if reason.starts_with("not certified yet: block"));
        follower.upstream_is(index, unproved).await;
    }
    nodes[1].grow_to(ODD + 1);
    halts(follower, data.path(), &chain, reason).await;
}

/// The next leader may put an oddity into the certificate of the odd block.
#[bounded::test]
async fn a_descendants_certificate_does_as_well_as_the_childs() {
    let chain = GENESIS.chain(|block| match block.header.height {
        ODD => block.payload.protocol_state_id.0[0] ^= 1,
        height if height == ODD + 1 => block.header.parent_voter_sig_data[24] ^= 1,
        _ => {}
    });
    let node = AccessNode::start(&chain).await;
    let data = tempfile::tempdir().unwrap();
    let follower = follow(data.path(), &chain, &[&node]).await;
    halts(follower, data.path(), &chain, "protocol state id: expected").await;
}

#[bounded::test]
async fn a_certified_payload_that_cannot_be_stored_halts() {
    let chain = GENESIS.chain(|block| match block.header.height {
        ODD => too_large(block),
        _ => block.payload.guarantees.clear(),
    });
    let node = AccessNode::start(&chain).await;
    let data = tempfile::tempdir().unwrap();
    let follower = follow_patiently(data.path(), &chain, &[&node]).await;
    halts(follower, data.path(), &chain, "payload of at most 16777216 bytes can be stored").await;
}

/// It may be this version that reads or hashes it in another way than the network.
#[bounded::test]
async fn a_certified_block_that_nobody_has_in_another_form_halts() {
    let chain = honest();
    for (change, reason) in CHANGED {
        for count in [1, 2] {
            let mut nodes = Vec::new();
            for _ in 0..count {
                nodes.push(changing(&chain, change).await);
            }
            let data = tempfile::tempdir().unwrap();
            let follower = follow(data.path(), &chain, &nodes.iter().collect::<Vec<_>>()).await;
            let text = halts(follower, data.path(), &chain, reason).await;
            assert!(text.contains("nobody who is asked has it in another form"), "{text}");
            assert!(text.contains("--source"), "{text}");
        }
    }
}

/// A version that does not know the network's newest protocol state version, and one that does.
#[bounded::test]
async fn a_newer_version_goes_on_where_an_older_one_halted() {
    let upgrade = Some((SIMULATED_KV_STORE_VERSION, ODD));
    let genesis = Genesis { chain_id: "weir-devnet", upgrade };
    let (root, _) = genesis.root();
    let (_, root) = Chain::from_snapshot(&root, 1).unwrap();
    let upgraded = evolve_on(Versions::Simulated, &root.state, ODD, &[]).unwrap().id();
    let chain = genesis.chain(|block| {
        if block.header.height == ODD {
            block.payload.protocol_state_id = upgraded;
        }
    });
    let node = AccessNode::start(&chain).await;
    let data = tempfile::tempdir().unwrap();
    let start = |versions| {
        let origin = Origin::Checkpoint(chain.root_id());
        Follower::start_as(data.path(), origin, options(data.path(), &[&node]), versions)
    };
    for _ in 0..2 {
        let older = start(Some(Versions::Flow)).await.unwrap();
        halts(older, data.path(), &chain, UNSUPPORTED).await;
    }
    let newer = start(None).await.unwrap();
    newer.indexed(LAST + 1).await;
    assert_eq!(newer.prover.latest().head().finalized.height, LAST - 2);
    assert_eq!(newer.stop().await.unwrap(), End::Stopped);
}

const UNSUPPORTED: &str = "unsupported protocol state version";
