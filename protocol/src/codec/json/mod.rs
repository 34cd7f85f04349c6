//! Shapes of flow-go's JSON: how its values are written, shared by service events and snapshots.
//!
//! The private structs in here mirror flow-go's, field by field in its order, and read straight
//! into the model. Go writes an empty list as `null` or `[]`, depending on how the program made
//! it; both are read as empty.

pub(super) mod block;
pub(super) mod epoch;
pub(super) mod lists;
mod object;
pub(super) mod room;
pub(super) mod state;

use crate::model::{Identifier, Role, grow, hex_text};
use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::marker::PhantomData;
use room::Kept;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

/// A value with a shape in flow-go's JSON.
pub(super) trait ReadJson: Sized {
    /// Reads the value.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// A value written as flow-go's JSON.
pub(super) trait WriteJson {
    /// Writes the value.
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

impl<T: WriteJson> WriteJson for &T {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        T::write(self, serializer)
    }
}

/// For `#[serde(with)]`: a field whose type has one shape.
pub(super) mod shaped {
    use super::{Deserializer, ReadJson, Serializer, WriteJson};

    pub(in super::super) fn deserialize<'de, T: ReadJson, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        T::read(deserializer)
    }

    pub(in super::super) fn serialize<T: WriteJson, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.write(serializer)
    }
}

/// For `#[serde(with)]`: a list that flow-go leaves `nil` when it is empty.
pub(super) mod nullable {
    use super::{Deserializer, ReadJson, Serializer, Vec, WriteJson};

    pub(in super::super) fn deserialize<'de, T: ReadJson, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<T>, D::Error> {
        Vec::read(deserializer)
    }

    pub(in super::super) fn serialize<T: WriteJson, S: Serializer>(
        list: &Vec<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if list.is_empty() { serializer.serialize_none() } else { list.write(serializer) }
    }
}

/// For `#[serde(with)]`: bytes in standard base64, `null` for none.
pub(super) mod nullable_bytes {
    use super::Serializer;
    pub(in super::super) use super::base64_bytes::deserialize;

    pub(in super::super) fn serialize<S: Serializer>(
        bytes: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if bytes.is_empty() {
            serializer.serialize_none()
        } else {
            super::base64_bytes::serialize(bytes, serializer)
        }
    }
}

/// For `#[serde(with)]`: bytes in standard base64; `null` is read as none.
pub(super) mod base64_bytes {
    use super::{Base64, Deserializer, ReadJson, Serializer, Vec, WriteJson};

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        Ok(Base64::read(deserializer)?.0)
    }

    pub(in super::super) fn serialize<S: Serializer>(
        bytes: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        Base64(bytes.to_vec()).write(serializer)
    }
}

/// For `#[serde(with)]`: a key of exactly `N` bytes in standard base64, `null` for none.
pub(super) mod nullable_key {
    use super::{Base64, Deserializer, ReadJson, Serializer, WriteJson, exactly};

    pub(in super::super) fn deserialize<'de, const N: usize, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<[u8; N]>, D::Error> {
        Option::<Base64>::read(deserializer)?.map(|bytes| exactly(&bytes.0)).transpose()
    }

    pub(in super::super) fn serialize<const N: usize, S: Serializer>(
        key: &Option<[u8; N]>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        key.map(|key| Base64(key.to_vec())).write(serializer)
    }
}

/// For `#[serde(with)]`: a number or text, `null` being its zero value, as Go reads it.
pub(super) mod scalar {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in super::super) fn deserialize<
        'de,
        T: Deserialize<'de> + Default,
        D: Deserializer<'de>,
    >(
        deserializer: D,
    ) -> Result<T, D::Error> {
        Ok(Option::deserialize(deserializer)?.unwrap_or_default())
    }

    pub(in super::super) fn serialize<T: Serialize, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }
}

/// Bytes in standard base64; `null` is read as none.
pub(super) struct Base64(pub(super) Vec<u8>);

impl ReadJson for Base64 {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use base64::prelude::{BASE64_STANDARD, Engine as _};
        let text = Option::<Cow<'de, str>>::deserialize(deserializer)?.unwrap_or_default();
        let bytes = BASE64_STANDARD.decode(text.as_bytes());
        bytes.map(Self).map_err(|_| D::Error::custom("expected padded standard base64"))
    }
}

