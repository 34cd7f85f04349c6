//! What every value looks like: a flag, the content, and a checksum over key and value.

use super::error::ReadError;
use super::keys::Key;
use std::cmp::Ordering;
use weir_migrations::{checked_value, open_value};

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

/// The value of an ordinal: its bytes without leading zeros.
///
/// It has no checksum: the record at the ordinal shows whether it is the one.
pub(super) fn encode_ordinal(ordinal: u64) -> Vec<u8> {
    let zeros = usize::try_from(ordinal.leading_zeros() / 8).expect("at most 8");
    ordinal.to_be_bytes()[zeros..].to_vec()
}

/// The ordinal that [`encode_ordinal`] wrote.
pub(super) fn decode_ordinal(key: Key, value: &[u8]) -> Result<u64, ReadError> {
    let ordinal = value.iter().try_fold(0u64, |ordinal, byte| {
        ordinal.checked_mul(256).map(|ordinal| ordinal + u64::from(*byte))
    });
    let ordinal = ordinal.filter(|_| value.first() != Some(&0));
    ordinal.ok_or_else(|| ReadError::damaged(key, "it is no ordinal"))
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
/// Longest content: a preimage or a root snapshot, and a head with evidence.
const CONTENT_BYTES_MAX: usize = 257 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use weir_protocol::codec::sha3_256;

    #[bounded::test]
    fn ordinals_read_back_and_have_one_form() {
        for ordinal in [0, 1, 255, 256, 1 << 40, u64::MAX] {
            let value = encode_ordinal(ordinal);
            assert_eq!(decode_ordinal(Key::Head, &value).unwrap(), ordinal);
            assert!(decode_ordinal(Key::Head, &[&[0], &value[..]].concat()).is_err());
        }
        assert!(decode_ordinal(Key::Head, &[1; 9]).is_err());
    }

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
