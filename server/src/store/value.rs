//! What every value looks like: a flag, the content, and a checksum over key and value.

use super::error::ReadError;
use super::keys::Key;
use std::cmp::Ordering;
use weir_migrations::{Database, checked_value, guarded, open_value};

/// Whether compressing is worth trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    /// The content hardly repeats itself.
    None,
    /// The content may shrink; it is stored as it is when it does not.
    Zstd,
}

/// The value to store under `key`.
pub(super) fn encode(key: Key, content: &[u8], compression: Compression) -> Vec<u8> {
    let mut body = match compression {
        Compression::Zstd if content.len() >= COMPRESSED_BYTES_MIN => compress(content),
        _ => None,
    };
    let body = body.get_or_insert_with(|| [&[FLAG_RAW], content].concat());
    checked_value(&key.to_bytes(), std::mem::take(body))
}

/// The content of the value under `key`.
pub(super) fn decode(key: Key, value: &[u8]) -> Result<Vec<u8>, ReadError> {
    let damaged = |reason: &str| ReadError::damaged(key, reason);
    let body = open_value(&key.to_bytes(), value);
    let body = body.ok_or_else(|| damaged("its checksum does not fit"))?;
    match body.split_first() {
        Some((&FLAG_RAW, content)) => Ok(content.to_vec()),
        Some((&FLAG_ZSTD, rest)) => {
            decompress(rest).ok_or_else(|| damaged("it does not decompress"))
        }
        _ => Err(damaged("its encoding is unknown")),
    }
}

/// The content under `key` in the database.
pub(super) fn read(database: &Database, key: Key) -> Result<Option<Vec<u8>>, ReadError> {
    match guarded(|| database.tree().get(key.to_bytes())) {
        Ok(Ok(Some(value))) => decode(key, &value).map(Some),
        Ok(Ok(None)) => Ok(None),
        Ok(Err(error)) => Err(ReadError::database(key, error.into())),
        Err(panic) => Err(ReadError::database(key, panic.into())),
    }
}

/// The last key there is from `first` to `last`.
pub(super) fn last_key(
    database: &Database,
    first: Key,
    last: Key,
) -> Result<Option<Key>, ReadError> {
    let (start, end) = (first.to_bytes(), last.to_bytes());
    let newest = || database.tree().range(start..=end).keys().next_back().transpose();
    match guarded(newest) {
        Ok(Ok(key)) => Ok(key.and_then(|key| Key::from_bytes(&key))),
        Ok(Err(error)) => Err(ReadError::database(last, error.into())),
        Err(panic) => Err(ReadError::database(last, panic.into())),
    }
}

fn compress(content: &[u8]) -> Option<Vec<u8>> {
    let len = u32::try_from(content.len()).ok()?;
    let compressed = zstd::bulk::compress(content, ZSTD_LEVEL).ok()?;
    let body = [&[FLAG_ZSTD][..], &len.to_be_bytes(), &compressed].concat();
    (body.len().cmp(&content.len()) == Ordering::Less).then_some(body)
}

fn decompress(rest: &[u8]) -> Option<Vec<u8>> {
    let (len, compressed) = rest.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
    if len > CONTENT_BYTES_MAX {
        return None;
    }
    zstd::bulk::decompress(compressed, len).ok().filter(|content| content.len() == len)
}

const FLAG_RAW: u8 = 0;
const FLAG_ZSTD: u8 = 1;
const ZSTD_LEVEL: i32 = 1;
const COMPRESSED_BYTES_MIN: usize = 128;
/// Longest content: a page of payloads, each as long as may be, with their RLP headers.
const CONTENT_BYTES_MAX: usize = 257 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use weir_protocol::codec::sha3_256;

    #[bounded::test]
    fn values_read_back_and_any_flipped_bit_is_damage() {
        let random: Vec<u8> = (0..7u64).flat_map(|n| sha3_256(&[&n.to_be_bytes()]).0).collect();
        for content in [vec![], vec![9; 10], vec![9; 1000], random] {
            for compression in [Compression::None, Compression::Zstd] {
                let value = encode(Key::Epoch(3), &content, compression);
                assert_eq!(decode(Key::Epoch(3), &value).unwrap(), content);
                assert!(decode(Key::Epoch(4), &value).is_err());
                for bit in 0..value.len() * 8 {
                    let mut flipped = value.clone();
                    flipped[bit / 8] ^= 1 << (bit % 8);
                    assert!(decode(Key::Epoch(3), &flipped).is_err());
                }
            }
        }
    }
}