impl WriteJson for Base64 {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::prelude::{BASE64_STANDARD, Engine as _};
        serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

/// Exactly `N` bytes in hexadecimal.
#[derive(Clone, Copy)]
pub(super) struct Hex<const N: usize>(pub(super) [u8; N]);

impl<const N: usize> ReadJson for Hex<N> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let mut bytes = [0; N];
        match hex::decode_to_slice(text.as_bytes(), &mut bytes) {
            Ok(()) => Ok(Self(bytes)),
            Err(_) => Err(D::Error::custom(format_args!("expected {N} bytes in hexadecimal"))),
        }
    }
}

impl<const N: usize> WriteJson for Hex<N> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex_text(&self.0))
    }
}

/// An identifier; Go reads `null` as the zero one.
impl ReadJson for Identifier {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<Hex<32>>::read(deserializer)?.map(|hex| Self(hex.0)).unwrap_or_default())
    }
}

impl WriteJson for Identifier {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Hex(self.0).write(serializer)
    }
}

impl ReadJson for Role {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl WriteJson for Role {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A value, or `null` for none.
impl<T: ReadJson> ReadJson for Option<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<Read<T>>::deserialize(deserializer)?.map(|item| item.0))
    }
}

/// A value, or `null` for none.
impl<T: WriteJson> WriteJson for Option<T> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Some(value) => value.write(serializer),
            None => serializer.serialize_none(),
        }
    }
}

/// Lets serde read a [`ReadJson`] value.
pub(super) struct Read<T>(pub(super) T);

impl<'de, T: ReadJson> Deserialize<'de> for Read<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Self)
    }
}

/// Lets serde write a [`WriteJson`] value.
pub(super) struct Write<T>(pub(super) T);

impl<T: WriteJson> Serialize for Write<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write(serializer)
    }
}

/// Reads a map whose keys are identifiers, as pairs in the order written; `null` counts as empty.
pub(super) fn id_pairs<'de, T: ReadJson, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(Identifier, T)>, D::Error> {
    Ok(nullable_id_pairs(deserializer)?.unwrap_or_default())
}

/// As [`id_pairs`], with nothing for `null`.
pub(super) fn nullable_id_pairs<'de, T: ReadJson, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<(Identifier, T)>>, D::Error> {
    Ok(Option::<IdPairs<T>>::deserialize(deserializer)?.map(|pairs| pairs.0))
}

struct IdPairs<T>(Vec<(Identifier, T)>);

impl<'de, T: ReadJson> Deserialize<'de> for IdPairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(IdPairsVisitor(PhantomData))
    }
}

struct IdPairsVisitor<T>(PhantomData<T>);

impl<'de, T: ReadJson> serde::de::Visitor<'de> for IdPairsVisitor<T> {
    type Value = IdPairs<T>;

    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a map whose keys are identifiers")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some((id, value)) = map.next_entry::<Read<Identifier>, Kept<T>>()? {
            grow(&mut pairs);
            pairs.push((id.0, value.0));
        }
        Ok(IdPairs(pairs))
    }
}

fn exactly<const N: usize, E: serde::de::Error>(bytes: &[u8]) -> Result<[u8; N], E> {
    let found = bytes.len();
    bytes.try_into().map_err(|_| E::custom(format_args!("expected {N} bytes, found {found}")))
}

/// Makes a struct's mirror its shape: the mirror derives serde's traits with `remote`.
macro_rules! reads_as {
    ($model:ty, $mirror:ident) => {
        impl $crate::codec::json::ReadJson for $model {
            fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $mirror::deserialize($crate::codec::json::Object(deserializer))
            }
        }
    };
}

/// As `reads_as`, for a struct that Go holds as a value: it leaves that as it was at `null`.
macro_rules! reads_or_default {
    ($model:ty, $mirror:ident) => {
        impl $crate::codec::json::ReadJson for $model {
            fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Value($model);
                impl<'de> Deserialize<'de> for Value {
                    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                        $mirror::deserialize($crate::codec::json::Object(d)).map(Self)
                    }
                }
                let value = Option::<Value>::deserialize(deserializer)?;
                Ok(value.map(|value| value.0).unwrap_or_default())
            }
        }
    };
}

/// As `reads_as`, for writing.
macro_rules! writes_as {
    ($model:ty, $mirror:ident) => {
        impl $crate::codec::json::WriteJson for $model {
            fn write<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $mirror::serialize(self, serializer)
            }
        }
    };
}

pub(super) use object::Object;
pub(super) use {reads_as, reads_or_default, writes_as};
