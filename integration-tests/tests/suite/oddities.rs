//! What a block may have that this version does not take, for tests on whose fault that is.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use weir_integration_tests::access_node::{AccessNode, Faults, ServedChain};
use weir_integration_tests::follower::{Follower, options};
use weir_proto::flow::entities;
use weir_protocol::model::{Block, CollectionGuarantee, Identifier, Seal};
use weir_server::indexer::feed::Origin;
use weir_server::source::access::AccessOptions;

use crate::signed::Genesis;

/// Height, and view, of the block that breaks a rule.
pub(crate) const ODD: u64 = 5;
pub(crate) const GENESIS: Genesis = Genesis { chain_id: "flow-localnet", upgrade: None };

/// A change to a block.
pub(crate) type Change = fn(&mut Block);

/// What is wrong with the block, and what is said of it.
pub(crate) const BROKEN: [(Change, &str); 7] = [
    (|block| block.payload.protocol_state_id.0[0] ^= 1, "protocol state id: expected"),
    (|block| block.header.chain_id = "flow-mainnet".into(), "chain id: expected"),
    (|block| block.header.view += 1, "timeout certificate of the view before"),
    (|block| block.header.parent_view -= 1, "parent view: expected"),
    (|block| block.header.parent_voter_sig_data.truncate(40), "quorum certificate for block"),
    (|block| block.header.parent_voter_indices[0] ^= 1, "quorum certificate for block"),
    (|block| block.payload.seals.push(unknown_seal()), "seals: seal for unknown block"),
];

/// A change to a block's message.
type MessageChange = fn(&mut entities::Block);

/// The block with the network's ID in a form that is not the network's, and what is said of it.
pub(crate) const CHANGED: [(MessageChange, &str); 3] = [
    (unreadable, "malformed block: "),
    (|block| block.protocol_state_id = vec![7; 32].into(), "payload hash: expected"),
    (
        |block| block.block_header.as_mut().unwrap().proposer_id = vec![7; 32].into(),
        "block id: expected",
    ),
];

fn unknown_seal() -> Seal {
    let unknown = Identifier([7; 32]);
    let seal = GENESIS.root().0.sealing_segment().first_seal.clone().unwrap();
    Seal { block_id: unknown, ..seal }
}

/// A result that cannot be read.
fn unreadable(block: &mut entities::Block) {
    let id = || vec![7; 32].into();
    let event = entities::ServiceEvent {
        r#type: "EpochOfTheFuture".into(),
        payload: b"{}".to_vec().into(),
    };
    block.execution_result_list.push(entities::ExecutionResult {
        previous_result_id: id(),
        block_id: id(),
        execution_data_id: id(),
        service_events: vec![event],
        ..Default::default()
    });
}

/// A payload of 17 MiB, which is more than the store takes of one block.
pub(crate) fn too_large(block: &mut Block) {
    let guarantee = CollectionGuarantee {
        collection_id: Identifier([7; 32]),
        reference_block_id: block.header.parent_id,
        cluster_chain_id: "cluster".into(),
        signer_indices: vec![7; 5],
        signature: vec![7; 65_000],
    };
    block.payload.guarantees = vec![guarantee; 274];
}

pub(crate) fn honest() -> Arc<ServedChain> {
    GENESIS.chain(|_| ())
}

pub(crate) fn odd(change: Change) -> Arc<ServedChain> {
    GENESIS.chain(|block| {
        if block.header.height == ODD {
            change(block);
        }
    })
}

/// A node that has the odd block in another form.
pub(crate) async fn changing(
    chain: &Arc<ServedChain>,
    change: fn(&mut entities::Block),
) -> AccessNode {
    let mut block = chain.blocks[&ODD].clone();
    change(&mut block);
    let blocks = [(ODD, block)].into();
    AccessNode::with_faults(chain, Faults { blocks, ..Faults::default() }).await
}

pub(crate) async fn follow(data: &Path, chain: &ServedChain, nodes: &[&AccessNode]) -> Follower {
    Follower::start(data, chain, nodes).await.unwrap()
}

/// As [`follow`], with time for a block of many MiB.
pub(crate) async fn follow_patiently(
    data: &Path,
    chain: &ServedChain,
    nodes: &[&AccessNode],
) -> Follower {
    let options = AccessOptions {
        request_timeout: Duration::from_secs(20),
        quiet_max: Duration::from_secs(20),
        ..options(data, nodes)
    };
    let origin = Origin::Checkpoint(chain.root_id());
    Follower::start_at(data, origin, options).await.unwrap()
}
