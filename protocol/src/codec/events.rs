//! RLP of service events and of the epochs they set up and commit.

use super::Entity;
use super::entities::{put_id, take_id};
use super::rlp::{Decoder, Encoder, RlpError};
use crate::model::{
    ClusterQcVoteData, Clusters, EpochCommit, EpochRecover, EpochSetup, IdentitySkeleton,
    Participants, Role, ServiceEvent, VersionBeacon, VersionBoundary,
};
use alloc::string::ToString;

impl Entity for ServiceEvent {
    fn encode(&self, encoder: &mut Encoder) {
        match self {
            Self::EpochSetup(setup) => setup.encode(encoder),
            Self::EpochCommit(commit) => commit.encode(encoder),
            Self::EpochRecover(recover) => recover.encode(encoder),
            Self::EjectNode { node_id } => encoder.list(|e| put_id(e, node_id)),
            Self::ProtocolStateVersionUpgrade { new_protocol_state_version, active_view } => {
                encoder.list(|e| {
                    e.uint(*new_protocol_state_version);
                    e.uint(*active_view);
                });
            }
            Self::SetEpochExtensionViewCount { value } => encoder.list(|e| e.uint(*value)),
            Self::VersionBeacon(beacon) => beacon.encode(encoder),
        }
    }
}

impl ServiceEvent {
    /// Reads the RLP of an event of the named type.
    ///
    /// # Errors
    /// When the type is unknown or the next item is not exactly such an event's RLP.
    pub fn decode(type_name: &str, decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        match type_name {
            "setup" => {
                decoder.take_room(size_of::<EpochSetup>())?;
                EpochSetup::decode(decoder).map(|setup| Self::EpochSetup(setup.into()))
            }
            "commit" => {
                decoder.take_room(size_of::<EpochCommit>())?;
                EpochCommit::decode(decoder).map(|commit| Self::EpochCommit(commit.into()))
            }
            "recover" => decoder.list(|d| {
                d.take_room(size_of::<EpochRecover>())?;
                let recover =
                    EpochRecover { setup: EpochSetup::decode(d)?, commit: EpochCommit::decode(d)? };
                Ok(Self::EpochRecover(recover.into()))
            }),
            "eject-node" => decoder.list(|d| Ok(Self::EjectNode { node_id: take_id(d)? })),
            "protocol-state-version-upgrade" => decoder.list(|d| {
                Ok(Self::ProtocolStateVersionUpgrade {
                    new_protocol_state_version: d.uint()?,
                    active_view: d.uint()?,
                })
            }),
            "set-epoch-extension-view-count" => {
                decoder.list(|d| Ok(Self::SetEpochExtensionViewCount { value: d.uint()? }))
            }
            "version-beacon" => VersionBeacon::decode(decoder).map(Self::VersionBeacon),
            _ => Err(RlpError::Invalid { field: "service event type" }),
        }
    }
}

impl Entity for EpochRecover {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| {
            self.setup.encode(e);
            self.commit.encode(e);
        });
    }
}

impl Entity for VersionBeacon {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| {
            e.list_of(&self.version_boundaries, |e, boundary| {
                e.list(|e| {
                    e.uint(boundary.block_height);
                    e.bytes(boundary.version.as_bytes());
                });
            });
            e.uint(self.sequence);
        });
    }
}

impl VersionBeacon {
    /// Reads a version beacon's RLP.
    ///
    /// # Errors
    /// When the next item is not exactly a version beacon's RLP.
    pub fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| {
            Ok(Self {
                version_boundaries: d.list_of(|d| {
                    d.list(|d| {
                        Ok(VersionBoundary {
                            block_height: d.uint()?,
                            version: d.text()?.to_string(),
                        })
                    })
                })?,
                sequence: d.uint()?,
            })
        })
    }
}

impl Entity for IdentitySkeleton {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| {
            put_id(e, &self.node_id);
            e.bytes(self.address.as_bytes());
            e.uint(u64::from(self.role.number()));
            e.uint(self.initial_weight);
            put_key(e, self.staking_key.as_ref());
            put_key(e, self.network_key.as_ref());
        });
    }
}

impl IdentitySkeleton {
    fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| {
            Ok(Self {
                node_id: take_id(d)?,
                address: d.text()?.to_string(),
                role: Role::from_number(d.uint()?).ok_or(RlpError::Invalid { field: "role" })?,
                initial_weight: d.uint()?,
                staking_key: take_key(d)?,
                network_key: take_key(d)?,
            })
        })
    }
}

/// Appends a node's key, or the empty byte string for none (flow-go `encodableIdentitySkeleton`).
pub(crate) fn put_key<const N: usize>(encoder: &mut Encoder, key: Option<&[u8; N]>) {
    encoder.bytes(key.map_or(&[], |key| &key[..]));
}

