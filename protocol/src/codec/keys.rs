//! Keys in service events: those that flow-go decodes.
//!
//! flow-go keeps keys as points, so that an event with other bytes is never decoded, and no block
//! includes its result (`model/flow/identity.go`, `model/encodable/keys.go`). The point at infinity
//! is a staking or beacon key there, and none of P-256.

use crate::bls::{BlsError, PublicKey};
use crate::model::{
    BlsPublicKey, EpochCommit, EpochSetup, Identifier, NETWORK_KEY_LEN, NetworkKey, ServiceEvent,
};

/// Checks every key of an event.
pub(super) fn check(event: &ServiceEvent) -> Result<(), KeyError> {
    match event {
        ServiceEvent::EpochSetup(setup) => check_setup(setup),
        ServiceEvent::EpochCommit(commit) => check_commit(commit),
        ServiceEvent::EpochRecover(recover) => {
            check_setup(&recover.setup)?;
            check_commit(&recover.commit)
        }
        ServiceEvent::EjectNode { .. }
        | ServiceEvent::ProtocolStateVersionUpgrade { .. }
        | ServiceEvent::SetEpochExtensionViewCount { .. }
        | ServiceEvent::VersionBeacon(_) => Ok(()),
    }
}

fn check_setup(setup: &EpochSetup) -> Result<(), KeyError> {
    for node in &setup.participants {
        let node_id = node.node_id;
        if let Some(key) = &node.staking_key {
            bls_key(key).map_err(|source| KeyError::Staking { node_id, source })?;
        }
        if !node.network_key.as_ref().is_none_or(is_network_key) {
            return Err(KeyError::Network { node_id });
        }
    }
    Ok(())
}

fn check_commit(commit: &EpochCommit) -> Result<(), KeyError> {
    let keys = core::iter::once(&commit.dkg_group_key).chain(&commit.dkg_participant_keys);
    keys.map(bls_key).try_for_each(|key| key.map_err(|source| KeyError::Beacon { source }))
}

fn bls_key(key: &BlsPublicKey) -> Result<(), BlsError> {
    PublicKey::<crate::bls::DefaultBackend>::from_bytes(key).map(|_| ())
}

fn is_network_key(key: &NetworkKey) -> bool {
    let mut sec1 = [UNCOMPRESSED; 1 + NETWORK_KEY_LEN];
    sec1[1..].copy_from_slice(key);
    p256::PublicKey::from_sec1_bytes(&sec1).is_ok()
}

/// First byte of a point given by both coordinates (SEC 1, 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// A key that flow-go does not decode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A staking key.
    #[error("staking key of node {node_id}: {source}")]
    Staking {
        /// The node.
        node_id: Identifier,
        /// Why.
        source: BlsError,
    },
    /// A network key.
    #[error("network key of node {node_id} is not a point of P-256")]
    Network {
        /// The node.
        node_id: Identifier,
    },
    /// The random beacon's group key, or a share of it.
    #[error("random beacon key: {source}")]
    Beacon {
        /// Why.
        source: BlsError,
    },
}
