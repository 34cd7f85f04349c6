//! The chains of the collection clusters, and the collections that leave them.
//!
//! A cluster's block holds one collection, of which nothing is simulated but its ID. Blocks are
//! linked by parent and certificate as on the main chain, from the cluster's root block on; the
//! guarantee of a collection carries the certificate of its block. In flow-go the signature of a
//! guarantee may be anything, as no node checks it; here it is the certificate's.

use std::collections::HashMap;

use weir_protocol::bls::tag;
use weir_protocol::codec::rlp::Encoder;
use weir_protocol::codec::{Entity as _, entity_id};
use weir_protocol::model::{CollectionGuarantee, Header, Identifier};

use crate::certificates::signers;
use crate::epoch::{Cluster, Epoch, cluster_root, vote_message};
use crate::random::Random;
use crate::signer::{Job, Signed};

/// The chains of all clusters of the latest epochs.
#[derive(Debug, Default)]
pub struct Collections {
    chains: HashMap<String, Tip>,
}

/// The block that collections refer to.
#[derive(Clone, Copy, Debug)]
pub struct Reference {
    /// Its ID.
    pub block_id: Identifier,
    /// Its time.
    pub timestamp_ms: u64,
}

/// A cluster's block with its collection, still without a certificate.
#[derive(Debug)]
pub struct Proposed {
    /// The header of the cluster's block.
    pub header: Header,
    guarantee: CollectionGuarantee,
    job: Job,
    epoch_counter: u64,
}

/// The latest block of a cluster and its certificate.
#[derive(Clone, Debug)]
struct Tip {
    epoch_counter: u64,
    block_id: Identifier,
    height: u64,
    view: u64,
    timestamp_ms: u64,
    signer_indices: Vec<u8>,
    sig_data: Vec<u8>,
}

impl Collections {
    /// So many collections, or one of each cluster where that is less.
    #[must_use]
    pub fn propose(
        &mut self,
        epoch: &Epoch,
        reference: Reference,
        count: u64,
        random: &mut Random,
    ) -> Vec<Proposed> {
        let clusters = &epoch.clusters;
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(clusters.len());
        let first = random.position(clusters.len());
        let places = (first..first + count).map(|place| place % clusters.len());
        places.map(|place| self.extend(epoch, &clusters[place], reference, random)).collect()
    }

    /// The guarantee of a collection, with the next of these signatures, which is that of its job.
    #[must_use]
    pub fn certify(
        &mut self,
        proposed: Proposed,
        signed: &mut impl Iterator<Item = Signed>,
    ) -> CollectionGuarantee {
        let Proposed { header, mut guarantee, epoch_counter, .. } = proposed;
        let signature = signed.next().and_then(|signed| signed.first().copied());
        guarantee.signature = signature.map(|point| point.to_bytes().to_vec()).unwrap_or_default();
        let tip = Tip {
            epoch_counter,
            block_id: header.id(),
            height: header.height,
            view: header.view,
            timestamp_ms: header.timestamp_ms,
            signer_indices: guarantee.signer_indices.clone(),
            sig_data: guarantee.signature.clone(),
        };
        self.chains.insert(header.chain_id, tip);
        guarantee
    }

    fn extend(
        &mut self,
        epoch: &Epoch,
        cluster: &Cluster,
        reference: Reference,
        random: &mut Random,
    ) -> Proposed {
        let tip = self.tip(epoch, cluster);
        let collection_id = random.identifier();
        let members = &cluster.group.members;
        let header = Header {
            chain_id: cluster.chain_id.clone(),
            parent_id: tip.block_id,
            height: tip.height + 1,
            payload_hash: payload_hash(&collection_id, &reference.block_id),
            timestamp_ms: reference.timestamp_ms.max(tip.timestamp_ms + 1),
            view: tip.view + 1,
            parent_view: tip.view,
            parent_voter_indices: tip.signer_indices.clone(),
            parent_voter_sig_data: tip.sig_data.clone(),
            proposer_id: members[random.position(members.len())].id(),
            last_view_tc_id: Identifier::ZERO,
        };
        let signed = signers(&cluster.group, |_| false, random);
        let message = vote_message(header.view, &header.id());
        Proposed {
            guarantee: CollectionGuarantee {
                collection_id,
                reference_block_id: reference.block_id,
                cluster_chain_id: cluster.chain_id.clone(),
                signer_indices: cluster.group.signer_indices(&signed),
                signature: Vec::new(),
            },
            job: Job::single(cluster.group.signers_key(&signed), tag::COLLECTOR_VOTE, &message),
            header,
            epoch_counter: epoch.counter,
        }
    }

    fn tip(&mut self, epoch: &Epoch, cluster: &Cluster) -> &Tip {
        if !self.chains.contains_key(&cluster.chain_id) {
            // A cluster starts, so those of epochs long past are done.
            let is_recent = |tip: &Tip| tip.epoch_counter + EPOCHS_KEPT > epoch.counter;
            self.chains.retain(|_, tip| is_recent(tip));
        }
        let root = || Tip::root(epoch.counter, cluster);
        self.chains.entry(cluster.chain_id.clone()).or_insert_with(root)
    }
}

