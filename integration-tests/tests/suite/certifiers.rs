//! Whether a block is certified, asked of a chain that does not have it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use weir_integration_tests::access_node::ServedChain;
use weir_proto::convert::block_to_wire;
use weir_protocol::codec::Entity as _;
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::{
    Block, Chunk, ExecutionResult, Identifier, QuorumCertificate, Seal, ServiceEvent,
};
use weir_protocol::protocol_state::evolve;
use weir_server::ingest::{Chain, Prepared};

use crate::oddities::GENESIS;
use crate::signed::{child, made_up_epoch, rehash};

/// Over two changes of epoch: every block is, once a later one is there, and not by what goes before.
#[bounded::test]
fn every_block_of_a_chain_is_certified_by_those_after_it() {
    let served = ServedChain::read("happy-epochs").unwrap();
    let root = Snapshot::from_json(&served.snapshots[&served.root_id()]).unwrap();
    let (mut chain, _) = Chain::from_snapshot(&root, usize::MAX).unwrap();
    let heights = served.first_height() + 1..=served.last_height();
    for (height, ordinal) in heights.zip(1..) {
        let block = &served.blocks[&height];
        let certifiers = chain.certifiers(block).unwrap();
        let after = served.blocks.range(height + 1..).map(|(_, block)| block);
        assert_eq!(certifiers.certified_by(after.take(8)), height < served.last_height());
        let before = served.blocks.range(..=height).map(|(_, block)| block);
        assert!(!certifiers.certified_by(before), "height {height}");
        chain.extend(Prepared::new(block.clone()).unwrap(), ordinal).unwrap();
    }
}

/// What the execution of a block with these service events results in.
fn result_of(root: &Snapshot, block: &Block, service_events: Vec<ServiceEvent>) -> ExecutionResult {
    let before = &root.sealing_segment().execution_results[0];
    let block_id = block.header.id();
    // The root's result leaves empty what no other may.
    let some = Identifier([7; 32]);
    let chunk =
        Chunk { block_id, start_state: some, event_collection: some, ..before.chunks[0].clone() };
    ExecutionResult {
        previous_result_id: before.id(),
        block_id,
        chunks: vec![chunk],
        service_events,
        execution_data_id: some,
    }
}

fn seal_of(root: &Snapshot, result: &ExecutionResult) -> Seal {
    let seal = root.sealing_segment().first_seal.clone().unwrap();
    Seal { block_id: result.block_id, result_id: result.id(), ..seal }
}

fn child_of(parent: &Block, qc: &QuorumCertificate, change: impl FnOnce(&mut Block)) -> Block {
    let mut block = child(parent, qc);
    block.payload.seals.clear();
    block.payload.results.clear();
    change(&mut block);
    rehash(&mut block);
    block
}

fn take(chain: &mut Chain, block: &Block, ordinal: u64) {
    chain.extend(Prepared::new(block_to_wire(block)).unwrap(), ordinal).unwrap();
}

/// Its parent's state names the next committee, but that parent anybody may have made: who approves a
/// seal is not checked here.
#[bounded::test]
fn a_committee_counts_only_when_a_certified_block_names_it() {
    let (root, mut signers) = GENESIS.root();
    let (mut made_up, events) = made_up_epoch(&root);
    let (mut chain, accepted) = Chain::from_snapshot(&root, usize::MAX).unwrap();
    let next_view = accepted.state.final_view() + 1;
    let events_of = events.iter().collect::<Vec<_>>();
    let state = evolve(&accepted.state, 3, &events_of).unwrap().id();

    let first = child_of(root.head(), &signers.certify(&root.head().header), |_| ());
    take(&mut chain, &first, 1);
    let result = result_of(&root, &first, events.clone());
    let including = child_of(&first, &signers.certify(&first.header), |block| {
        block.payload.results = vec![result.clone()];
    });
    take(&mut chain, &including, 2);
    let naming = child_of(&including, &signers.certify(&including.header), |block| {
        block.payload.seals = vec![seal_of(&root, &result)];
        block.payload.protocol_state_id = state;
    });
    take(&mut chain, &naming, 3);
    let certified = child_of(&naming, &signers.certify(&naming.header), |_| ());
    // A block of the next epoch that breaks a rule, below a parent, and whether that epoch's committee
    // certifies it.
    let mut certifies = |chain: &mut Chain, parent: &Block, qc: &QuorumCertificate| {
        let odd = child_of(parent, qc, |block| block.header.view = next_view);
        let next = child_of(&odd, &made_up.certify(&odd.header), |_| ());
        let certifiers = chain.certifiers(&block_to_wire(&odd)).unwrap();
        certifiers.certified_by([&block_to_wire(&next)])
    };
    let qc = signers.certify(&naming.header);
    assert!(!certifies(&mut chain, &naming, &qc));
    take(&mut chain, &certified, 4);
    let qc = signers.certify(&certified.header);
    assert!(certifies(&mut chain, &certified, &qc));
}
