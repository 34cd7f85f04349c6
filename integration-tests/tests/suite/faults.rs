//! Nodes that answer wrongly, before an honest one: nothing wrong becomes final, and the wrong
//! answer is kept.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use prost::Message as _;
use serde_json::Value;
use weir_integration_tests::access_node::{AccessNode, Faults, Order, ServedChain};
use weir_integration_tests::follower::{Follower, check_all, check_finalized, options};
use weir_proto::flow::entities;
use weir_protocol::model::Identifier;
use weir_server::indexer::feed::Origin;
use weir_server::source::access::{AccessOptions, SyncState};

const CHAIN: &str = "happy-epochs";
/// Where most lies begin.
const LIE: u64 = 1040;

fn chain() -> Arc<ServedChain> {
    static CHAIN_READ: OnceLock<Arc<ServedChain>> = OnceLock::new();
    CHAIN_READ.get_or_init(|| ServedChain::read(CHAIN).unwrap()).clone()
}

fn metrics() -> &'static PrometheusHandle {
    static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();
    METRICS.get_or_init(|| PrometheusBuilder::new().install_recorder().unwrap())
}

/// Wrong answers counted for a node, or for one that had its port before.
fn wrong_answers(node: &AccessNode) -> u64 {
    let name = format!("ingest_wrong_answers_total{{upstream=\"{}\"}} ", node.url());
    let rendered = metrics().render();
    let count = rendered.lines().find_map(|line| line.strip_prefix(&name));
    count.map_or(0, |count| count.parse().unwrap())
}

fn instead(blocks: impl IntoIterator<Item = entities::Block>) -> Faults {
    let height = |block: &entities::Block| block.block_header.as_ref().unwrap().height;
    let blocks: BTreeMap<_, _> = blocks.into_iter().map(|block| (height(&block), block)).collect();
    Faults { blocks, ..Faults::default() }
}

/// A block with one thing changed on the wire.
fn altered(height: u64, change: impl FnOnce(&mut entities::Block)) -> entities::Block {
    let mut block = chain().blocks[&height].clone();
    change(&mut block);
    block
}

/// The only wrong answer that was kept: who gave it, why it is wrong, and the block.
fn evidence(data: &Path) -> (String, String, Option<entities::Block>) {
    let files: Vec<_> = std::fs::read_dir(data.join("wrong-answers")).unwrap().collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let json = std::fs::read(files[0].as_ref().unwrap().path()).unwrap();
    let json: Value = serde_json::from_slice(&json).unwrap();
    let block = json["block"].as_str().map(|hex| {
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        entities::Block::decode(&bytes[..]).unwrap()
    });
    (json["upstream"].as_str().unwrap().into(), json["reason"].as_str().unwrap().into(), block)
}

/// Whether the wrong answer has a block to keep.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kept {
    /// The block at a height.
    Block(u64),
    /// There is none.
    Nothing,
}

/// A node that lies from the start, and an honest one after it.
async fn lies_are_found_out(faults: Faults, reason: &str, kept: Kept) {
    let chain = chain();
    let bad = AccessNode::with_faults(&chain, faults).await;
    let good = AccessNode::start(&chain).await;
    let before = wrong_answers(&bad);
    let data = tempfile::tempdir().unwrap();
    let origin = Origin::Checkpoint(chain.root_id());
    let options = options(data.path(), &[&bad, &good]);
    let options = AccessOptions { spork_id: Some(chain.spork_id), ..options };
    let follower = Follower::start_at(data.path(), origin, options).await.unwrap();
    let found = follower.distrusts(0).await;
    assert!(found.contains(reason), "{reason}: {found}");
    follower.finalized(chain.finalized_height).await;
    check_finalized(&follower.prover, &chain);
    let live = follower.sync_is(|sync| matches!(sync, SyncState::Live { .. })).await;
    assert!(live.to_string().contains(&good.url()), "{live}");
    assert!(follower.upstreams.borrow()[1].behaves());

    let (upstream, why, block) = evidence(data.path());
    assert_eq!((upstream, &why), (bad.url(), &found));
    let height = block.map(|block| block.height);
    match kept {
        Kept::Block(expected) => assert_eq!(height, Some(expected), "{why}"),
        Kept::Nothing => assert_eq!(height, None, "{why}"),
    }
    assert_eq!(wrong_answers(&bad), before + 1);
    // It is never asked again.
    assert_eq!(follower.distrusts(0).await, found);
    follower.stop().await.unwrap();
}