impl Proposed {
    /// What is to be signed for it.
    #[must_use]
    pub fn job(&self) -> Job {
        self.job.clone()
    }
}

impl Tip {
    /// The root block of a cluster's chain, certified by all members, as the epoch's commit says.
    fn root(epoch_counter: u64, cluster: &Cluster) -> Self {
        let group = &cluster.group;
        let members: Vec<_> = group.members.iter().map(|node| node.id()).collect();
        let header = cluster_root(epoch_counter, &members);
        let block_id = header.id();
        let all = vec![true; group.members.len()];
        let message = vote_message(header.view, &block_id);
        Self {
            epoch_counter,
            block_id,
            height: header.height,
            view: header.view,
            timestamp_ms: header.timestamp_ms,
            signer_indices: group.signer_indices(&all),
            sig_data: group.signers_key(&all).sign(tag::COLLECTOR_VOTE, &message).to_vec(),
        }
    }
}

/// flow-go hashes the whole collection here (`model/cluster/payload.go`); its ID stands for it.
fn payload_hash(collection_id: &Identifier, reference_block_id: &Identifier) -> Identifier {
    let mut payload = Encoder::new();
    payload.list(|e| {
        e.bytes(&collection_id.0);
        e.bytes(&reference_block_id.0);
    });
    entity_id(&payload.finish())
}

/// Epochs whose clusters may still be at work: forks reach across one boundary.
const EPOCHS_KEPT: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use weir_protocol::bls::{PublicKey, Signature, verify};
    use weir_protocol::model::EpochCommit;

    use crate::config::Config;
    use crate::network::Network;
    use crate::nodes::Nodes;
    use crate::signer::Signer;

    /// The first epoch of a network.
    fn epoch() -> (Epoch, EpochCommit) {
        let config = Config::default();
        let network = Network::new(config.clone()).unwrap();
        let state = network.root().head_state();
        let mut nodes = Nodes::new(config.seed);
        nodes.first(&config);
        let setup = &state.current_epoch_setup;
        (Epoch::new(config.seed, setup, &nodes), state.current_epoch_commit.clone())
    }

    #[bounded::test]
    fn blocks_of_a_cluster_are_linked_and_certified_from_its_root_on() {
        let (epoch, commit) = epoch();
        let (mut collections, signer) = (Collections::default(), Signer::new());
        let mut random = Random::new(1, "test", &[]);
        let reference = Reference { block_id: Identifier([7; 32]), timestamp_ms: 5 };
        let mut parents: HashMap<String, (Identifier, Vec<u8>)> = HashMap::new();
        for (cluster, votes) in epoch.clusters.iter().zip(&commit.cluster_qcs) {
            let members: Vec<_> = cluster.group.members.iter().map(|node| node.id()).collect();
            let root_id = cluster_root(epoch.counter, &members).id();
            parents.insert(cluster.chain_id.clone(), (root_id, votes.sig_data.clone()));
        }
        for round in 1..4 {
            let proposed = collections.propose(&epoch, reference, 9, &mut random);
            assert_eq!(proposed.len(), epoch.clusters.len());
            let mut signed = signer.sign(proposed.iter().map(Proposed::job).collect()).into_iter();
            for proposed in proposed {
                let header = proposed.header.clone();
                let guarantee = collections.certify(proposed, &mut signed);
                assert_eq!(guarantee.cluster_chain_id, header.chain_id);
                assert_eq!((header.height, header.view), (round, round));
                let certified = (header.id(), guarantee.signature.clone());
                let parent = parents.insert(header.chain_id.clone(), certified).unwrap();
                assert_eq!(parent, (header.parent_id, header.parent_voter_sig_data.clone()));
                assert!(holds(&epoch, &guarantee, &header));
                assert!(!holds(&epoch, &guarantee, &Header { view: header.view + 1, ..header }));
            }
        }
    }

    /// Whether the signature of a guarantee is its signers' vote for the cluster's block.
    fn holds(epoch: &Epoch, guarantee: &CollectionGuarantee, header: &Header) -> bool {
        let is_its = |cluster: &&Cluster| cluster.chain_id == guarantee.cluster_chain_id;
        let group = &epoch.clusters.iter().find(is_its).unwrap().group;
        let signed: Vec<bool> = (0..group.members.len())
            .map(|at| guarantee.signer_indices[4 + at / 8] & (0x80 >> (at % 8)) != 0)
            .collect();
        let key: PublicKey =
            PublicKey::from_bytes(&group.signers_key(&signed).public_key()).unwrap();
        let signature = Signature::from_bytes(&guarantee.signature).unwrap();
        verify(&key, &signature, tag::COLLECTOR_VOTE, &vote_message(header.view, &header.id()))
    }
}
