//! Checkpoints: what the owner of a log wants to know where a segment begins, in files of their own.
//!
//! A file, little-endian: magic 8 bytes, ordinal `u64`, length of the content `u32`, CRC32C `u32` of all
//! the rest, content in zstd.

use crate::bytes::{u32_at, u64_at};
use crate::files::{Files, Named as _, read_up_to};
use crate::record::{BODY_BYTES_MAX, compress, decompress};
use crate::{Damage, LogError, segment};

/// The name of the checkpoint before an ordinal.
pub(crate) fn name(ordinal: u64) -> String {
    format!("{ordinal:020}{CHECKPOINT}")
}

/// The ordinal of a checkpoint by its name, or `None` for any other file.
pub(crate) fn ordinal_of(name: &str) -> Option<u64> {
    segment::ordinal_of(name, CHECKPOINT)
}

/// The bytes of a checkpoint's file.
///
/// # Errors
/// [`LogError::TooLarge`].
pub(crate) fn encode(ordinal: u64, content: &[u8]) -> Result<Vec<u8>, LogError> {
    let bytes = content.len();
    let too_large = LogError::TooLarge { ordinal, bytes, max: BODY_BYTES_MAX };
    let Some(length) = u32::try_from(bytes).ok().filter(|_| bytes <= BODY_BYTES_MAX) else {
        return Err(too_large);
    };
    let stored = compress(content).ok_or(too_large)?;
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&ordinal.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    let checksum = checksum(&out, &stored);
    out.extend_from_slice(&checksum.to_le_bytes());
    out.extend_from_slice(&stored);
    Ok(out)
}

/// Reads a checkpoint whole.
///
/// # Errors
/// When it cannot be read, or is damaged.
pub(crate) fn read(files: &dyn Files, ordinal: u64) -> Result<Vec<u8>, LogError> {
    let file = name(ordinal);
    let length = files.len(&file).named("look at", &file)?;
    let length = usize::try_from(length).unwrap_or(usize::MAX).min(2 * BODY_BYTES_MAX);
    let bytes = read_up_to(files, &file, 0, length)?;
    parse(&bytes, ordinal).map_err(|damage| LogError::Damaged {
        file,
        offset: 0,
        ordinals: ordinal..ordinal,
        damage,
    })
}

fn parse(bytes: &[u8], ordinal: u64) -> Result<Vec<u8>, Damage> {
    let (head, stored) = bytes.split_at_checked(HEAD_BYTES).ok_or(Damage::Short)?;
    if !head.starts_with(MAGIC) {
        return Err(Damage::Magic);
    }
    let (expected, found) = (u32_at(head, 20), checksum(&head[..20], stored));
    if expected != found {
        return Err(Damage::Checksum { expected, found });
    }
    let found = u64_at(head, 8);
    if found != ordinal {
        return Err(Damage::Ordinal { expected: ordinal, found });
    }
    let length = u32_at(head, 16) as usize;
    if length > BODY_BYTES_MAX {
        return Err(Damage::Header);
    }
    decompress(stored, length).ok_or(Damage::Body)
}

fn checksum(head: &[u8], stored: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(head), stored)
}

const HEAD_BYTES: usize = 24;
const MAGIC: &[u8; 8] = b"weir.chk";
const CHECKPOINT: &str = ".checkpoint";