/// A block with 64 KiB of empty items, which would take megabytes. Not more of them: the node of the
/// tests copies its faults with every request, and would answer too late.
#[bounded::test]
async fn blocks_of_empty_items() {
    let guarantees = altered(LIE, |block| {
        block.collection_guarantees = vec![entities::CollectionGuarantee::default(); 1 << 15];
    });
    let reason = "the message's lists take";
    lies_are_found_out(instead([guarantees]), reason, Kept::Nothing).await;
    let seals = altered(LIE, |block| {
        let approvals = vec![entities::AggregatedSignature::default(); 1 << 15];
        block.block_seals.push(entities::BlockSeal {
            aggregated_approval_sigs: approvals,
            ..entities::BlockSeal::default()
        });
    });
    lies_are_found_out(instead([seals]), reason, Kept::Nothing).await;
}

/// A block that is larger than any that goes through Flow's network.
#[bounded::test]
async fn blocks_that_are_too_large() {
    let large = altered(LIE, |block| block.signatures = vec![vec![7; 65 << 20].into()]);
    let reason = "larger than a block can be";
    lies_are_found_out(instead([large]), reason, Kept::Nothing).await;
}

#[bounded::test]
async fn nodes_of_another_network() {
    let faults = Faults { chain_id: Some("flow-mainnet".into()), ..Faults::default() };
    let reason = "another network: expected chain flow-localnet, found flow-mainnet";
    lies_are_found_out(faults, reason, Kept::Nothing).await;
    let faults = Faults { spork_id: Some(Identifier([9; 32])), ..Faults::default() };
    lies_are_found_out(faults, "another network: expected spork", Kept::Nothing).await;
    // One that only its blocks give away.
    let other = ServedChain::read("ejection").unwrap();
    let faults = instead(other.blocks.values().skip(1).cloned());
    lies_are_found_out(faults, "parent: expected a block read before", Kept::Block(1001)).await;
}

#[bounded::test]
async fn heights_skipped_or_repeated() {
    let faults = Faults { order: Order::Skips { from: LIE }, ..Faults::default() };
    lies_are_found_out(faults, "asked for 1040, found 1041", Kept::Block(LIE + 1)).await;
    let faults = Faults { order: Order::Repeats { from: LIE }, ..Faults::default() };
    lies_are_found_out(faults, "asked for 1040, found 1039", Kept::Block(LIE - 1)).await;
}

#[bounded::test]
async fn light_blocks() {
    let faults = Faults { light: true, ..Faults::default() };
    lies_are_found_out(faults, "light block at height 1001", Kept::Block(1001)).await;
    // Or half of one.
    let half = altered(LIE, |block| block.execution_result_list.clear());
    let without = !chain().blocks[&LIE].execution_result_list.is_empty();
    assert!(without, "block {LIE} has results");
    lies_are_found_out(instead([half]), "payload hash", Kept::Block(LIE)).await;
}

#[bounded::test]
async fn forged_blocks_with_the_id_of_another() {
    let view = altered(LIE, |block| block.block_header.as_mut().unwrap().view += 1);
    lies_are_found_out(instead([view]), "block id: expected", Kept::Block(LIE)).await;
    let state = altered(LIE, |block| block.protocol_state_id = vec![3; 32].into());
    lies_are_found_out(instead([state]), "payload hash: expected", Kept::Block(LIE)).await;
    let two_ids = altered(LIE, |block| block.id = vec![3; 32].into());
    lies_are_found_out(instead([two_ids]), "malformed block", Kept::Block(LIE)).await;
    let no_ids = altered(LIE, |block| {
        block.id = Vec::new().into();
        block.block_header.as_mut().unwrap().id = Vec::new().into();
    });
    lies_are_found_out(instead([no_ids]), "block id", Kept::Block(LIE)).await;
    let before = chain().blocks[&(LIE - 1)].id.clone();
    let of_parent = altered(LIE, |block| {
        block.id = before.clone();
        block.block_header.as_mut().unwrap().id = before;
    });
    lies_are_found_out(instead([of_parent]), "block id", Kept::Block(LIE)).await;
}

