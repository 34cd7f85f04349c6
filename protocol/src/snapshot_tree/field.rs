//! Fields: what the key-value store and the epoch state hold besides identities, by name.

use crate::codec::rlp::{Decoder, Encoder, RlpError};
use crate::codec::sha3_256;
use crate::codec::state as codec;
use crate::model::{
    EpochExtension, EpochPhase, EpochSetup, EpochStateContainer, EpochStateEntry,
    ExecutionMeteringParameters, Identifier, KvStore, MagnitudeVersion, UpdatableField,
    ViewBasedActivator,
};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

/// A field of the snapshot tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Field {
    /// Version of the key-value store.
    Version,
    /// Scheduled version upgrade.
    VersionUpgrade,
    /// ID of the epoch state.
    EpochStateId,
    /// Views an epoch extension adds.
    EpochExtensionViewCount,
    /// Views before a deadline from which on it counts as missed.
    FinalizationSafetyThreshold,
    /// Metering parameters.
    ExecutionMeteringParameters,
    /// Version of the execution component.
    ExecutionComponentVersion,
    /// Version of the Cadence component.
    CadenceComponentVersion,
    /// Number of the current epoch.
    EpochCounter,
    /// Phase of the current epoch.
    EpochPhase,
    /// First view of the current epoch.
    EpochFirstView,
    /// Last view of the current epoch, extensions counted.
    EpochFinalView,
    /// Extensions of the current epoch.
    EpochExtensions,
    /// Whether the network is in epoch fallback mode.
    EpochFallbackTriggered,
    /// ID of the previous epoch's setup.
    PreviousSetupId,
    /// ID of the previous epoch's commit.
    PreviousCommitId,
    /// ID of the current epoch's setup.
    CurrentSetupId,
    /// ID of the current epoch's commit.
    CurrentCommitId,
    /// ID of the next epoch's setup.
    NextSetupId,
    /// ID of the next epoch's commit; absent while the epoch is only set up.
    NextCommitId,
}

impl Field {
    /// All fields.
    pub const ALL: [Self; 20] = [
        Self::Version,
        Self::VersionUpgrade,
        Self::EpochStateId,
        Self::EpochExtensionViewCount,
        Self::FinalizationSafetyThreshold,
        Self::ExecutionMeteringParameters,
        Self::ExecutionComponentVersion,
        Self::CadenceComponentVersion,
        Self::EpochCounter,
        Self::EpochPhase,
        Self::EpochFirstView,
        Self::EpochFinalView,
        Self::EpochExtensions,
        Self::EpochFallbackTriggered,
        Self::PreviousSetupId,
        Self::PreviousCommitId,
        Self::CurrentSetupId,
        Self::CurrentCommitId,
        Self::NextSetupId,
        Self::NextCommitId,
    ];

