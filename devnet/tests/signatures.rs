//! What leaders, execution and verification nodes signed, checked as their peers would.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{HashMap, HashSet};

use weir_devnet::approvals::{RESULT_APPROVAL, attestation_id};
use weir_devnet::config::{Chances, NodeCounts};
use weir_devnet::execution::{EXECUTION_RECEIPT, unsigned_receipt_id};
use weir_devnet::spock::{SPOCK, secret};
use weir_devnet::{Config, Network};
use weir_protocol::bls::{PublicKey, Signature, tag, verify};
use weir_protocol::chunk_assignment::assign_chunks;
use weir_protocol::codec::Entity as _;
use weir_protocol::hotstuff::{LeaderSelection, beacon_signature};
use weir_protocol::model::{
    Block, BlsPublicKey, Chunk, Identifier, IdentitySkeleton, QuorumCertificate, Role, Seal,
};

struct Peers {
    nodes: HashMap<Identifier, IdentitySkeleton>,
}

impl Peers {
    fn key(&self, id: &Identifier, role: Role) -> BlsPublicKey {
        let node = &self.nodes[id];
        assert_eq!(node.role, role);
        node.staking_key.expect("every node has a key")
    }

    /// That the signature holds, and that it holds for nothing else.
    fn check(&self, key: BlsPublicKey, signature: &[u8], tag: &str, message: &[u8]) {
        let key: PublicKey = PublicKey::from_bytes(&key).unwrap();
        let signature = Signature::from_bytes(signature).unwrap();
        assert!(verify(&key, &signature, tag, message), "{tag}");
        let mut other = message.to_vec();
        other[31] ^= 1;
        assert!(!verify(&key, &signature, tag, &other), "{tag}");
    }

    fn check_approvals(&self, seal: &Seal, chunks: &[Chunk]) {
        assert_eq!(seal.aggregated_approval_sigs.len(), chunks.len());
        for (chunk, approvals) in chunks.iter().zip(&seal.aggregated_approval_sigs) {
            let message = attestation_id(&seal.block_id, &seal.result_id, chunk.index);
            assert!(!approvals.signer_ids.is_empty());
            for (id, signature) in
                approvals.signer_ids.iter().zip(approvals.verifier_signatures.iter())
            {
                let key = self.key(id, Role::Verification);
                self.check(key, signature, RESULT_APPROVAL, &message.0);
            }
        }
    }

    /// That only those approved a chunk whom the certificate of the including block assigns.
    fn check_assignment(&self, seal: &Seal, including: &QuorumCertificate, alpha: usize) {
        let of_role = self.nodes.values().filter(|node| node.role == Role::Verification);
        let mut verifiers: Vec<_> = of_role.map(|node| node.node_id).collect();
        verifiers.sort();
        let (chunks, source) =
            (seal.aggregated_approval_sigs.len(), beacon_signature(including).unwrap());
        let assigned = assign_chunks(&verifiers, chunks, source, alpha).unwrap();
        for (assigned, approvals) in assigned.iter().zip(&seal.aggregated_approval_sigs) {
            assert!(approvals.signer_ids.iter().all(|id| assigned.contains(id)));
        }
    }
}

fn peers(network: &Network) -> Peers {
    let participants = &network.root().head_state().current_epoch_setup.participants;
    Peers { nodes: participants.iter().map(|node| (node.node_id, node.clone())).collect() }
}

#[bounded::test]
fn leaders_propose_and_vote_for_their_blocks() {
    let mut network = Network::new(Config { seed: 4, ..Config::default() }).unwrap();
    let peers = peers(&network);
    let state = network.root().head_state();
    let mut leaders = LeaderSelection::new(&state.current_epoch_setup).unwrap();
    let commit = state.current_epoch_commit.clone();
    for _ in 0..40 {
        let produced = network.next_block();
        let header = &produced.block.header;
        assert_eq!(leaders.leader_for_view(header.view), Some(header.proposer_id));
        // Access nodes do not hand the signature out; snapshots hold it.
        assert!(produced.block.proposer_sig_data.is_empty());
        let signatures = &network.record(&produced.block_id).unwrap().proposer_sig_data;
        let (staking, beacon) = signatures.split_at(48);
        let message = [&header.view.to_be_bytes()[..], &produced.block_id.0].concat();
        let key = peers.key(&header.proposer_id, Role::Consensus);
        peers.check(key, staking, tag::CONSENSUS_VOTE, &message);
        let place = commit.dkg_member_ids.iter().position(|id| *id == header.proposer_id).unwrap();
        let key = commit.dkg_participant_keys[place];
        peers.check(key, beacon, tag::RANDOM_BEACON, &message);
    }
    let height = network.latest_finalized().height;
    let snapshot = network.snapshot_at(height).unwrap();
    let head = network.record(&snapshot.head().header.id()).unwrap();
    assert_eq!(snapshot.head().proposer_sig_data, head.proposer_sig_data);
}

