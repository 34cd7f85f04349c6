//! What execution and verification nodes signed, checked as their peers would.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{HashMap, HashSet};

use weir_devnet::execution::{
    EXECUTION_RECEIPT, RESULT_APPROVAL, attestation_id, unsigned_receipt_id,
};
use weir_devnet::spock::{SPOCK, secret};
use weir_devnet::{Config, Network};
use weir_protocol::bls::{PublicKey, Signature, verify};
use weir_protocol::codec::Entity as _;
use weir_protocol::model::{BlsPublicKey, Chunk, Identifier, IdentitySkeleton, Role, Seal};

struct Peers {
    nodes: HashMap<Identifier, IdentitySkeleton>,
}

impl Peers {
    fn key(&self, id: &Identifier, role: Role) -> BlsPublicKey {
        let node = &self.nodes[id];
        assert_eq!(node.role, role);
        node.staking_key
    }

    /// That the signature holds, and that it holds for nothing else.
    fn check(&self, key: BlsPublicKey, signature: &[u8], tag: &str, message: &Identifier) {
        let key: PublicKey = PublicKey::from_bytes(&key).unwrap();
        let signature = Signature::from_bytes(signature).unwrap();
        assert!(verify(&key, &signature, tag, &message.0), "{tag}");
        let mut other = *message;
        other.0[31] ^= 1;
        assert!(!verify(&key, &signature, tag, &other.0), "{tag}");
    }

    fn check_approvals(&self, seal: &Seal, chunks: &[Chunk]) {
        assert_eq!(seal.aggregated_approval_sigs.len(), chunks.len());
        for (chunk, approvals) in chunks.iter().zip(&seal.aggregated_approval_sigs) {
            let message = attestation_id(&seal.block_id, &seal.result_id, chunk.index);
            assert!(!approvals.signer_ids.is_empty());
            for (id, signature) in approvals.signer_ids.iter().zip(&approvals.verifier_signatures) {
                let key = self.key(id, Role::Verification);
                self.check(key, signature, RESULT_APPROVAL, &message);
            }
        }
    }
}

#[test]
fn receipts_spocks_and_approvals_are_signed_by_their_nodes() {
    let config = Config { seed: 3, ..Config::default() };
    let mut network = Network::new(config.clone()).unwrap();
    let participants = &network.root().head_state().current_epoch_setup.participants;
    let nodes = participants.iter().map(|node| (node.node_id, node.clone())).collect();
    let peers = Peers { nodes };
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
            peers.check(key, &receipt.executor_signature, EXECUTION_RECEIPT, &message);
            let chunks = &results[&receipt.result_id].chunks;
            assert_eq!(receipt.spocks.len(), chunks.len());
            for (chunk, spock) in chunks.iter().zip(&receipt.spocks) {
                peers.check(key, spock, SPOCK, &secret(config.seed, chunk));
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

#[test]
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