    /// The field's name, which its key in the tree is the SHA3-256 of.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Version => "kv_store.version",
            Self::VersionUpgrade => "kv_store.version_upgrade",
            Self::EpochStateId => "kv_store.epoch_state_id",
            Self::EpochExtensionViewCount => "kv_store.epoch_extension_view_count",
            Self::FinalizationSafetyThreshold => "kv_store.finalization_safety_threshold",
            Self::ExecutionMeteringParameters => "kv_store.execution_metering_parameters",
            Self::ExecutionComponentVersion => "kv_store.execution_component_version",
            Self::CadenceComponentVersion => "kv_store.cadence_component_version",
            Self::EpochCounter => "current_epoch.counter",
            Self::EpochPhase => "current_epoch.phase",
            Self::EpochFirstView => "current_epoch.first_view",
            Self::EpochFinalView => "current_epoch.final_view",
            Self::EpochExtensions => "current_epoch.extensions",
            Self::EpochFallbackTriggered => "epoch_fallback_triggered",
            Self::PreviousSetupId => "previous_epoch.setup_id",
            Self::PreviousCommitId => "previous_epoch.commit_id",
            Self::CurrentSetupId => "current_epoch.setup_id",
            Self::CurrentCommitId => "current_epoch.commit_id",
            Self::NextSetupId => "next_epoch.setup_id",
            Self::NextCommitId => "next_epoch.commit_id",
        }
    }

    /// The field's key in the tree of fields.
    pub(super) fn key(self) -> [u8; 32] {
        sha3_256(&[self.name().as_bytes()]).0
    }

    /// Reads the field's value, to the end of `bytes`.
    pub(super) fn decode(self, bytes: &[u8]) -> Result<FieldValue, RlpError> {
        let mut d = Decoder::new(bytes);
        let value = match self {
            Self::Version
            | Self::EpochExtensionViewCount
            | Self::FinalizationSafetyThreshold
            | Self::EpochCounter
            | Self::EpochFirstView
            | Self::EpochFinalView => FieldValue::Number(d.uint()?),
            Self::EpochFallbackTriggered => FieldValue::Flag(d.boolean()?),
            Self::EpochPhase => FieldValue::Phase(phase(d.uint()?)?),
            Self::VersionUpgrade => {
                let upgrade = codec::decode_activator(&mut d, Decoder::uint)?;
                let invalid = RlpError::Invalid { field: "version upgrade" };
                FieldValue::VersionUpgrade(upgrade.ok_or(invalid)?)
            }
            Self::ExecutionMeteringParameters => {
                FieldValue::Metering(codec::decode_updatable(&mut d, codec::decode_metering)?)
            }
            Self::ExecutionComponentVersion | Self::CadenceComponentVersion => {
                let version = codec::decode_updatable(&mut d, codec::decode_magnitude)?;
                FieldValue::ComponentVersion(version)
            }
            Self::EpochExtensions => FieldValue::Extensions(codec::decode_extensions(&mut d)?),
            Self::EpochStateId
            | Self::PreviousSetupId
            | Self::PreviousCommitId
            | Self::CurrentSetupId
            | Self::CurrentCommitId
            | Self::NextSetupId
            | Self::NextCommitId => FieldValue::Id(Identifier(d.array()?)),
        };
        d.finish()?;
        Ok(value)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Field {
    type Err = UnknownField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|field| field.name() == text).ok_or(UnknownField)
    }
}

/// The text names no field of the snapshot tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the snapshot tree has no field of this name")]
pub struct UnknownField;

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldValue {
    /// A version, counter, view or number of views.
    Number(u64),
    /// Whether something is so.
    Flag(bool),
    /// A phase.
    Phase(EpochPhase),
    /// An ID.
    Id(Identifier),
    /// Extensions, in order.
    Extensions(Vec<EpochExtension>),
    /// A scheduled version upgrade.
    VersionUpgrade(ViewBasedActivator<u64>),
    /// Metering parameters.
    Metering(UpdatableField<ExecutionMeteringParameters>),
    /// Version of a component.
    ComponentVersion(UpdatableField<MagnitudeVersion>),
}

impl FieldValue {
    /// The value's RLP, which the leaf's hash covers.
    pub(super) fn to_rlp(&self) -> Vec<u8> {
        let mut e = Encoder::new();
        match self {
            Self::Number(number) => e.uint(*number),
            Self::Flag(flag) => e.boolean(*flag),
            Self::Phase(phase) => e.uint(phase_number(*phase)),
            Self::Id(id) => e.bytes(&id.0),
            Self::Extensions(extensions) => codec::encode_extensions(&mut e, extensions),
            Self::VersionUpgrade(upgrade) => {
                codec::encode_activator(&mut e, Some(upgrade), |e, version| e.uint(*version));
            }
            Self::Metering(metering) => {
                codec::encode_updatable(&mut e, metering, codec::encode_metering);
            }
            Self::ComponentVersion(version) => {
                codec::encode_updatable(&mut e, version, codec::encode_magnitude);
            }
        }
        e.finish()
    }
}

/// The fields that a state has.
pub(super) fn fields(
    kv: &KvStore,
    entry: &EpochStateEntry,
    current_setup: &EpochSetup,
) -> BTreeMap<Field, FieldValue> {
    let mut fields = BTreeMap::from([
        (Field::Version, FieldValue::Number(kv.version)),
        (Field::EpochStateId, FieldValue::Id(kv.epoch_state_id)),
        (Field::EpochExtensionViewCount, FieldValue::Number(kv.epoch_extension_view_count)),
        (Field::FinalizationSafetyThreshold, FieldValue::Number(kv.finalization_safety_threshold)),
    ]);
    fields
        .extend(kv.version_upgrade.map(|u| (Field::VersionUpgrade, FieldValue::VersionUpgrade(u))));
    if let Some(execution) = &kv.execution {
        let version = |version: &UpdatableField<_>| FieldValue::ComponentVersion(version.clone());
        fields.extend([
            (Field::ExecutionMeteringParameters, FieldValue::Metering(execution.metering.clone())),
            (Field::ExecutionComponentVersion, version(&execution.execution_component_version)),
            (Field::CadenceComponentVersion, version(&execution.cadence_component_version)),
        ]);
    }
    add_epochs(&mut fields, entry, current_setup);
    fields
}

