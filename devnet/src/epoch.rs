//! Who signs in an epoch: the consensus committee, the random beacon and the collection clusters.

use std::sync::Arc;

use weir_protocol::bls::tag;
use weir_protocol::codec::rlp::Encoder;
use weir_protocol::codec::{Entity as _, payload_hash, sha3_256};
use weir_protocol::hotstuff::committee_members;
use weir_protocol::hotstuff::signer_indices::checksum;
use weir_protocol::merkle;
use weir_protocol::model::{
    BlsPublicKey, ClusterQcVoteData, EpochCommit, EpochSetup, Header, Identifier, PayloadRoots,
};

use crate::keys::{SecretKey, beacon_shares};
use crate::nodes::{Node, Nodes};
use crate::random::hash;

/// The signers of an epoch.
#[derive(Debug)]
pub struct Epoch {
    /// The consensus committee.
    pub committee: Group,
    /// The group secret of the random beacon.
    pub beacon_key: SecretKey,
    /// The collection clusters.
    pub clusters: Vec<Cluster>,
}

/// Nodes that sign together.
#[derive(Debug)]
pub struct Group {
    /// Members, in canonical order.
    pub members: Vec<Arc<Node>>,
    checksum: [u8; 4],
}

/// A collection cluster.
#[derive(Debug)]
pub struct Cluster {
    /// Its chain.
    pub chain_id: String,
    /// Its members.
    pub group: Group,
}

impl Epoch {
    /// The signers of the epoch that a setup describes.
    #[must_use]
    pub fn new(seed: u64, setup: &EpochSetup, nodes: &Nodes) -> Self {
        let clusters = setup.assignments.iter().map(|members| Cluster {
            chain_id: cluster_chain_id(setup.counter, members),
            group: Group::new(nodes.all(members.iter().copied())),
        });
        let committee = committee_members(&setup.participants).map(|node| node.node_id);
        Self {
            committee: Group::new(nodes.all(committee)),
            beacon_key: beacon_shares(&beacon_seed(seed, setup), 1).0,
            clusters: clusters.collect(),
        }
    }

    /// The commit of the epoch: what clusters voted and key generation brought forth.
    #[must_use]
    pub fn commit(seed: u64, setup: &EpochSetup, nodes: &Nodes) -> EpochCommit {
        let dkg_member_ids: Vec<_> =
            committee_members(&setup.participants).map(|node| node.node_id).collect();
        let (group, shares) = beacon_shares(&beacon_seed(seed, setup), dkg_member_ids.len());
        let dkg_participant_keys: Vec<BlsPublicKey> =
            shares.iter().map(SecretKey::public_key).collect();
        let votes = |members: &Vec<Identifier>| cluster_votes(setup.counter, members, nodes);
        EpochCommit {
            counter: setup.counter,
            cluster_qcs: setup.assignments.iter().map(votes).collect(),
            dkg_group_key: group.public_key(),
            dkg_participant_keys,
            dkg_member_ids,
        }
    }
}

impl Group {
    fn new(members: Vec<Arc<Node>>) -> Self {
        let ids: Vec<_> = members.iter().map(|node| node.id()).collect();
        Self { members, checksum: checksum(&ids) }
    }

    /// Sum of the members' weights.
    #[must_use]
    pub fn total_weight(&self) -> u64 {
        self.members.iter().map(|node| node.skeleton.initial_weight).sum()
    }

    /// Weight that a quorum needs at least: more than two thirds of the total.
    #[must_use]
    pub fn quorum_weight(&self) -> u64 {
        self.total_weight() * 2 / 3 + 1
    }

    /// Checksum and bit vector of the members that signed.
    #[must_use]
    pub fn signer_indices(&self, signed: &[bool]) -> Vec<u8> {
        let mut bits = vec![0; self.members.len().div_ceil(8)];
        for position in (0..signed.len()).filter(|position| signed[*position]) {
            bits[position / 8] |= 0x80 >> (position % 8);
        }
        [&self.checksum[..], &bits].concat()
    }

    /// The sum of the signers' staking keys.
    #[must_use]
    pub fn signers_key(&self, signed: &[bool]) -> SecretKey {
        let pairs = self.members.iter().zip(signed);
        SecretKey::sum(pairs.filter(|(_, signed)| **signed).map(|(node, _)| &node.staking_key))
    }
}

/// What a vote for a block covers: its view and ID.
#[must_use]
pub fn vote_message(view: u64, block_id: &Identifier) -> [u8; 40] {
    let mut message = [0; 40];
    message[..8].copy_from_slice(&view.to_be_bytes());
    message[8..].copy_from_slice(&block_id.0);
    message
}

/// Key generation starts from other numbers for every setup, so a recovery gets other keys.
fn beacon_seed(seed: u64, setup: &EpochSetup) -> Identifier {
    hash(seed, "beacon", &[&setup.random_source, &setup.counter.to_be_bytes()])
}

/// All members vote for the root block of their cluster's chain.
fn cluster_votes(counter: u64, members: &[Identifier], nodes: &Nodes) -> ClusterQcVoteData {
    let root_id = cluster_root(counter, members).id();
    let keys = nodes.all(members.iter().copied());
    let key = SecretKey::sum(keys.iter().map(|node| &node.staking_key));
    let message = vote_message(0, &root_id);
    ClusterQcVoteData {
        sig_data: key.sign(tag::COLLECTOR_VOTE, &message).to_vec(),
        voter_ids: members.to_vec(),
    }
}

/// flow-go `state/cluster/root_block.go`: an empty block of height and view 0.
fn cluster_root(counter: u64, members: &[Identifier]) -> Header {
    let empty = merkle::root(&[]);
    Header {
        chain_id: cluster_chain_id(counter, members),
        parent_id: Identifier::ZERO,
        height: 0,
        payload_hash: payload_hash(&PayloadRoots {
            guarantees_root: empty,
            seals_root: empty,
            receipts_root: empty,
            results_root: empty,
            protocol_state_id: Identifier::ZERO,
        }),
        timestamp_ms: CLUSTER_ROOT_TIMESTAMP_MS,
        view: 0,
        parent_view: 0,
        parent_voter_indices: Vec::new(),
        parent_voter_sig_data: Vec::new(),
        proposer_id: Identifier::ZERO,
        last_view_tc_id: Identifier::ZERO,
    }
}

/// Epoch counter and a fingerprint of the members; nothing outside the network recomputes it.
fn cluster_chain_id(counter: u64, members: &[Identifier]) -> String {
    let mut encoder = Encoder::new();
    encoder.list_of(members, |e, id| e.bytes(&id.0));
    format!("cluster-{counter}-{}", sha3_256(&[&encoder.finish()]))
}

/// flow-go `flow.GenesisTime`, 2018-12-19 22:32:30.42.
const CLUSTER_ROOT_TIMESTAMP_MS: u64 = 1_545_258_750_420;
