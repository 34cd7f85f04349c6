//! Changes inside encoded evidence, item by item.

use weir_protocol::codec::rlp::{Decoder, Encoder};

/// The encoded items of a list.
pub(super) fn items(list: &[u8]) -> Vec<Vec<u8>> {
    let mut items = Vec::new();
    Decoder::new(list)
        .list(|d| {
            while !d.is_empty() {
                items.push(d.raw()?.to_vec());
            }
            Ok(())
        })
        .unwrap();
    items
}

/// A list of encoded items.
pub(super) fn list(items: &[Vec<u8>]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.list(|e| items.iter().for_each(|item| e.raw(item)));
    encoder.finish()
}

/// The same list with the item at a path replaced by what `change` makes of it.
pub(super) fn edit(
    encoded: &[u8],
    path: &[usize],
    change: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Vec<u8> {
    let Some((at, path)) = path.split_first() else {
        return change(encoded);
    };
    let mut items = items(encoded);
    items[*at] = edit(&items[*at], path, change);
    list(&items)
}

/// The encoding of a byte string.
pub(super) fn bytes(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.bytes(bytes);
    encoder.finish()
}

/// The encoding of a number.
pub(super) fn uint(value: u64) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.uint(value);
    encoder.finish()
}
