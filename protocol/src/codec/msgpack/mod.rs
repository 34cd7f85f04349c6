//! The key-value store's msgpack form, in which snapshots hold it.
//!
//! A flat map of the model's fields by name, in the order and with the integer widths that
//! flow-go writes: 64-bit integers as `cf`, weight kinds as `ce`, identifiers as `c4`, absent
//! values as `c0` (flow-go `state/protocol/protocol_state/kvstore/encoding.go`). The version is
//! kept beside the bytes. Identifiers never cover this form, only the RLP. The simulated version,
//! which is not Flow's, appends the snapshot tree's root to the fields of Flow's highest.

mod error;

pub use error::MsgpackError;

use crate::model::{
    ExecutionMeteringParameters, ExecutionParameters, Identifier, KV_STORE_VERSION_MAX, KvStore,
    MagnitudeVersion, SIMULATED_KV_STORE_VERSION, UpdatableField, Versions, ViewBasedActivator,
};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Most bytes of a key-value store's msgpack form.
///
/// Some 14 bytes a metering weight, of which there are a few hundred, and less than 1 KiB else.
pub const KV_STORE_LEN_MAX: usize = 1024 * 1024;

impl KvStore {
    /// The store's msgpack form, byte for byte as flow-go writes it, weights by ascending kind.
    #[must_use]
    pub fn to_msgpack(&self) -> Vec<u8> {
        let mut writer = Writer { out: Vec::new() };
        writer.map(field_count(self.version));
        writer.text(VERSION_UPGRADE);
        writer.activator(self.version_upgrade.as_ref(), |w, version| w.u64(*version));
        writer.text(EPOCH_STATE_ID);
        writer.identifier(&self.epoch_state_id);
        writer.text(EPOCH_EXTENSION_VIEW_COUNT);
        writer.u64(self.epoch_extension_view_count);
        writer.text(FINALIZATION_SAFETY_THRESHOLD);
        writer.u64(self.finalization_safety_threshold);
        if let Some(execution) = &self.execution {
            writer.text(METERING);
            writer.updatable(&execution.metering, Writer::metering);
            writer.text(EXECUTION_VERSION);
            writer.updatable(&execution.execution_component_version, Writer::magnitude);
            writer.text(CADENCE_VERSION);
            writer.updatable(&execution.cadence_component_version, Writer::magnitude);
        }
        if let Some(root) = &self.snapshot_tree_root {
            writer.text(SNAPSHOT_TREE_ROOT);
            writer.identifier(root);
        }
        writer.out
    }

    /// Reads the msgpack form of a store of the given version.
    ///
    /// Weights may come in any order, as flow-go writes them in that of its map; an absent weight
    /// map counts as an empty one. Everything else has one form.
    ///
    /// # Errors
    /// When the version is above [`KV_STORE_VERSION_MAX`] and none that is simulated, or `bytes` are
    /// not exactly such a store's msgpack form.
    pub fn from_msgpack(version: u64, bytes: &[u8]) -> Result<Self, MsgpackError> {
        if !Versions::Future.include(version) {
            return Err(MsgpackError::Version { max: KV_STORE_VERSION_MAX, found: version });
        }
        if bytes.len() > KV_STORE_LEN_MAX {
            return Err(MsgpackError::TooLong { max: KV_STORE_LEN_MAX, found: bytes.len() });
        }
        let mut reader = Reader { rest: bytes };
        let with_execution = version >= VERSION_WITH_EXECUTION;
        reader.map(field_count(version))?;
        let store = Self {
            version,
            version_upgrade: reader.field(VERSION_UPGRADE, |r| r.activator(Reader::u64))?,
            epoch_state_id: reader.field(EPOCH_STATE_ID, Reader::identifier)?,
            epoch_extension_view_count: reader.field(EPOCH_EXTENSION_VIEW_COUNT, Reader::u64)?,
            finalization_safety_threshold: reader
                .field(FINALIZATION_SAFETY_THRESHOLD, Reader::u64)?,
            execution: if with_execution { Some(reader.execution()?) } else { None },
            snapshot_tree_root: match version {
                SIMULATED_KV_STORE_VERSION => {
                    Some(reader.field(SNAPSHOT_TREE_ROOT, Reader::identifier)?)
                }
                _ => None,
            },
        };
        if !reader.rest.is_empty() {
            return Err(MsgpackError::TrailingBytes { found: reader.rest.len() });
        }
        Ok(store)
    }
}

struct Writer {
    out: Vec<u8>,
}

impl Writer {
    fn map(&mut self, fields: u8) {
        self.out.push(FIX_MAP | fields);
    }

