//! JSON of service events, as blocks carry it and as it comes from execution nodes.
//!
//! A block response names an event's type and gives its payload as JSON. Node keys, random source
//! and signatures are base64; identifiers and random beacon keys are hexadecimal (flow-go
//! `model/flow/service_event.go`, `model/encodable`).

use super::json::epoch::{EjectNodeJson, ExtensionViewCountJson, VersionUpgradeJson};
use super::json::room::bounded;
use super::json::{Object, ReadJson, WriteJson};
use super::keys;
pub use super::keys::KeyError;
use crate::model::{EpochCommit, EpochRecover, EpochSetup, ServiceEvent, VersionBeacon};
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{SerializeStruct as _, Serializer};
use serde::{Deserialize, Serialize};

/// Most bytes of a service event's JSON.
///
/// An epoch recovery takes some 0.6 KiB a node.
pub const SERVICE_EVENT_LEN_MAX: usize = 8 * 1024 * 1024;

impl ServiceEvent {
    /// Reads the JSON payload of an event of the named type.
    ///
    /// # Errors
    /// When the type is unknown, the payload is longer than [`SERVICE_EVENT_LEN_MAX`], it is not the
    /// JSON of such an event, or a key in it is no point of its curve: what flow-go cannot decode or
    /// hash, so that no block has it.
    pub fn from_json(type_name: &str, payload: &[u8]) -> Result<Self, ServiceEventError> {
        if payload.len() > SERVICE_EVENT_LEN_MAX {
            return Err(ServiceEventError::TooLong {
                max: SERVICE_EVENT_LEN_MAX,
                found: payload.len(),
            });
        }
        let kind = Kind::named(type_name)
            .ok_or_else(|| ServiceEventError::UnknownType { found: type_name.to_string() })?;
        // Go leaves an event as it was made when it reads `null`.
        let payload = if payload.trim_ascii() == b"null" { b"{}" } else { payload };
        let mut deserializer = serde_json::Deserializer::from_slice(payload);
        let event = bounded(payload.len(), kind, &mut deserializer)?;
        deserializer.end()?;
        keys::check(&event)?;
        Ok(event)
    }

    /// The event's JSON payload, byte for byte as flow-go writes it.
    ///
    /// Empty lists are written as `[]`, as flow-go does for events read from the chain.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let text = serde_json::to_string(&Payload(self));
        escape_as_go(text.expect("these shapes have text keys and no failing part")).into_bytes()
    }
}

/// Why bytes are not the JSON of a service event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceEventError {
    /// A type this crate does not know.
    #[error("unknown service event type {found:?}")]
    UnknownType {
        /// The type.
        found: String,
    },
    /// More bytes than any event has.
    #[error("a service event has at most {max} bytes, found {found}")]
    TooLong {
        /// Bytes allowed.
        max: usize,
        /// Bytes found.
        found: usize,
    },
    /// A key that is no point of its curve.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Not the JSON of such an event.
    #[error("malformed service event")]
    Json(#[from] serde_json::Error),
}

/// The types of service events.
#[derive(Clone, Copy)]
enum Kind {
    EpochSetup,
    EpochCommit,
    EpochRecover,
    EjectNode,
    ProtocolStateVersionUpgrade,
    SetEpochExtensionViewCount,
    VersionBeacon,
}

