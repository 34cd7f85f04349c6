//! Questions between `weir.v1` messages and the model.

use std::collections::BTreeSet;

use weir_protocol::model::{Identifier, Role};
use weir_protocol::protocol_state::{EpochName, ParticipationStatus};
use weir_protocol::request::{FILTER_IDS_MAX, IdentityFilter, Selector};

use super::ConvertError;
use crate::weir::v1;

pub(super) fn selector_to_wire(selector: Selector) -> v1::BlockSelector {
    use v1::block_selector::Selector as Wire;
    let selector = match selector {
        Selector::LatestFinalized => Wire::LatestFinalized(v1::LatestFinalized {}),
        Selector::LatestSealed => Wire::LatestSealed(v1::LatestSealed {}),
        Selector::Id(id) => Wire::BlockId(bytes(&id)),
        Selector::Height(height) => Wire::Height(height),
    };
    v1::BlockSelector { selector: Some(selector) }
}

/// Reads a block selector.
///
/// # Errors
/// When none is set, or a block ID has not 32 bytes.
pub(super) fn selector_from_wire(
    wire: Option<v1::BlockSelector>,
) -> Result<Selector, ConvertError> {
    use v1::block_selector::Selector as Wire;
    let selector = wire.and_then(|selector| selector.selector);
    match selector.ok_or_else(|| ConvertError::missing("question.block"))? {
        Wire::LatestFinalized(_) => Ok(Selector::LatestFinalized),
        Wire::LatestSealed(_) => Ok(Selector::LatestSealed),
        Wire::BlockId(id) => identifier("question.block.block_id", &id).map(Selector::Id),
        Wire::Height(height) => Ok(Selector::Height(height)),
    }
}

/// Reads an identity filter.
///
/// # Errors
/// When a role or status is unknown, a node ID has not 32 bytes, or there are too many.
pub(super) fn filter_from_wire(
    roles: &[i32],
    statuses: &[i32],
    node_ids: &[impl AsRef<[u8]>],
) -> Result<IdentityFilter, ConvertError> {
    if node_ids.len() > FILTER_IDS_MAX {
        return Err(ConvertError::too_many("node_ids", FILTER_IDS_MAX, node_ids.len()));
    }
    let roles: Result<BTreeSet<_>, _> = roles.iter().map(|role| role_from_wire(*role)).collect();
    let statuses: Result<BTreeSet<_>, _> =
        statuses.iter().map(|status| status_from_wire(*status)).collect();
    let node_ids: Result<BTreeSet<_>, _> =
        node_ids.iter().map(|id| identifier("node_ids", id.as_ref())).collect();
    Ok(IdentityFilter { roles: roles?, statuses: statuses?, node_ids: node_ids? })
}

/// Reads which epoch is asked for.
///
/// # Errors
/// When the value is none of the three.
pub(super) fn epoch_from_wire(epoch: i32) -> Result<EpochName, ConvertError> {
    match v1::EpochPosition::try_from(epoch) {
        Ok(v1::EpochPosition::Previous) => Ok(EpochName::Previous),
        Ok(v1::EpochPosition::Current) => Ok(EpochName::Current),
        Ok(v1::EpochPosition::Next) => Ok(EpochName::Next),
        _ => Err(ConvertError::unknown("epoch", epoch)),
    }
}

/// The wire's number of an epoch.
pub(super) fn epoch_to_number(name: EpochName) -> v1::EpochPosition {
    match name {
        EpochName::Previous => v1::EpochPosition::Previous,
        EpochName::Current => v1::EpochPosition::Current,
        EpochName::Next => v1::EpochPosition::Next,
    }
}

/// Returns the ID that flow-go's `HashToID` makes of bytes: filled up with zeros, or cut off, to 32.
///
/// Questions about snapshots and results are taken with such IDs; whoever needs exactly 32 bytes uses
/// `Identifier::try_from`.
#[must_use]
pub fn id_of_any_length(bytes: &[u8]) -> Identifier {
    let mut id = Identifier::ZERO;
    id.0.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    id
}

/// Reads an identifier of 32 bytes.
///
/// # Errors
/// When the length differs.
pub(super) fn identifier(field: &'static str, bytes: &[u8]) -> Result<Identifier, ConvertError> {
    Identifier::try_from(bytes).map_err(|source| ConvertError::identifier(field, source))
}

/// The wire's number of a role.
#[must_use]
pub fn role_to_wire(role: Role) -> v1::Role {
    match role {
        Role::Collection => v1::Role::Collection,
        Role::Consensus => v1::Role::Consensus,
        Role::Execution => v1::Role::Execution,
        Role::Verification => v1::Role::Verification,
        Role::Access => v1::Role::Access,
    }
}

fn role_from_wire(role: i32) -> Result<Role, ConvertError> {
    let number = u64::try_from(role).unwrap_or_default();
    Role::from_number(number).ok_or_else(|| ConvertError::unknown("roles", role))
}

/// The wire's number of a participation status.
#[must_use]
pub fn status_to_wire(status: ParticipationStatus) -> v1::ParticipationStatus {
    match status {
        ParticipationStatus::Active => v1::ParticipationStatus::Active,
        ParticipationStatus::Joining => v1::ParticipationStatus::Joining,
        ParticipationStatus::Leaving => v1::ParticipationStatus::Leaving,
        ParticipationStatus::Ejected => v1::ParticipationStatus::Ejected,
    }
}

fn status_from_wire(status: i32) -> Result<ParticipationStatus, ConvertError> {
    let unknown = || ConvertError::unknown("statuses", status);
    ParticipationStatus::ALL
        .into_iter()
        .find(|known| i32::from(status_to_wire(*known)) == status)
        .ok_or_else(unknown)
}

pub(super) fn bytes(id: &Identifier) -> bytes::Bytes {
    id.0.to_vec().into()
}