fn add_epochs(
    fields: &mut BTreeMap<Field, FieldValue>,
    entry: &EpochStateEntry,
    current_setup: &EpochSetup,
) {
    let extensions = &entry.current_epoch.epoch_extensions;
    let final_view = extensions.last().map_or(current_setup.final_view, |last| last.final_view);
    fields.extend([
        (Field::EpochCounter, FieldValue::Number(current_setup.counter)),
        (Field::EpochPhase, FieldValue::Phase(entry.phase())),
        (Field::EpochFirstView, FieldValue::Number(current_setup.first_view)),
        (Field::EpochFinalView, FieldValue::Number(final_view)),
        (Field::EpochExtensions, FieldValue::Extensions(extensions.clone())),
        (Field::EpochFallbackTriggered, FieldValue::Flag(entry.epoch_fallback_triggered)),
    ]);
    let previous = (Field::PreviousSetupId, Field::PreviousCommitId);
    let current = (Field::CurrentSetupId, Field::CurrentCommitId);
    add_event_ids(fields, previous, entry.previous_epoch.as_ref());
    add_event_ids(fields, current, Some(&entry.current_epoch));
    add_event_ids(fields, (Field::NextSetupId, Field::NextCommitId), entry.next_epoch.as_ref());
}

fn add_event_ids(
    fields: &mut BTreeMap<Field, FieldValue>,
    (setup, commit): (Field, Field),
    container: Option<&EpochStateContainer>,
) {
    let Some(container) = container else {
        return;
    };
    fields.insert(setup, FieldValue::Id(container.setup_id));
    if !container.commit_id.is_zero() {
        fields.insert(commit, FieldValue::Id(container.commit_id));
    }
}

fn phase_number(phase: EpochPhase) -> u64 {
    match phase {
        EpochPhase::Staking => 1,
        EpochPhase::Setup => 2,
        EpochPhase::Committed => 3,
        EpochPhase::Fallback => 4,
    }
}

fn phase(number: u64) -> Result<EpochPhase, RlpError> {
    let phases =
        [EpochPhase::Staking, EpochPhase::Setup, EpochPhase::Committed, EpochPhase::Fallback];
    let found = phases.into_iter().find(|phase| phase_number(*phase) == number);
    found.ok_or(RlpError::Invalid { field: "epoch phase" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[bounded::test]
    fn names_and_keys_are_unique_and_read_back() {
        let keys: BTreeSet<_> = Field::ALL.into_iter().map(Field::key).collect();
        assert_eq!(keys.len(), Field::ALL.len());
        for field in Field::ALL {
            assert_eq!(field.name().parse(), Ok(field));
        }
        assert_eq!("kv_store".parse::<Field>(), Err(UnknownField));
    }

    #[bounded::test]
    fn values_have_one_encoding() {
        let check = |field: Field, value: FieldValue| {
            let mut bytes = value.to_rlp();
            assert_eq!(field.decode(&bytes), Ok(value));
            bytes.push(0x80);
            assert!(field.decode(&bytes).is_err());
        };
        check(Field::EpochPhase, FieldValue::Phase(EpochPhase::Fallback));
        check(Field::EpochCounter, FieldValue::Number(0));
        check(Field::EpochFallbackTriggered, FieldValue::Flag(true));
        let upgrade = ViewBasedActivator { data: 4, activation_view: 1_000 };
        check(Field::VersionUpgrade, FieldValue::VersionUpgrade(upgrade));
        let version = MagnitudeVersion { major: 1, minor: 2 };
        let update = Some(ViewBasedActivator { data: version, activation_view: 9 });
        let version = UpdatableField { current_value: version, update };
        check(Field::CadenceComponentVersion, FieldValue::ComponentVersion(version));
        assert!(Field::EpochPhase.decode(&[5]).is_err());
        assert!(Field::VersionUpgrade.decode(&[0xc0]).is_err());
    }
}