    fn map_len(&mut self, len: usize) {
        if let Ok(short @ 0..=FIX_MAP_MAX) = u8::try_from(len) {
            self.map(short);
        } else if let Ok(len) = u16::try_from(len) {
            self.out.push(MAP_16);
            self.out.extend_from_slice(&len.to_be_bytes());
        } else {
            let len =
                u32::try_from(len).expect("kinds of weights are 32-bit and fill memory first");
            self.out.push(MAP_32);
            self.out.extend_from_slice(&len.to_be_bytes());
        }
    }

    fn text(&mut self, text: &str) {
        let len = u8::try_from(text.len()).expect("field names have at most 31 bytes");
        self.out.push(FIX_TEXT | len);
        self.out.extend_from_slice(text.as_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.out.push(U64);
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    fn identifier(&mut self, id: &Identifier) {
        self.out.extend_from_slice(&[BYTES_8, ID_LEN]);
        self.out.extend_from_slice(&id.0);
    }

    fn activator<T>(
        &mut self,
        activator: Option<&ViewBasedActivator<T>>,
        data: impl Fn(&mut Self, &T),
    ) {
        let Some(activator) = activator else {
            return self.out.push(NIL);
        };
        self.map(2);
        self.text(DATA);
        data(self, &activator.data);
        self.text(ACTIVATION_VIEW);
        self.u64(activator.activation_view);
    }

    fn updatable<T>(&mut self, field: &UpdatableField<T>, value: impl Fn(&mut Self, &T)) {
        self.map(2);
        self.text(CURRENT_VALUE);
        value(self, &field.current_value);
        self.text(UPDATE);
        self.activator(field.update.as_ref(), value);
    }

    fn magnitude(&mut self, version: &MagnitudeVersion) {
        self.map(2);
        self.text(MAJOR);
        self.u64(version.major);
        self.text(MINOR);
        self.u64(version.minor);
    }

    fn metering(&mut self, parameters: &ExecutionMeteringParameters) {
        self.map(3);
        self.text(EFFORT_WEIGHTS);
        self.weights(&parameters.execution_effort_weights);
        self.text(MEMORY_WEIGHTS);
        self.weights(&parameters.execution_memory_weights);
        self.text(MEMORY_LIMIT);
        self.u64(parameters.execution_memory_limit);
    }

    fn weights(&mut self, weights: &BTreeMap<u32, u64>) {
        self.map_len(weights.len());
        for (kind, weight) in weights {
            self.out.push(U32);
            self.out.extend_from_slice(&kind.to_be_bytes());
            self.u64(*weight);
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], MsgpackError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(MsgpackError::EndOfInput)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], MsgpackError> {
        self.take(N)?.try_into().map_err(|_| MsgpackError::EndOfInput)
    }

    fn byte(&mut self) -> Result<u8, MsgpackError> {
        self.array().map(|[byte]| byte)
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), MsgpackError> {
        match self.byte()? {
            found if found == byte => Ok(()),
            found => Err(MsgpackError::Kind { expected, found }),
        }
    }

    fn map(&mut self, fields: u8) -> Result<(), MsgpackError> {
        self.expect(FIX_MAP | fields, "map of the model's fields")
    }

    fn field<T>(
        &mut self,
        name: &'static str,
        value: impl FnOnce(&mut Self) -> Result<T, MsgpackError>,
    ) -> Result<T, MsgpackError> {
        let missing = MsgpackError::Field { expected: name };
        let found = self.byte()?;
        if usize::from(found) != usize::from(FIX_TEXT) + name.len()
            || self.take(name.len())? != name.as_bytes()
        {
            return Err(missing);
        }
        value(self)
    }

    fn u64(&mut self) -> Result<u64, MsgpackError> {
        self.expect(U64, "64-bit integer")?;
        self.array().map(u64::from_be_bytes)
    }

    fn identifier(&mut self) -> Result<Identifier, MsgpackError> {
        self.expect(BYTES_8, "byte string")?;
        self.expect(ID_LEN, "byte string of 32 bytes")?;
        self.array().map(Identifier)
    }

    fn activator<T>(
        &mut self,
        data: impl Fn(&mut Self) -> Result<T, MsgpackError>,
    ) -> Result<Option<ViewBasedActivator<T>>, MsgpackError> {
        if self.skip_nil() {
            return Ok(None);
        }
        self.map(2)?;
        Ok(Some(ViewBasedActivator {
            data: self.field(DATA, data)?,
            activation_view: self.field(ACTIVATION_VIEW, Self::u64)?,
        }))
    }

    fn skip_nil(&mut self) -> bool {
        let nil = self.rest.first() == Some(&NIL);
        if nil {
            self.rest = &self.rest[1..];
        }
        nil
    }

    fn updatable<T>(
        &mut self,
        value: impl Fn(&mut Self) -> Result<T, MsgpackError>,
    ) -> Result<UpdatableField<T>, MsgpackError> {
        self.map(2)?;
        Ok(UpdatableField {
            current_value: self.field(CURRENT_VALUE, &value)?,
            update: self.field(UPDATE, |r| r.activator(&value))?,
        })
    }

    fn execution(&mut self) -> Result<ExecutionParameters, MsgpackError> {
        Ok(ExecutionParameters {
            metering: self.field(METERING, |r| r.updatable(Self::metering))?,
            execution_component_version: self
                .field(EXECUTION_VERSION, |r| r.updatable(Self::magnitude))?,
            cadence_component_version: self
                .field(CADENCE_VERSION, |r| r.updatable(Self::magnitude))?,
        })
    }

    fn magnitude(&mut self) -> Result<MagnitudeVersion, MsgpackError> {
        self.map(2)?;
        Ok(MagnitudeVersion {
            major: self.field(MAJOR, Self::u64)?,
            minor: self.field(MINOR, Self::u64)?,
        })
    }

    fn metering(&mut self) -> Result<ExecutionMeteringParameters, MsgpackError> {
        self.map(3)?;
        Ok(ExecutionMeteringParameters {
            execution_effort_weights: self.field(EFFORT_WEIGHTS, Self::weights)?,
            execution_memory_weights: self.field(MEMORY_WEIGHTS, Self::weights)?,
            execution_memory_limit: self.field(MEMORY_LIMIT, Self::u64)?,
        })
    }

    fn weights(&mut self) -> Result<BTreeMap<u32, u64>, MsgpackError> {
        let mut weights = BTreeMap::new();
        if self.skip_nil() {
            return Ok(weights);
        }
        for _ in 0..self.map_len()? {
            self.expect(U32, "32-bit integer")?;
            let kind = self.array().map(u32::from_be_bytes)?;
            if weights.insert(kind, self.u64()?).is_some() {
                return Err(MsgpackError::RepeatedWeight { kind });
            }
        }
        Ok(weights)
    }

    fn map_len(&mut self) -> Result<u32, MsgpackError> {
        let kind = |found| MsgpackError::Kind { expected: "map in its shortest form", found };
        match self.byte()? {
            fix @ FIX_MAP..FIX_MAP_END => Ok(u32::from(fix - FIX_MAP)),
            MAP_16 => match self.array().map(u16::from_be_bytes)? {
                len if len > u16::from(FIX_MAP_MAX) => Ok(u32::from(len)),
                _ => Err(kind(MAP_16)),
            },
            MAP_32 => match self.array().map(u32::from_be_bytes)? {
                len if len > u32::from(u16::MAX) => Ok(len),
                _ => Err(kind(MAP_32)),
            },
            found => Err(kind(found)),
        }
    }
}

/// Fields of the flat map.
fn field_count(version: u64) -> u8 {
    match version {
        SIMULATED_KV_STORE_VERSION => FIELDS_SIMULATED,
        0..VERSION_WITH_EXECUTION => FIELDS_V0,
        _ => FIELDS_V3,
    }
}

const VERSION_WITH_EXECUTION: u64 = 3;
const FIELDS_V0: u8 = 4;
const FIELDS_V3: u8 = 7;
const FIELDS_SIMULATED: u8 = 8;

const VERSION_UPGRADE: &str = "VersionUpgrade";
const EPOCH_STATE_ID: &str = "EpochStateID";
const EPOCH_EXTENSION_VIEW_COUNT: &str = "EpochExtensionViewCount";
const FINALIZATION_SAFETY_THRESHOLD: &str = "FinalizationSafetyThreshold";
const METERING: &str = "ExecutionMeteringParameters";
const EXECUTION_VERSION: &str = "ExecutionComponentVersion";
const CADENCE_VERSION: &str = "CadenceComponentVersion";
const SNAPSHOT_TREE_ROOT: &str = "SnapshotTreeRoot";
const DATA: &str = "Data";
const ACTIVATION_VIEW: &str = "ActivationView";
const CURRENT_VALUE: &str = "CurrentValue";
const UPDATE: &str = "Update";
const MAJOR: &str = "Major";
const MINOR: &str = "Minor";
const EFFORT_WEIGHTS: &str = "ExecutionEffortWeights";
const MEMORY_WEIGHTS: &str = "ExecutionMemoryWeights";
const MEMORY_LIMIT: &str = "ExecutionMemoryLimit";

const FIX_MAP: u8 = 0x80;
const FIX_MAP_END: u8 = 0x90;
const FIX_MAP_MAX: u8 = 15;
const FIX_TEXT: u8 = 0xa0;
const NIL: u8 = 0xc0;
const BYTES_8: u8 = 0xc4;
const U32: u8 = 0xce;
const U64: u8 = 0xcf;
const MAP_16: u8 = 0xde;
const MAP_32: u8 = 0xdf;
const ID_LEN: u8 = 32;
