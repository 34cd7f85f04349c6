//! How much memory JSON may take: as much as its bytes allow.
//!
//! What a list keeps for an item is read as [`Kept`], which asks the deserializer for the room. Only
//! [`Bounded`] answers; without it, there is no limit. Items are asked about before they are read,
//! for JSON does not say how many there are.

use super::ReadJson;
use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};

/// A deserializer that lets lists take so much memory.
pub(in super::super) struct Bounded<'r, T> {
    inner: T,
    room: &'r Cell<usize>,
}

/// Reads a value of JSON `len` bytes long, whose lists may keep 1.6 bytes for each, and
/// [`MEMORY_SMALL`] besides, but at most [`MEMORY_MAX`].
///
/// What flow-go writes takes no more: a cluster certificate without votes has 30 bytes and takes 48.
/// A list that grows is there twice for a moment, so that reading takes up to 2.25 times as much.
pub(in super::super) fn bounded<'de, S: DeserializeSeed<'de>, D: Deserializer<'de>>(
    len: usize,
    seed: S,
    deserializer: D,
) -> Result<S::Value, D::Error> {
    let room = len.saturating_add(len / 5 * 3).saturating_add(MEMORY_SMALL).min(MEMORY_MAX);
    seed.deserialize(Bounded { inner: deserializer, room: &Cell::new(room) })
}

/// An item of a list, for which the list keeps room.
pub(super) struct Kept<T>(pub(super) T);

impl<'de, T: ReadJson> Deserialize<'de> for Kept<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(KEPT, Item(PhantomData)).map(Self)
    }
}

struct Item<T>(PhantomData<T>);

impl<'de, T: ReadJson> Visitor<'de> for Item<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item of a list")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::read(deserializer)
    }
}

macro_rules! forward {
    ($($method:ident($($name:ident: $kind:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $kind,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($name,)* Bounded { inner: visitor, room: self.room })
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Bounded<'_, D> {
    type Error = D::Error;

    forward! {
        deserialize_any() deserialize_bool()
        deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64()
        deserialize_f32() deserialize_f64() deserialize_char() deserialize_str()
        deserialize_string() deserialize_bytes() deserialize_byte_buf() deserialize_option()
        deserialize_unit() deserialize_unit_struct(name: &'static str) deserialize_seq()
        deserialize_tuple(len: usize) deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_map() deserialize_identifier() deserialize_ignored_any()
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        if name == KEPT {
            let left = self.room.get().checked_sub(size_of::<V::Value>());
            self.room.set(left.ok_or_else(|| D::Error::custom(TOO_MUCH))?);
        }
        self.inner.deserialize_newtype_struct(name, Bounded { inner: visitor, room: self.room })
    }
}

macro_rules! forward_visits {
    ($($method:ident($kind:ty))*) => {$(
        fn $method<E: serde::de::Error>(self, value: $kind) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

/// What JSON has: scalars, texts, `null`, lists and maps.
impl<'de, V: Visitor<'de>> Visitor<'de> for Bounded<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    forward_visits! {
        visit_bool(bool) visit_i64(i64) visit_u64(u64) visit_f64(f64)
        visit_str(&str) visit_borrowed_str(&'de str) visit_string(alloc::string::String)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Bounded { inner: deserializer, room: self.room })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, d: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Bounded { inner: d, room: self.room })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(Bounded { inner: seq, room: self.room })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Bounded { inner: map, room: self.room })
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_element_seed(Bounded { inner: seed, room: self.room })
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(Bounded { inner: seed, room: self.room })
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Bounded<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Bounded { inner: deserializer, room: self.room })
    }
}

/// The name by which [`Kept`] asks for room: serde hands a newtype's name to the deserializer.
const KEPT: &str = "weir_protocol::codec::json::Kept";
const TOO_MUCH: &str = "its lists would take more memory than its bytes may";

/// Bytes of memory that the lists of any JSON may keep besides: 512 KiB.
const MEMORY_SMALL: usize = 512 << 10;
/// Most bytes of memory that the lists of any JSON may keep: 96 MiB.
const MEMORY_MAX: usize = 96 << 20;
