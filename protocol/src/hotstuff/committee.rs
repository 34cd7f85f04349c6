//! The consensus committee of an epoch.
//!
//! flow-go `consensus/hotstuff/committees`: the epoch setup's consensus nodes with weight, in
//! canonical order, fixed for the epoch, extensions and ejections included.

use super::CertificateError;
use super::signer_indices::{self, CHECKSUM_LEN, SignerIndicesError};
use crate::bls::{BlsError, PublicKey};
use crate::codec::sha3_256;
use crate::model::{
    BLS_PUBLIC_KEY_LEN, BlsPublicKey, EpochCommit, EpochSetup, Identifier, IdentitySkeleton, Role,
};
use alloc::vec::Vec;

/// The nodes of a setup's participants that are its consensus committee.
pub fn committee_members(
    participants: &[IdentitySkeleton],
) -> impl Iterator<Item = &IdentitySkeleton> {
    participants.iter().filter(|node| node.role == Role::Consensus && node.initial_weight > 0)
}

/// Members, weights and keys of an epoch's consensus committee.
#[derive(Clone, Debug)]
pub struct Committee {
    counter: u64,
    members: Vec<Member>,
    checksum: [u8; CHECKSUM_LEN],
    total_weight: u64,
    all_keys: PublicKey,
    pub(super) beacon_key: PublicKey,
    /// Names the committee's keys in batches.
    pub(super) name: Identifier,
}

#[derive(Clone, Debug)]
struct Member {
    node_id: Identifier,
    weight: u64,
    staking_key: Option<BlsPublicKey>,
    /// `None` where the setup has none: the node counts, and cannot sign.
    key: Option<PublicKey>,
}

impl Committee {
    /// The committee of an epoch.
    ///
    /// # Errors
    /// When setup and commit are of different epochs, there is no member or more than
    /// [`COMMITTEE_MEMBERS_MAX`], members are not in canonical order, or a key is no point of the
    /// curve. A member without a key is none of these, as in flow-go.
    pub fn new(setup: &EpochSetup, commit: &EpochCommit) -> Result<Self, CommitteeError> {
        Self::build(setup, commit, None)
    }

    /// The committee of an epoch of which most members were in `previous`: their keys need not be
    /// decoded and added up again.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn after(
        previous: &Self,
        setup: &EpochSetup,
        commit: &EpochCommit,
    ) -> Result<Self, CommitteeError> {
        Self::build(setup, commit, Some(previous))
    }

    fn build(
        setup: &EpochSetup,
        commit: &EpochCommit,
        previous: Option<&Self>,
    ) -> Result<Self, CommitteeError> {
        if setup.counter != commit.counter {
            let (setup, commit) = (setup.counter, commit.counter);
            return Err(CommitteeError::Counter { setup, commit });
        }
        // Decoding a key takes a while, and a client does it before it knows who wrote the setup.
        let found = committee_members(&setup.participants).count();
        if found > COMMITTEE_MEMBERS_MAX {
            return Err(CommitteeError::TooMany { found });
        }
        let members: Vec<Member> = committee_members(&setup.participants)
            .map(|node| Member::new(node, previous))
            .collect::<Result<_, CommitteeError>>()?;
        if members.is_empty() {
            return Err(CommitteeError::Empty);
        }
        if !members.is_sorted_by(|a, b| a.node_id < b.node_id) {
            return Err(CommitteeError::Order);
        }
        let total_weight = total(members.iter().map(|member| member.weight));
        let beacon_key = PublicKey::from_bytes(&commit.dkg_group_key)
            .map_err(|source| CommitteeError::BeaconKey { source })?;
        let ids: Vec<_> = members.iter().map(|member| member.node_id).collect();
        Ok(Self {
            counter: setup.counter,
            checksum: signer_indices::checksum(&ids),
            total_weight,
            all_keys: sum_of_keys(&members, previous),
            beacon_key,
            name: name(&members, commit),
            members,
        })
    }

    /// Number of the epoch.
    #[must_use]
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// Members, in canonical order.
    pub fn members(&self) -> impl Iterator<Item = Identifier> + '_ {
        self.members.iter().map(|member| member.node_id)
    }

    /// Number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Never: a committee has members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Sum of the members' weights.
    #[must_use]
    pub fn total_weight(&self) -> u64 {
        self.total_weight
    }

    /// Weight that a quorum needs at least: more than two thirds of the total
    /// (flow-go `consensus/hotstuff/committees.WeightThresholdToBuildQC`).
    #[must_use]
    pub fn quorum_weight(&self) -> u64 {
        let two_thirds = u128::from(self.total_weight) * 2 / 3;
        u64::try_from(two_thirds).map_or(u64::MAX, |weight| weight.saturating_add(1))
    }

    /// Positions of the members that signed, who together are a quorum.
    pub(super) fn signers(&self, indices: &[u8]) -> Result<Vec<bool>, SignersError> {
        let signed = signer_indices::decode(indices, self.checksum, self.members.len())?;
        let weight = |(member, signed): (&Member, &bool)| if *signed { member.weight } else { 0 };
        let found = total(self.members.iter().zip(&signed).map(weight));
        let expected = self.quorum_weight();
        if found < expected {
            return Err(SignersError::Weight { expected, found });
        }
        Ok(signed)
    }

    /// Checks that every signer has a key.
    ///
    /// flow-go adds up the signers' keys, and fails when one of them is missing.
    pub(super) fn check_keys(&self, signed: &[bool]) -> Result<(), CertificateError> {
        let signers = self.members.iter().zip(signed).filter(|(_, signed)| **signed);
        let keyless = signers.map(|(member, _)| member).find(|member| member.key.is_none());
        keyless.map_or(Ok(()), |member| Err(member.without_key()))
    }

    /// The sum of the signers' staking keys.
    pub(super) fn signers_key(&self, signed: &[bool]) -> Result<PublicKey, CertificateError> {
        self.check_keys(signed)?;
        let pick = |wanted: bool| -> Vec<&PublicKey> {
            let pairs = self.members.iter().zip(signed);
            pairs
                .filter(|(_, signed)| **signed == wanted)
                .filter_map(|(m, _)| m.key.as_ref())
                .collect()
        };
        let absent = pick(false);
        if absent.len() * 2 < self.members.len() {
            return Ok(PublicKey::sum(&[&self.all_keys], &absent));
        }
        Ok(PublicKey::sum(&pick(true), &[]))
    }

    /// The staking key of the member at a position.
    pub(super) fn key_at(&self, position: usize) -> Result<&PublicKey, CertificateError> {
        let member = &self.members[position];
        member.key.as_ref().ok_or_else(|| member.without_key())
    }
}

