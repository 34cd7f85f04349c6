//! Quorum and timeout certificates, signed by their quorums.
//!
//! One signature under the sum of the signers' keys is the aggregate of theirs, bit for bit.

use std::collections::BTreeMap;
use std::vec::IntoIter;

use weir_protocol::bls::tag;
use weir_protocol::codec::rlp::Encoder;
use weir_protocol::model::{Identifier, QuorumCertificate, TimeoutCertificate};

use crate::epoch::{Epoch, Group, vote_message};
use crate::keys::{SecretKey, SignaturePoint};
use crate::random::Random;
use crate::signer::{Job, Signed, Signer};

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

/// A quorum certificate that lacks its signatures.
#[derive(Debug)]
pub struct UnsignedCertificate {
    certificate: QuorumCertificate,
    signers: usize,
    keys: VotingKeys,
}

/// A staking key and a beacon key, or sums of such.
pub type VotingKeys = [SecretKey; 2];

impl UnsignedCertificate {
    /// A certificate of a block, by a quorum without those who are absent.
    #[must_use]
    pub fn new(
        epoch: &Epoch,
        vote: Vote,
        is_absent: impl Fn(&Identifier) -> bool,
        random: &mut Random,
    ) -> Self {
        let committee = &epoch.committee;
        let signed = signers(committee, is_absent, random);
        let keys = [committee.signers_key(&signed), epoch.beacon_key];
        Self {
            certificate: QuorumCertificate {
                view: vote.view,
                block_id: vote.block_id,
                signer_indices: committee.signer_indices(&signed),
                sig_data: Vec::new(),
            },
            signers: signed.iter().filter(|signed| **signed).count(),
            keys,
        }
    }

    /// The sum of the signers' staking keys, and the beacon's key.
    #[must_use]
    pub fn keys(&self) -> VotingKeys {
        self.keys
    }

    /// Signs it by itself.
    #[must_use]
    pub fn sign(self, signer: &Signer) -> QuorumCertificate {
        let vote = Vote { view: self.certificate.view, block_id: self.certificate.block_id };
        let signed = signer.sign(vote_jobs(vote, &[self.keys]).into());
        let vote = votes(&mut signed.into_iter()).next();
        self.signed(vote.expect("the keys of the certificate vote"))
    }

    /// The certificate with the vote of its keys.
    #[must_use]
    pub fn signed(self, [staking, beacon]: [SignaturePoint; 2]) -> QuorumCertificate {
        let mut encoder = Encoder::new();
        encoder.list(|e| {
            // One bit a signer: all of them signed with their staking keys.
            e.bytes(&vec![0; self.signers.div_ceil(8)]);
            e.bytes(&staking.to_bytes());
            e.bytes(&[]);
            e.bytes(&beacon.to_bytes());
        });
        QuorumCertificate { sig_data: encoder.finish(), ..self.certificate }
    }
}

/// Returns what voters sign: one message, each with its staking key, and again with its beacon key
/// (flow-go `consensus/hotstuff/verification/combined_signer_v2.go`).
///
/// All sign the same, and hashing it to the curve takes longer than signing with a short key.
#[must_use]
pub fn vote_jobs(vote: Vote, voters: &[VotingKeys]) -> [Job; 2] {
    let message = vote_message(vote.view, &vote.block_id).to_vec();
    let keys = |place: usize| voters.iter().map(|keys| keys[place]).collect();
    [
        Job { keys: keys(0), tag: tag::CONSENSUS_VOTE, message: message.clone() },
        Job { keys: keys(1), tag: tag::RANDOM_BEACON, message },
    ]
}

/// Takes the votes of all voters from the next of these signatures, which are those of the jobs.
#[must_use]
pub fn votes(signed: &mut IntoIter<Signed>) -> IntoIter<[SignaturePoint; 2]> {
    let [staking, beacon] = [(); 2].map(|()| signed.next().unwrap_or_default());
    let votes = staking.into_iter().zip(beacon).map(|(staking, beacon)| [staking, beacon]);
    votes.collect::<Vec<_>>().into_iter()
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
    let jobs = groups.iter().map(|(newest_qc_view, signed)| {
        let message = [timeout.view.to_be_bytes(), newest_qc_view.to_be_bytes()].concat();
        Job::single(committee.signers_key(signed), tag::CONSENSUS_TIMEOUT, &message)
    });
    let signatures = signer.sign(jobs.collect()).into_iter().flatten();
    let aggregate = signatures.reduce(|sum, signature| sum.add(&signature));
    TimeoutCertificate {
        view: timeout.view,
        newest_qc_views,
        newest_qc: timeout.newest_qc.clone(),
        signer_indices: committee.signer_indices(&signed),
        sig_data: aggregate.map(|sum| sum.to_bytes().to_vec()).unwrap_or_default(),
    }
}

/// A quorum of a group: all but the absent, and without some that are late.
///
/// Where those present are no quorum, the absent help out; a real network would stand still.
pub(crate) fn signers(
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