/// Reads what [`put_key`] writes.
pub(crate) fn take_key<const N: usize>(
    decoder: &mut Decoder<'_>,
) -> Result<Option<[u8; N]>, RlpError> {
    let none = decoder.clone().bytes()?.is_empty();
    if none { decoder.bytes().map(|_| None) } else { decoder.array().map(Some) }
}

/// Appends a participant; go-ethereum writes a nil pointer to a struct as the empty list.
fn put_participant(encoder: &mut Encoder, participant: Option<&IdentitySkeleton>) {
    match participant {
        Some(participant) => participant.encode(encoder),
        None => encoder.list(|_| ()),
    }
}

fn take_participant(decoder: &mut Decoder<'_>) -> Result<Option<IdentitySkeleton>, RlpError> {
    if decoder.next_is_empty_list() {
        return decoder.list(|_| Ok(None));
    }
    IdentitySkeleton::decode(decoder).map(Some)
}

/// Reads participants, and keeps nil ones apart: they take one byte, and a node 232 in memory.
fn take_participants(decoder: &mut Decoder<'_>) -> Result<Participants, RlpError> {
    let (mut ahead, mut nil) = (decoder.clone(), 0);
    let count = decoder.count();
    for _ in 0..count {
        nil += usize::from(ahead.raw().is_ok_and(|item| item == NIL_PARTICIPANT));
    }
    let nodes = decoder.room_for(count - nil)?;
    let mut participants = Participants::on(nodes, decoder.room_for(nil)?);
    while !decoder.is_empty() {
        participants.push(take_participant(decoder)?);
    }
    Ok(participants)
}

fn take_clusters(decoder: &mut Decoder<'_>) -> Result<Clusters, RlpError> {
    let node_ids = decoder.room_for(decoder.rest().len() / ENCODED_ID_LEN)?;
    let mut clusters = Clusters::on(node_ids, decoder.room_for(decoder.count())?);
    while !decoder.is_empty() {
        decoder.list(|d| {
            while !d.is_empty() {
                clusters.push(take_id(d)?);
            }
            Ok(())
        })?;
        clusters.end();
    }
    Ok(clusters)
}

impl Entity for EpochSetup {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| {
            e.uint(self.counter);
            e.uint(self.first_view);
            e.uint(self.dkg_phase1_final_view);
            e.uint(self.dkg_phase2_final_view);
            e.uint(self.dkg_phase3_final_view);
            e.uint(self.final_view);
            e.list(|e| self.participants.entries().for_each(|entry| put_participant(e, entry)));
            e.list(|e| self.assignments.iter().for_each(|cluster| e.list_of(cluster, put_id)));
            e.bytes(&self.random_source);
            e.uint(self.target_duration);
            e.uint(self.target_end_time);
        });
    }
}

impl EpochSetup {
    /// Reads an epoch setup's RLP.
    ///
    /// # Errors
    /// When the next item is not exactly an epoch setup's RLP.
    pub fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| {
            Ok(Self {
                counter: d.uint()?,
                first_view: d.uint()?,
                dkg_phase1_final_view: d.uint()?,
                dkg_phase2_final_view: d.uint()?,
                dkg_phase3_final_view: d.uint()?,
                final_view: d.uint()?,
                participants: d.list(take_participants)?,
                assignments: d.list(take_clusters)?,
                random_source: d.bytes()?.to_vec(),
                target_duration: d.uint()?,
                target_end_time: d.uint()?,
            })
        })
    }
}

impl Entity for EpochCommit {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| {
            e.uint(self.counter);
            e.list_of(&self.cluster_qcs, |e, qc| {
                e.list(|e| {
                    e.bytes(&qc.sig_data);
                    e.list_of(&qc.voter_ids, put_id);
                });
            });
            e.bytes(&self.dkg_group_key);
            e.list_of(&self.dkg_participant_keys, |e, key| e.bytes(key));
            e.list_of(&self.dkg_member_ids, put_id);
        });
    }
}

impl EpochCommit {
    /// Reads an epoch commit's RLP.
    ///
    /// # Errors
    /// When the next item is not exactly an epoch commit's RLP.
    pub fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| {
            Ok(Self {
                counter: d.uint()?,
                cluster_qcs: d.list_of(|d| {
                    d.list(|d| {
                        Ok(ClusterQcVoteData {
                            sig_data: d.bytes()?.to_vec(),
                            voter_ids: d.list_of(take_id)?,
                        })
                    })
                })?,
                dkg_group_key: d.array()?,
                dkg_participant_keys: d.list_of(Decoder::array)?,
                dkg_member_ids: d.list_of(take_id)?,
            })
        })
    }
}

/// A participant that is a nil pointer in flow-go.
const NIL_PARTICIPANT: [u8; 1] = [0xc0];
/// Bytes of an ID's RLP.
const ENCODED_ID_LEN: usize = 33;