impl Member {
    /// Takes the key from the committee before, where it has the same of the same node.
    fn new(node: &IdentitySkeleton, previous: Option<&Committee>) -> Result<Self, CommitteeError> {
        let node_id = node.node_id;
        let before =
            previous.and_then(|previous| find(&previous.members, node_id, &node.staking_key));
        let key = match (before, &node.staking_key) {
            (Some(member), _) => member.key.clone(),
            (None, None) => None,
            (None, Some(key)) => Some(
                PublicKey::from_bytes(key)
                    .map_err(|source| CommitteeError::StakingKey { node_id, source })?,
            ),
        };
        Ok(Self { node_id, weight: node.initial_weight, staking_key: node.staking_key, key })
    }

    fn without_key(&self) -> CertificateError {
        CertificateError::SignerWithoutKey { node_id: self.node_id }
    }
}

/// A sum of weights, which wraps as flow-go's does.
fn total(weights: impl Iterator<Item = u64>) -> u64 {
    weights.fold(0, u64::wrapping_add)
}

/// The member with this ID, if its key is this one.
fn find<'a>(
    members: &'a [Member],
    node_id: Identifier,
    staking_key: &Option<BlsPublicKey>,
) -> Option<&'a Member> {
    let index = members.binary_search_by_key(&node_id, |member| member.node_id).ok()?;
    Some(&members[index]).filter(|member| member.staking_key == *staking_key)
}

/// The sum of all members' keys: that of the committee before, and what has changed since.
fn sum_of_keys(members: &[Member], previous: Option<&Committee>) -> PublicKey {
    let keys_outside = |members: &'_ [Member], others: &[Member]| -> Vec<PublicKey> {
        let is_outside =
            |member: &&Member| find(others, member.node_id, &member.staking_key).is_none();
        members.iter().filter(is_outside).filter_map(|member| member.key.clone()).collect()
    };
    if let Some(previous) = previous {
        let left = keys_outside(&previous.members, members);
        let joined = keys_outside(members, &previous.members);
        if left.len() + joined.len() < members.len() {
            let added: Vec<_> = joined.iter().chain([&previous.all_keys]).collect();
            return PublicKey::sum(&added, &left.iter().collect::<Vec<_>>());
        }
    }
    PublicKey::sum(&members.iter().filter_map(|m| m.key.as_ref()).collect::<Vec<_>>(), &[])
}

/// A name for the keys of a committee at their positions.
fn name(members: &[Member], commit: &EpochCommit) -> Identifier {
    let staking_keys = members.iter().map(|member| match &member.staking_key {
        Some(key) => &key[..],
        // No key has these bytes, and each takes as many, so that no other keys have this name.
        None => &[0; BLS_PUBLIC_KEY_LEN],
    });
    sha3_256(&staking_keys.chain([&commit.dkg_group_key[..]]).collect::<Vec<_>>())
}

/// Why there is no committee.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitteeError {
    /// Setup and commit of different epochs.
    #[error("setup of epoch {setup} with commit of epoch {commit}")]
    Counter {
        /// Epoch of the setup.
        setup: u64,
        /// Epoch of the commit.
        commit: u64,
    },
    /// More members than a committee may have.
    #[error("a committee has at most {COMMITTEE_MEMBERS_MAX} members, found {found}")]
    TooMany {
        /// Members found.
        found: usize,
    },
    /// No consensus node with weight.
    #[error("no consensus node with weight")]
    Empty,
    /// Members out of order.
    #[error("consensus nodes are not in canonical order, each once")]
    Order,
    /// An invalid staking key.
    #[error("staking key of node {node_id}: {source}")]
    StakingKey {
        /// The node.
        node_id: Identifier,
        /// Why.
        source: BlsError,
    },
    /// An invalid group key.
    #[error("random beacon group key: {source}")]
    BeaconKey {
        /// Why.
        source: BlsError,
    },
}

/// Why signer indices name no quorum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignersError {
    /// The indices are malformed or of another committee.
    #[error(transparent)]
    Indices(#[from] SignerIndicesError),
    /// Too little weight signed.
    #[error("signers' weight: expected at least {expected}, found {found}")]
    Weight {
        /// Weight a quorum needs.
        expected: u64,
        /// Weight of the signers.
        found: u64,
    },
}

/// Most members of a committee; Flow's largest has some hundred.
pub const COMMITTEE_MEMBERS_MAX: usize = 4096;
