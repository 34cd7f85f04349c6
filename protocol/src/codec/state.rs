//! RLP of the protocol state: key-value store and epoch state.
//!
//! The store's versions nest one in the other (flow-go
//! `state/protocol/protocol_state/kvstore/models.go`), so each version above 0 wraps the fields
//! of the one below in a list of its own. The simulated version, which is not Flow's, wraps the
//! highest of Flow's and appends the snapshot tree's root, 32 bytes; the one that stands for a version
//! to come only wraps it.

use super::Entity;
use super::entities::take_id;
use super::rlp::{Decoder, Encoder, RlpError};
use crate::model::{
    DynamicIdentityEntry, EpochExtension, EpochStateContainer, EpochStateEntry,
    ExecutionMeteringParameters, ExecutionParameters, KV_STORE_VERSION_MAX, KvStore,
    MagnitudeVersion, SIMULATED_KV_STORE_VERSION, UpdatableField, Versions, ViewBasedActivator,
};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

impl Entity for KvStore {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| {
            e.uint(self.version);
            encode_model(e, self, self.version);
        });
    }
}

impl KvStore {
    /// Reads the version of a key-value store, also of one that this crate does not know.
    ///
    /// # Errors
    /// When the next item is not a list of a version and a model, whatever that is.
    pub fn decode_version(decoder: &mut Decoder<'_>) -> Result<u64, RlpError> {
        decoder.list(|d| {
            let version = d.uint()?;
            d.raw()?;
            Ok(version)
        })
    }

    /// Reads a key-value store's RLP.
    ///
    /// # Errors
    /// When the next item is not exactly the RLP of a store of version 0 to 3, or of one that is not
    /// Flow's; whether the network may run that one is for the caller to say ([`Versions`]).
    pub fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| {
            let version = d.uint()?;
            if !Versions::Future.include(version) {
                return Err(RlpError::Invalid { field: "key-value store version" });
            }
            decode_model(d, version).map(|store| Self { version, ..store })
        })
    }
}

fn encode_model(encoder: &mut Encoder, store: &KvStore, version: u64) {
    encoder.list(|e| match version {
        SIMULATED_KV_STORE_VERSION => {
            encode_model(e, store, KV_STORE_VERSION_MAX);
            if let Some(root) = &store.snapshot_tree_root {
                e.bytes(&root.0);
            }
        }
        0 => {
            e.list(|e| encode_activator(e, store.version_upgrade.as_ref(), |e, v| e.uint(*v)));
            e.bytes(&store.epoch_state_id.0);
            e.uint(store.epoch_extension_view_count);
            e.uint(store.finalization_safety_threshold);
        }
        _ => {
            encode_model(e, store, version - 1);
            if version == 3
                && let Some(execution) = &store.execution
            {
                encode_updatable(e, &execution.metering, encode_metering);
                encode_updatable(e, &execution.execution_component_version, encode_magnitude);
                encode_updatable(e, &execution.cadence_component_version, encode_magnitude);
            }
        }
    });
}

fn decode_model(decoder: &mut Decoder<'_>, version: u64) -> Result<KvStore, RlpError> {
    decoder.list(|d| {
        if version == 0 {
            return Ok(KvStore {
                version: 0,
                version_upgrade: d.list(|d| decode_activator(d, Decoder::uint))?,
                epoch_state_id: take_id(d)?,
                epoch_extension_view_count: d.uint()?,
                finalization_safety_threshold: d.uint()?,
                execution: None,
                snapshot_tree_root: None,
            });
        }
        if version == SIMULATED_KV_STORE_VERSION {
            let store = decode_model(d, KV_STORE_VERSION_MAX)?;
            return Ok(KvStore { snapshot_tree_root: Some(take_id(d)?), ..store });
        }
        let mut store = decode_model(d, version - 1)?;
        if version == 3 {
            store.execution = Some(ExecutionParameters {
                metering: decode_updatable(d, decode_metering)?,
                execution_component_version: decode_updatable(d, decode_magnitude)?,
                cadence_component_version: decode_updatable(d, decode_magnitude)?,
            });
        }
        Ok(store)
    })
}

pub(crate) fn encode_activator<T>(
    encoder: &mut Encoder,
    activator: Option<&ViewBasedActivator<T>>,
    data: impl FnOnce(&mut Encoder, &T),
) {
    encoder.list(|e| {
        if let Some(activator) = activator {
            data(e, &activator.data);
            e.uint(activator.activation_view);
        }
    });
}

pub(crate) fn decode_activator<'a, T>(
    decoder: &mut Decoder<'a>,
    data: impl FnOnce(&mut Decoder<'a>) -> Result<T, RlpError>,
) -> Result<Option<ViewBasedActivator<T>>, RlpError> {
    decoder.list(|d| {
        if d.is_empty() {
            return Ok(None);
        }
        Ok(Some(ViewBasedActivator { data: data(d)?, activation_view: d.uint()? }))
    })
}

pub(crate) fn encode_updatable<T>(
    encoder: &mut Encoder,
    field: &UpdatableField<T>,
    value: impl Fn(&mut Encoder, &T),
) {
    encoder.list(|e| {
        value(e, &field.current_value);
        encode_activator(e, field.update.as_ref(), value);
    });
}