/// No block seals what its parent includes, and every seal has the approvals of its own fork.
#[bounded::test]
fn results_are_approved_by_assigned_nodes_after_the_block_that_includes_them() {
    let chances = Chances { fork_per_mille: 200, timeout_per_mille: 50, view_gap_per_mille: 50 };
    let nodes = NodeCounts { verification: 9, ..Config::default().nodes };
    let config = Config { seed: 5, chances, nodes, ..Config::default() };
    let alpha = config.chunk_alpha();
    assert_eq!(alpha, 3);
    let mut network = Network::new(config).unwrap();
    let peers = peers(&network);
    let mut approvals: HashMap<Identifier, HashSet<Identifier>> = HashMap::new();
    for _ in 0..120 {
        let block = network.next_block().block;
        for seal in &block.payload.seals {
            let mut including = network.record(&block.header.parent_id).unwrap();
            let is_in = |block: &Block| {
                block.payload.results.iter().any(|result| result.id() == seal.result_id)
            };
            assert!(!is_in(&including.block), "the parent includes what is sealed");
            while !is_in(&including.block) {
                including = network.record(&including.block.header.parent_id).unwrap();
            }
            peers.check_assignment(seal, including.qc.as_ref().unwrap(), alpha);
            approvals.entry(seal.result_id).or_default().insert(seal.id());
        }
    }
    assert!(approvals.len() > 60, "{}", approvals.len());
    assert!(approvals.values().any(|seals| seals.len() > 1), "no result was approved twice");
}

#[bounded::test]
fn receipts_spocks_and_approvals_are_signed_by_their_nodes() {
    let config = Config { seed: 3, ..Config::default() };
    let mut network = Network::new(config.clone()).unwrap();
    let peers = peers(&network);
    let mut results = HashMap::new();
    let (mut receipts, mut seals) = (0, 0);
    for _ in 0..12 {
        let block = network.next_block().block;
        for result in &block.payload.results {
            results.insert(result.id(), result.clone());
        }
        for receipt in &block.payload.receipts {
            let key = peers.key(&receipt.executor_id, Role::Execution);
            let message = unsigned_receipt_id(receipt);
            peers.check(key, &receipt.executor_signature, EXECUTION_RECEIPT, &message.0);
            let chunks = &results[&receipt.result_id].chunks;
            assert_eq!(receipt.spocks.len(), chunks.len());
            for (chunk, spock) in chunks.iter().zip(receipt.spocks.iter()) {
                peers.check(key, spock, SPOCK, &secret(config.seed, chunk).0);
            }
            receipts += 1;
        }
        for seal in &block.payload.seals {
            let result = results.get(&seal.result_id);
            peers.check_approvals(seal, result.map_or(&[], |result| &result.chunks));
            seals += 1;
        }
    }
    assert!(receipts > 10 && seals > 5, "{receipts} receipts, {seals} seals");
}

#[bounded::test]
fn every_block_may_hold_more_collections_than_there_are_clusters() {
    let config = Config { guarantees_per_block_max: 9, ..Config::default() };
    let mut network = Network::new(config).unwrap();
    let blocks: Vec<_> = (0..40).map(|_| network.next_block().block).collect();
    let guarantees: Vec<_> = blocks.iter().flat_map(|block| &block.payload.guarantees).collect();
    let most = blocks.iter().map(|block| block.payload.guarantees.len()).max();
    assert!(most > Some(6), "{most:?}");
    let collections: HashSet<_> = guarantees.iter().map(|one| one.collection_id).collect();
    let signatures: HashSet<_> = guarantees.iter().map(|one| &one.signature).collect();
    assert_eq!((collections.len(), signatures.len()), (guarantees.len(), guarantees.len()));
}