impl Kind {
    fn named(type_name: &str) -> Option<Self> {
        Some(match type_name {
            "setup" => Self::EpochSetup,
            "commit" => Self::EpochCommit,
            "recover" => Self::EpochRecover,
            "eject-node" => Self::EjectNode,
            "protocol-state-version-upgrade" => Self::ProtocolStateVersionUpgrade,
            "set-epoch-extension-view-count" => Self::SetEpochExtensionViewCount,
            "version-beacon" => Self::VersionBeacon,
            _ => return None,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Kind {
    type Value = ServiceEvent;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<ServiceEvent, D::Error> {
        Ok(match self {
            Self::EpochSetup => ServiceEvent::EpochSetup(Box::new(EpochSetup::read(d)?)),
            Self::EpochCommit => ServiceEvent::EpochCommit(Box::new(EpochCommit::read(d)?)),
            Self::EpochRecover => ServiceEvent::EpochRecover(Box::new(EpochRecover::read(d)?)),
            Self::EjectNode => {
                ServiceEvent::EjectNode { node_id: EjectNodeJson::deserialize(Object(d))?.node_id }
            }
            Self::ProtocolStateVersionUpgrade => {
                let upgrade = VersionUpgradeJson::deserialize(Object(d))?;
                ServiceEvent::ProtocolStateVersionUpgrade {
                    new_protocol_state_version: upgrade.new_protocol_state_version,
                    active_view: upgrade.active_view,
                }
            }
            Self::SetEpochExtensionViewCount => ServiceEvent::SetEpochExtensionViewCount {
                value: ExtensionViewCountJson::deserialize(Object(d))?.value,
            },
            Self::VersionBeacon => ServiceEvent::VersionBeacon(VersionBeacon::read(d)?),
        })
    }
}

/// An event inside a result: `{"Type": …, "Event": …}`, in this order.
impl ReadJson for ServiceEvent {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TypedEvent)
    }
}

struct TypedEvent;

impl<'de> Visitor<'de> for TypedEvent {
    type Value = ServiceEvent;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a service event's Type, then its Event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ServiceEvent, A::Error> {
        let unordered = || A::Error::custom("expected a service event's Type, then its Event");
        let Some((key, type_name)) = map.next_entry::<String, String>()? else {
            return Err(unordered());
        };
        let kind = Kind::named(&type_name)
            .ok_or_else(|| A::Error::custom(format_args!("unknown event type {type_name:?}")))?;
        let event_key = map.next_key::<String>()?;
        if key != "Type" || event_key.as_deref() != Some("Event") {
            return Err(unordered());
        }
        let event = map.next_value_seed(kind)?;
        if map.next_key::<String>()?.is_some() {
            return Err(unordered());
        }
        Ok(event)
    }
}

impl WriteJson for ServiceEvent {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut event = serializer.serialize_struct("ServiceEvent", 2)?;
        event.serialize_field("Type", self.type_name())?;
        event.serialize_field("Event", &Payload(self))?;
        event.end()
    }
}

/// An event without its type.
struct Payload<'a>(&'a ServiceEvent);

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            ServiceEvent::EpochSetup(setup) => setup.write(serializer),
            ServiceEvent::EpochCommit(commit) => commit.write(serializer),
            ServiceEvent::EpochRecover(recover) => recover.write(serializer),
            ServiceEvent::EjectNode { node_id } => {
                EjectNodeJson { node_id: *node_id }.serialize(serializer)
            }
            ServiceEvent::ProtocolStateVersionUpgrade {
                new_protocol_state_version,
                active_view,
            } => VersionUpgradeJson {
                new_protocol_state_version: *new_protocol_state_version,
                active_view: *active_view,
            }
            .serialize(serializer),
            ServiceEvent::SetEpochExtensionViewCount { value } => {
                ExtensionViewCountJson { value: *value }.serialize(serializer)
            }
            ServiceEvent::VersionBeacon(beacon) => beacon.write(serializer),
        }
    }
}

/// Escapes what Go's encoder does and serde's does not.
///
/// Outside strings, JSON has none of these characters.
pub(super) fn escape_as_go(json: String) -> String {
    // Nearly all JSON is done here; 0xe2 is the first byte of the two separators.
    if !json.bytes().any(|byte| matches!(byte, b'<' | b'>' | b'&' | 0xe2)) {
        return json;
    }
    let special = json.match_indices(['<', '>', '&', '\u{2028}', '\u{2029}']);
    let mut escaped = String::with_capacity(json.len() + json.len() / 16);
    let mut copied = 0;
    for (at, text) in special {
        escaped.push_str(&json[copied..at]);
        escaped.push_str(match text {
            "<" => "\\u003c",
            ">" => "\\u003e",
            "&" => "\\u0026",
            "\u{2028}" => "\\u2028",
            _ => "\\u2029",
        });
        copied = at + text.len();
    }
    escaped.push_str(&json[copied..]);
    escaped
}