pub(crate) fn decode_updatable<'a, T>(
    decoder: &mut Decoder<'a>,
    value: impl Fn(&mut Decoder<'a>) -> Result<T, RlpError>,
) -> Result<UpdatableField<T>, RlpError> {
    decoder.list(|d| {
        Ok(UpdatableField { current_value: value(d)?, update: decode_activator(d, value)? })
    })
}

pub(crate) fn encode_magnitude(encoder: &mut Encoder, version: &MagnitudeVersion) {
    encoder.list(|e| {
        e.uint(version.major);
        e.uint(version.minor);
    });
}

pub(crate) fn decode_magnitude(decoder: &mut Decoder<'_>) -> Result<MagnitudeVersion, RlpError> {
    decoder.list(|d| Ok(MagnitudeVersion { major: d.uint()?, minor: d.uint()? }))
}

pub(crate) fn encode_metering(encoder: &mut Encoder, parameters: &ExecutionMeteringParameters) {
    encoder.list(|e| {
        encode_weights(e, &parameters.execution_effort_weights);
        encode_weights(e, &parameters.execution_memory_weights);
        e.uint(parameters.execution_memory_limit);
    });
}

pub(crate) fn decode_metering(
    decoder: &mut Decoder<'_>,
) -> Result<ExecutionMeteringParameters, RlpError> {
    decoder.list(|d| {
        Ok(ExecutionMeteringParameters {
            execution_effort_weights: decode_weights(d)?,
            execution_memory_weights: decode_weights(d)?,
            execution_memory_limit: d.uint()?,
        })
    })
}

fn encode_weights(encoder: &mut Encoder, weights: &BTreeMap<u32, u64>) {
    encoder.list(|e| {
        for (kind, weight) in weights {
            e.list(|e| {
                e.uint(u64::from(*kind));
                e.uint(*weight);
            });
        }
    });
}

fn decode_weights(decoder: &mut Decoder<'_>) -> Result<BTreeMap<u32, u64>, RlpError> {
    decoder.list(|d| {
        d.take_room(d.count().saturating_mul(WEIGHT_BYTES))?;
        let mut weights = BTreeMap::new();
        while !d.is_empty() {
            let (kind, weight) = d.list(|d| {
                let kind = u32::try_from(d.uint()?).map_err(|_| RlpError::Overflow)?;
                Ok((kind, d.uint()?))
            })?;
            if weights.last_key_value().is_some_and(|(last, _)| *last >= kind) {
                return Err(RlpError::Invalid { field: "order of metering weights" });
            }
            weights.insert(kind, weight);
        }
        Ok(weights)
    })
}

impl Entity for EpochStateContainer {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| {
            e.bytes(&self.setup_id.0);
            e.bytes(&self.commit_id.0);
            e.list_of(&self.active_identities, |e, identity| {
                e.list(|e| {
                    e.bytes(&identity.node_id.0);
                    e.boolean(identity.ejected);
                });
            });
            encode_extensions(e, &self.epoch_extensions);
        });
    }
}

impl EpochStateContainer {
    fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| {
            Ok(Self {
                setup_id: take_id(d)?,
                commit_id: take_id(d)?,
                active_identities: d.list_of(|d| {
                    d.list(|d| {
                        Ok(DynamicIdentityEntry { node_id: take_id(d)?, ejected: d.boolean()? })
                    })
                })?,
                epoch_extensions: decode_extensions(d)?,
            })
        })
    }

    fn decode_option(decoder: &mut Decoder<'_>) -> Result<Option<Self>, RlpError> {
        if decoder.next_is_empty_list() {
            return decoder.list(|_| Ok(None));
        }
        Self::decode(decoder).map(Some)
    }
}

pub(crate) fn encode_extensions(encoder: &mut Encoder, extensions: &[EpochExtension]) {
    encoder.list_of(extensions, |e, extension| {
        e.list(|e| {
            e.uint(extension.first_view);
            e.uint(extension.final_view);
        });
    });
}

pub(crate) fn decode_extensions(
    decoder: &mut Decoder<'_>,
) -> Result<Vec<EpochExtension>, RlpError> {
    decoder.list_of(|d| {
        d.list(|d| Ok(EpochExtension { first_view: d.uint()?, final_view: d.uint()? }))
    })
}

impl Entity for EpochStateEntry {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| {
            encode_option(e, self.previous_epoch.as_ref());
            self.current_epoch.encode(e);
            encode_option(e, self.next_epoch.as_ref());
            e.boolean(self.epoch_fallback_triggered);
        });
    }
}

impl EpochStateEntry {
    /// Reads an epoch state's RLP.
    ///
    /// # Errors
    /// When the next item is not exactly an epoch state's RLP.
    pub fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| {
            Ok(Self {
                previous_epoch: EpochStateContainer::decode_option(d)?,
                current_epoch: EpochStateContainer::decode(d)?,
                next_epoch: EpochStateContainer::decode_option(d)?,
                epoch_fallback_triggered: d.boolean()?,
            })
        })
    }
}

fn encode_option(encoder: &mut Encoder, container: Option<&EpochStateContainer>) {
    match container {
        Some(container) => container.encode(encoder),
        None => encoder.list(|_| ()),
    }
}

/// Most bytes of memory that a metering weight takes, in a map that is filled by ascending kind.
const WEIGHT_BYTES: usize = 32;