/// A proposer may sign two blocks for a view: what shows the lie is that nothing follows.
#[bounded::test]
async fn consistent_blocks_that_are_not_the_chains() {
    let forged = chain().forged(LIE, |block| block.header.timestamp_ms += 1);
    let reason = "parent: expected a block read before";
    lies_are_found_out(instead([forged]), reason, Kept::Block(LIE + 1)).await;
    let first = chain().forged(1001, |block| block.header.timestamp_ms += 1);
    lies_are_found_out(instead([first]), reason, Kept::Block(1002)).await;
    // A block of the network, but not the one that became final.
    let chain = chain();
    let fork = chain.forks.iter().find(|fork| {
        let parent = chain.blocks.get(&(fork.height - 1)).map(|block| block.id.clone());
        fork.height > 1010 && parent.as_ref() == Some(&fork.parent_id)
    });
    let fork = fork.unwrap().clone();
    let next = fork.height + 1;
    lies_are_found_out(instead([fork]), reason, Kept::Block(next)).await;
}

#[bounded::test]
async fn rehashed_blocks_with_an_invalid_certificate_or_payload() {
    let qc = |height| {
        chain().forged(height, |block| {
            block.header.parent_voter_sig_data[24] ^= 1;
        })
    };
    // The first after the root, and one among many.
    for height in [1001, LIE] {
        lies_are_found_out(instead([qc(height)]), "quorum certificate", Kept::Block(height)).await;
    }
    let state = chain().forged(LIE, |block| block.payload.protocol_state_id.0[0] ^= 1);
    lies_are_found_out(instead([state]), "protocol state id", Kept::Block(LIE)).await;
    let network = chain().forged(LIE, |block| block.header.chain_id = "flow-mainnet".into());
    lies_are_found_out(instead([network]), "chain id", Kept::Block(LIE)).await;
}

#[bounded::test]
async fn the_same_forged_anew_but_honestly_is_no_fault() {
    let chain = chain();
    let again = chain.blocks.keys().skip(1).map(|height| chain.forged(*height, |_| ()));
    let node = AccessNode::with_faults(&chain, instead(again)).await;
    let data = tempfile::tempdir().unwrap();
    let follower = Follower::start(data.path(), &chain, &[&node]).await.unwrap();
    follower.indexed(chain.blocks.len() as u64).await;
    check_all(&follower.prover, &chain);
    assert!(follower.upstreams.borrow()[0].behaves());
    assert!(!data.path().join("wrong-answers").exists());
    follower.stop().await.unwrap();
}

/// Nobody is asked again, and nothing becomes final on the word of a liar.
#[bounded::test]
async fn with_liars_only_it_stalls_and_names_each() {
    let chain = chain();
    let forged = chain.forged(LIE, |block| block.header.timestamp_ms += 1);
    let liars = [
        AccessNode::with_faults(&chain, instead([forged])).await,
        AccessNode::with_faults(&chain, Faults { light: true, ..Faults::default() }).await,
    ];
    let data = tempfile::tempdir().unwrap();
    let follower = Follower::start(data.path(), &chain, &[&liars[0], &liars[1]]).await.unwrap();
    follower.distrusts(0).await;
    follower.distrusts(1).await;
    let stalled = follower.sync_is(|sync| matches!(sync, SyncState::Stalled { .. })).await;
    for liar in &liars {
        let text = format!("{}: wrong answer, not asked again: ", liar.url());
        assert!(stalled.to_string().contains(&text), "{stalled}");
    }
    check_finalized(&follower.prover, &chain);
    assert!(follower.prover.latest().head().finalized.height < LIE);
    follower.stop().await.unwrap();
    // With an honest node it goes on after a restart.
    let honest = AccessNode::start(&chain).await;
    let follower = Follower::start(data.path(), &chain, &[&honest]).await.unwrap();
    follower.finalized(chain.finalized_height).await;
    check_finalized(&follower.prover, &chain);
    follower.stop().await.unwrap();
}
