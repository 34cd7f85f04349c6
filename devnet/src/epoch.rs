//! Who signs in an epoch: the consensus committee, the random beacon and the collection clusters.

use std::sync::Arc;

use weir_protocol::bls::tag;
use weir_protocol::codec::rlp::Encoder;
use weir_protocol::codec::{Entity as _, entity_id};
use weir_protocol::hotstuff::committee_members;
use weir_protocol::hotstuff::signer_indices::checksum;
use weir_protocol::model::{
    BlsPublicKey, ClusterQcVoteData, EpochCommit, EpochSetup, Header, Identifier,
};

use crate::certificates::VotingKeys;
use crate::keys::{SecretKey, beacon_shares};
use crate::nodes::{Node, Nodes};
use crate::random::hash;

/// The signers of an epoch.
#[derive(Debug)]
pub struct Epoch {
    /// Its number.
    pub counter: u64,
    /// The consensus committee.
    pub committee: Group,
    /// The group secret of the random beacon.
    pub beacon_key: SecretKey,
    /// The committee's shares of it, in the order of its members.
    beacon_shares: Vec<SecretKey>,
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
        let cluster = |members: &[Identifier]| {
            let chain_id = cluster_chain_id(setup.counter, members);
            Cluster { chain_id, group: Group::new(nodes.all(members.iter().copied())) }
        };
        let clusters = setup.assignments.iter().map(cluster);
        let members = committee_members(&setup.participants).map(|node| node.node_id);
        let committee = Group::new(nodes.all(members));
        let (beacon_key, beacon_shares) =
            beacon_shares(&beacon_seed(seed, setup), committee.members.len());
        Self {
            counter: setup.counter,
            committee,
            beacon_key,
            beacon_shares,
            clusters: clusters.collect(),
        }
    }

    /// Returns the staking key of a member of the committee, and its share of the beacon's key.
    #[must_use]
    pub fn voting_keys(&self, node_id: &Identifier) -> Option<VotingKeys> {
        let members = &self.committee.members;
        let place = members.binary_search_by_key(node_id, |node| node.id()).ok()?;
        Some([members[place].staking_key, *self.beacon_shares.get(place)?])
    }

    /// The commit of the epoch: what clusters voted and key generation brought forth.
    #[must_use]
    pub fn commit(seed: u64, setup: &EpochSetup, nodes: &Nodes) -> EpochCommit {
        let dkg_member_ids: Vec<_> =
            committee_members(&setup.participants).map(|node| node.node_id).collect();
        let (group, shares) = beacon_shares(&beacon_seed(seed, setup), dkg_member_ids.len());
        let dkg_participant_keys: Vec<BlsPublicKey> =
            shares.iter().map(SecretKey::public_key).collect();
        let votes = |members: &[Identifier]| cluster_votes(setup.counter, members, nodes);
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
    let root = cluster_root(counter, members);
    let nodes = nodes.all(members.iter().copied());
    let key = SecretKey::sum(nodes.iter().map(|node| &node.staking_key));
    let message = vote_message(root.view, &root.id());
    let sig_data = key.sign(tag::COLLECTOR_VOTE, &message).to_vec();
    ClusterQcVoteData { sig_data, voter_ids: members.to_vec() }
}

/// The root block of a cluster's chain (flow-go `state/cluster/root_block.go`): of height and view
/// 0, its payload an empty collection without a reference block.
#[must_use]
pub fn cluster_root(counter: u64, members: &[Identifier]) -> Header {
    // flow-go `model/cluster/payload.go`: [collection, reference block], a collection being
    // [[transactions]].
    let mut payload = Encoder::new();
    payload.list(|e| {
        e.list(|e| e.list(|_| ()));
        e.bytes(&Identifier::ZERO.0);
    });
    Header {
        chain_id: cluster_chain_id(counter, members),
        parent_id: Identifier::ZERO,
        height: 0,
        payload_hash: entity_id(&payload.finish()),
        timestamp_ms: CLUSTER_ROOT_TIMESTAMP_MS,
        view: 0,
        parent_view: 0,
        parent_voter_indices: Vec::new(),
        parent_voter_sig_data: Vec::new(),
        proposer_id: Identifier::ZERO,
        last_view_tc_id: Identifier::ZERO,
    }
}

/// Epoch counter and the hash of the members' IDs, in canonical order (flow-go
/// `state/cluster/root_block.go`, `CanonicalClusterID`).
fn cluster_chain_id(counter: u64, members: &[Identifier]) -> String {
    let mut encoder = Encoder::new();
    encoder.list_of(members, |e, id| e.bytes(&id.0));
    format!("cluster-{counter}-{}", entity_id(&encoder.finish()))
}

/// flow-go `model/flow/constants.go`, `GenesisTime`: 2018-12-19 22:32:30 and 42 nanoseconds.
const CLUSTER_ROOT_TIMESTAMP_MS: u64 = 1_545_258_750_000;
