//! Quorum and timeout certificates, and collection guarantees, signed by their quorums.
//!
//! One signature under the sum of the signers' keys is the aggregate of theirs, bit for bit.

use std::collections::BTreeMap;

use weir_protocol::bls::tag;
use weir_protocol::codec::rlp::Encoder;
use weir_protocol::model::{
    CollectionGuarantee, Identifier, QuorumCertificate, TimeoutCertificate,
};

use crate::epoch::{Cluster, Epoch, Group, vote_message};
use crate::random::Random;
use crate::signer::{Job, Signer};

/// What is to be certified.
#[derive(Clone, Copy, Debug)]
pub struct Vote {
    /// View of the block.
    pub view: u64,
    /// Its ID.
    pub block_id: Identifier,
}

/// A view that timed out.
#[derive(Debug)]
pub struct Timeout<'a> {
    /// The view.
    pub view: u64,
    /// The newest QC any signer knew.
    pub newest_qc: &'a QuorumCertificate,
    /// The view of an older QC, which some signers still have as their newest.
    pub older_view: u64,
}

/// Certifies a block.
#[must_use]
pub fn quorum_certificate(
    epoch: &Epoch,
    vote: Vote,
    is_absent: impl Fn(&Identifier) -> bool,
    random: &mut Random,
    signer: &Signer,
) -> QuorumCertificate {
    let committee = &epoch.committee;
    let signed = signers(committee, is_absent, random);
    let count = signed.iter().filter(|signed| **signed).count();
    let message = vote_message(vote.view, &vote.block_id);
    let job = |key, tag| Job { key, tag, message: message.to_vec() };
    let signatures = signer.sign(vec![
        job(committee.signers_key(&signed), tag::CONSENSUS_VOTE),
        job(epoch.beacon_key, tag::RANDOM_BEACON),
    ]);
    let mut encoder = Encoder::new();
    encoder.list(|e| {
        // One bit a signer: all of them signed with their staking keys.
        e.bytes(&vec![0; count.div_ceil(8)]);
        e.bytes(&signatures[0].to_bytes());
        e.bytes(&[]);
        e.bytes(&signatures[1].to_bytes());
    });
    QuorumCertificate {
        view: vote.view,
        block_id: vote.block_id,
        signer_indices: committee.signer_indices(&signed),
        sig_data: encoder.finish(),
    }
}

/// Certifies that a view timed out.
#[must_use]
pub fn timeout_certificate(
    epoch: &Epoch,
    timeout: &Timeout<'_>,
    is_absent: impl Fn(&Identifier) -> bool,
    random: &mut Random,
    signer: &Signer,
) -> TimeoutCertificate {
    let committee = &epoch.committee;
    let signed = signers(committee, is_absent, random);
    let mut newest_qc_views = Vec::new();
    let mut groups: BTreeMap<u64, Vec<bool>> = BTreeMap::new();
    for position in (0..signed.len()).filter(|position| signed[*position]) {
        // The first signer knows the newest QC, so that somebody does.
        let is_late = !newest_qc_views.is_empty() && random.happens(LATE_PER_MILLE);
        let view = if is_late { timeout.older_view } else { timeout.newest_qc.view };
        newest_qc_views.push(view);
        groups.entry(view).or_insert_with(|| vec![false; signed.len()])[position] = true;
    }
    let jobs = groups.iter().map(|(newest_qc_view, signed)| Job {
        key: committee.signers_key(signed),
        tag: tag::CONSENSUS_TIMEOUT,
        message: [timeout.view.to_be_bytes(), newest_qc_view.to_be_bytes()].concat(),
    });
    let signatures = signer.sign(jobs.collect()).into_iter();
    let aggregate = signatures.reduce(|sum, signature| sum.add(&signature));
    TimeoutCertificate {
        view: timeout.view,
        newest_qc_views,
        newest_qc: timeout.newest_qc.clone(),
        signer_indices: committee.signer_indices(&signed),
        sig_data: aggregate.map(|sum| sum.to_bytes().to_vec()).unwrap_or_default(),
    }
}

/// Collections, each vouched for by one of the clusters.
#[must_use]
pub fn guarantees(
    clusters: &[Cluster],
    reference_block_id: Identifier,
    count: u64,
    random: &mut Random,
    signer: &Signer,
) -> Vec<CollectionGuarantee> {
    let (mut guarantees, mut jobs) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let Cluster { chain_id, group } = &clusters[random.position(clusters.len())];
        let signed = signers(group, |_| false, random);
        // The cluster's own blocks are not simulated: only the collection leaves the cluster.
        let message = vote_message(random.between(1, 1 << 20), &random.identifier());
        let (key, tag) = (group.signers_key(&signed), tag::COLLECTOR_VOTE);
        jobs.push(Job { key, tag, message: message.to_vec() });
        guarantees.push(CollectionGuarantee {
            collection_id: random.identifier(),
            reference_block_id,
            cluster_chain_id: chain_id.clone(),
            signer_indices: group.signer_indices(&signed),
            signature: Vec::new(),
        });
    }
    for (guarantee, signature) in guarantees.iter_mut().zip(signer.sign(jobs)) {
        guarantee.signature = signature.to_bytes().to_vec();
    }
    guarantees
}

/// A quorum of a group: all but the absent, and without some that are late.
///
/// Where those present are no quorum, the absent help out; a real network would stand still.
fn signers(
    group: &Group,
    is_absent: impl Fn(&Identifier) -> bool,
    random: &mut Random,
) -> Vec<bool> {
    let members = &group.members;
    let mut signed: Vec<bool> = members.iter().map(|node| !is_absent(&node.id())).collect();
    let present = members.iter().zip(&signed).filter(|(_, signed)| **signed);
    let mut weight: u64 = present.map(|(node, _)| node.skeleton.initial_weight).sum();
    let quorum = group.quorum_weight();
    for (position, node) in members.iter().enumerate() {
        if weight < quorum && !signed[position] {
            signed[position] = true;
            weight += node.skeleton.initial_weight;
        }
    }
    for _ in 0..members.len().div_ceil(4) {
        let position = random.position(members.len());
        let own = members[position].skeleton.initial_weight;
        if signed[position] && random.happens(LATE_PER_MILLE) && weight - own >= quorum {
            signed[position] = false;
            weight -= own;
        }
    }
    signed
}

/// How many of a thousand signers are late.
const LATE_PER_MILLE: u32 = 300;
