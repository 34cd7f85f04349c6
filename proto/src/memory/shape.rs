//! What the fields of every message take in memory, from the definitions.

use bytes::Bytes;
use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// A message: its size, and the fields that take memory of their own.
#[derive(Debug)]
pub(super) struct Shape {
    /// Most bytes of the struct itself.
    pub(super) size: usize,
    pub(super) fields: Vec<(u32, Field)>,
}

/// What a field takes.
#[derive(Clone, Debug)]
pub(super) enum Field {
    /// A message inside the struct: its place among all shapes.
    Message(usize),
    /// Text, which is copied.
    Text,
    /// A list of messages.
    Messages(usize),
    /// A list of texts.
    Texts,
    /// A list of byte strings.
    ByteStrings,
    /// A list of numbers, packed or not: bytes that each takes.
    Numbers(usize),
}

/// The shapes of all messages of Weir's and Flow's.
#[derive(Debug)]
pub(super) struct Shapes {
    places: BTreeMap<String, usize>,
    shapes: Vec<Shape>,
}

impl Shapes {
    /// Of all definitions that the program has.
    pub(super) fn all() -> &'static Self {
        static SHAPES: OnceLock<Shapes> = OnceLock::new();
        SHAPES.get_or_init(Self::read)
    }

    /// The shape of a message, by its full name.
    pub(super) fn named(&self, name: &str) -> Option<&Shape> {
        self.places.get(name).and_then(|place| self.at(*place))
    }

    /// The shape at a place.
    pub(super) fn at(&self, place: usize) -> Option<&Shape> {
        self.shapes.get(place)
    }

    fn read() -> Self {
        let set = FileDescriptorSet::decode(crate::FILE_DESCRIPTOR_SET);
        let set = set.expect("the definitions are part of the program, and a test reads them");
        let mut messages = BTreeMap::new();
        for file in &set.file {
            collect(file.package(), &file.message_type, &mut messages);
        }
        let places: BTreeMap<_, _> = messages.keys().cloned().zip(0..).collect();
        let shape = |(name, message): (&String, &&DescriptorProto)| Shape {
            size: size(message, &messages),
            fields: fields(name, message, &places),
        };
        Self { shapes: messages.iter().map(shape).collect(), places }
    }
}

/// Messages by full name, nested ones included.
fn collect<'a>(
    scope: &str,
    messages: &'a [DescriptorProto],
    all: &mut BTreeMap<String, &'a DescriptorProto>,
) {
    for message in messages {
        let name = format!("{scope}.{}", message.name());
        collect(&name, &message.nested_type, all);
        all.insert(name, message);
    }
}

/// Most bytes of the struct that `prost` makes: fields one after the other, each aligned.
fn size(message: &DescriptorProto, all: &BTreeMap<String, &DescriptorProto>) -> usize {
    let field = |field: &FieldDescriptorProto| {
        let inner = all.get(field.type_name().trim_start_matches('.'));
        let is_map = inner.and_then(|inner| inner.options.as_ref()).is_some_and(|o| o.map_entry());
        let is_option = field.oneof_index.is_some() || field.r#type() == Type::Message;
        let option_bytes = if is_option { OPTION_BYTES } else { 0 };
        match field.r#type() {
            _ if is_map => MAP_BYTES,
            _ if field.label() == Label::Repeated => LIST_BYTES,
            Type::Message => inner.map_or(0, |inner| size(inner, all)) + option_bytes,
            Type::Bytes => size_of::<Bytes>() + option_bytes,
            Type::String => size_of::<String>() + option_bytes,
            _ => size_of::<u64>() + option_bytes,
        }
    };
    message.field.iter().map(field).sum()
}

fn fields(
    message_name: &str,
    message: &DescriptorProto,
    places: &BTreeMap<String, usize>,
) -> Vec<(u32, Field)> {
    let field = |field: &FieldDescriptorProto| {
        let tag = u32::try_from(field.number()).ok()?;
        let place = places.get(field.type_name().trim_start_matches('.')).copied();
        let kept = match (field.label() == Label::Repeated, field.r#type()) {
            _ if PACKED.contains(&(message_name, field.name())) => return None,
            (true, Type::Message) => Field::Messages(place?),
            (true, Type::String) => Field::Texts,
            (true, Type::Bytes) => Field::ByteStrings,
            (true, Type::Double | Type::Int64 | Type::Uint64) => Field::Numbers(8),
            (true, Type::Fixed64 | Type::Sfixed64 | Type::Sint64) => Field::Numbers(8),
            (true, Type::Bool) => Field::Numbers(1),
            (true, _) => Field::Numbers(4),
            (false, Type::Message) => Field::Message(place?),
            (false, Type::String) => Field::Text,
            (false, _) => return None,
        };
        Some((tag, kept))
    };
    message.field.iter().filter_map(field).collect()
}

/// Lists that are kept as they come (`receipt_stub`): one copy of their bytes.
const PACKED: [(&str, &str); 1] = [("flow.entities.ExecutionReceiptMeta", "spocks")];
/// Most lists of one message.
pub(super) const LISTS_MAX: usize = 8;
const LIST_BYTES: usize = size_of::<Vec<u8>>();
const MAP_BYTES: usize = size_of::<std::collections::HashMap<String, Bytes>>();
const OPTION_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{access, entities};
    use crate::weir::v1;

    #[bounded::test]
    fn no_message_is_larger_than_its_shape_says() {
        let check = |name: &str, size: usize| {
            let shape = Shapes::all().named(name).unwrap();
            assert!(shape.size >= size, "{name}: {} for {size}", shape.size);
            assert!(shape.size <= 2 * size + 64, "{name}: {} for {size}", shape.size);
        };
        check("flow.entities.Block", size_of::<entities::Block>());
        check("flow.entities.CollectionGuarantee", size_of::<entities::CollectionGuarantee>());
        check("flow.entities.BlockSeal", size_of::<entities::BlockSeal>());
        check("flow.entities.AggregatedSignature", size_of::<entities::AggregatedSignature>());
        check("flow.entities.ExecutionResult", size_of::<entities::ExecutionResult>());
        check("flow.entities.Chunk", size_of::<entities::Chunk>());
        check("flow.entities.Account", size_of::<entities::Account>());
        check("flow.entities.Transaction", size_of::<entities::Transaction>());
        check("flow.access.EventsResponse.Result", size_of::<access::events_response::Result>());
        check("weir.v1.Identity", size_of::<v1::Identity>());
        check("weir.v1.TreeItem", size_of::<v1::TreeItem>());
        check("google.protobuf.Timestamp", size_of::<prost_types::Timestamp>());
    }

    #[bounded::test]
    fn no_message_has_more_lists_than_are_counted() {
        for shape in &Shapes::all().shapes {
            let is_list = |field: &Field| !matches!(field, Field::Message(_) | Field::Text);
            let lists = shape.fields.iter().filter(|(_, field)| is_list(field)).count();
            assert!(lists <= LISTS_MAX, "{shape:?}");
        }
    }
}
