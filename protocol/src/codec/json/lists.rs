//! Lists in JSON, whose items are paid for as they come.

use super::room::Kept;
use super::{Base64, Read, ReadJson, Write, WriteJson};
use crate::model::{ByteStrings, Clusters, Identifier, IdentitySkeleton, Participants, grow};
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::Serializer;

/// A list that is filled item by item.
trait Collect: Default {
    /// What an item is read as.
    type Item<'de>: Deserialize<'de>;

    /// Appends an item.
    fn collect(&mut self, item: Self::Item<'_>);
}

/// Reads a list; Go writes an empty one as `[]` or `null`.
fn read<'de, C: Collect, D: Deserializer<'de>>(deserializer: D) -> Result<C, D::Error> {
    let list = Option::<List<C>>::deserialize(deserializer)?;
    Ok(list.map(|list| list.0).unwrap_or_default())
}

struct List<C>(C);

impl<'de, C: Collect> Deserialize<'de> for List<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Items(PhantomData)).map(Self)
    }
}

struct Items<C>(PhantomData<C>);

impl<'de, C: Collect> Visitor<'de> for Items<C> {
    type Value = C;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<C, A::Error> {
        let mut list = C::default();
        while let Some(item) = seq.next_element()? {
            list.collect(item);
        }
        Ok(list)
    }
}

/// Items as they are in memory.
impl<T: ReadJson> Collect for Vec<T> {
    type Item<'de> = Kept<T>;

    fn collect(&mut self, item: Kept<T>) {
        grow(self);
        self.push(item.0);
    }
}

/// A list; `null` is read as the empty one.
impl<T: ReadJson> ReadJson for Vec<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl<T: WriteJson> WriteJson for Vec<T> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Write))
    }
}

/// Byte strings take no more memory than text.
impl Collect for ByteStrings {
    type Item<'de> = Read<Base64>;

    fn collect(&mut self, item: Read<Base64>) {
        self.push(&item.0.0);
    }
}

/// Byte strings in standard base64; none are written as `null`.
impl ReadJson for ByteStrings {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl WriteJson for ByteStrings {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_empty() {
            return serializer.serialize_none();
        }
        serializer.collect_seq(self.iter().map(|bytes| Write(Base64(bytes.to_vec()))))
    }
}

/// Clusters keep no lists of their own.
impl Collect for Clusters {
    type Item<'de> = Read<Vec<Identifier>>;

    fn collect(&mut self, item: Read<Vec<Identifier>>) {
        item.0.into_iter().for_each(|node_id| self.push(node_id));
        self.end();
    }
}

impl ReadJson for Clusters {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl WriteJson for Clusters {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|cluster| Write(cluster.to_vec())))
    }
}

/// A nil participant is paid for by its own text.
impl Collect for Participants {
    type Item<'de> = Option<Kept<IdentitySkeleton>>;

    fn collect(&mut self, item: Option<Kept<IdentitySkeleton>>) {
        self.push(item.map(|node| node.0));
    }
}

impl ReadJson for Participants {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl WriteJson for Participants {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.entries().map(|entry| entry.map(Write)))
    }
}

/// For `#[serde(deserialize_with)]`: numbers, which are no `null`.
pub(super) fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u64>, D::Error> {
    Ok(List::deserialize(deserializer)?.0)
}

impl ReadJson for u64 {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }
}
