//! The frame of a segment: its name, the header before its records, and the table after them.
//!
//! Header, little-endian: magic 8 bytes, format `u32`, first ordinal `u64`, ID of the record before 32
//! bytes (zeros where there is none), CRC32C `u32` of the rest. The records follow without gaps. A sealed
//! segment ends with its table: the offset of each record and of the end of the last, `u32` each, then a
//! trailer: CRC32C of the offsets `u32`, end of the records `u32`, first ordinal `u64`, count `u64`, magic
//! 8 bytes, CRC32C of the trailer `u32`.

use crate::bytes::{array, u32_at, u64_at};
use crate::files::{Files, Named as _, read_up_to};
use crate::{Damage, LogError};

/// The name of the segment that begins with an ordinal.
pub(crate) fn name(first: u64) -> String {
    format!("{first:020}{SEGMENT}")
}

/// The first ordinal of a segment by its name, or `None` for any other file.
pub(crate) fn first_of(name: &str) -> Option<u64> {
    ordinal_of(name, SEGMENT)
}

/// The ordinal in a name of twenty digits and an ending.
pub(crate) fn ordinal_of(name: &str, ending: &str) -> Option<u64> {
    let digits = name.strip_suffix(ending)?;
    let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let ordinal = if plain { digits.parse().ok() } else { None };
    ordinal.filter(|ordinal| *ordinal <= ORDINAL_MAX)
}

/// The header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) first: u64,
    /// The ID of the record before the first; zeros where there is none.
    pub(crate) previous: [u8; 32],
}

impl Head {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = HEAD_MAGIC.to_vec();
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.previous);
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    /// Reads the header of the segment with that first ordinal.
    pub(crate) fn read(files: &dyn Files, first: u64) -> Result<Self, LogError> {
        let file = name(first);
        let bytes = read_up_to(files, &file, 0, HEAD_BYTES)?;
        let damaged = |damage| LogError::Damaged {
            file: file.clone(),
            offset: 0,
            ordinals: first..first,
            damage,
        };
        let checked = bytes.get(..HEAD_BYTES - 4).zip(bytes.get(HEAD_BYTES - 4..HEAD_BYTES));
        let (content, checksum) = checked.ok_or_else(|| damaged(Damage::Short))?;
        if !content.starts_with(HEAD_MAGIC) {
            return Err(damaged(Damage::Magic));
        }
        let (expected, found) = (u32_at(checksum, 0), crc32c::crc32c(content));
        if expected != found {
            return Err(damaged(Damage::Checksum { expected, found }));
        }
        let format = u32_at(content, 8);
        if format != FORMAT {
            return Err(LogError::Newer { file, expected: FORMAT, found: format });
        }
        let head = Self { first: u64_at(content, 12), previous: array(content, 20) };
        if head.first != first {
            return Err(damaged(Damage::Ordinal { expected: first, found: head.first }));
        }
        Ok(head)
    }
}

/// What is known of a sealed segment without reading its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub(crate) first: u64,
    pub(crate) count: u64,
    /// Where the records end and the table begins.
    pub(crate) records_end: u32,
}

impl Sealed {
    /// The ordinal after the last.
    pub(crate) const fn end(&self) -> u64 {
        self.first.saturating_add(self.count)
    }

    /// Reads the trailer of a segment, and holds it against the segment's length.
    pub(crate) fn read(files: &dyn Files, first: u64) -> Result<Self, LogError> {
        let file = name(first);
        let length = files.len(&file).named("look at", &file)?;
        let offset = length.saturating_sub(TRAILER_BYTES as u64);
        let bytes = read_up_to(files, &file, offset, TRAILER_BYTES)?;
        let (sealed, _) = parse_trailer(&bytes, first, length)
            .map_err(|damage| LogError::Damaged { file, offset, ordinals: first..first, damage })?;
        Ok(sealed)
    }

    /// The offset of the table's number for a record; the next number is where the record ends.
    pub(crate) const fn table_at(&self, index: u64) -> u64 {
        self.records_end as u64 + 4 * index
    }

    /// The whole table, checked: one number more than records.
    pub(crate) fn table(&self, files: &dyn Files) -> Result<Vec<u32>, LogError> {
        let file = name(self.first);
        let offset = u64::from(self.records_end);
        let damaged = |damage| LogError::Damaged {
            file: file.clone(),
            offset,
            ordinals: self.first..self.end(),
            damage,
        };
        // The length was held against the file's when the trailer was read.
        let table_bytes = usize::try_from(4 * (self.count + 1)).unwrap_or(usize::MAX);
        let length = files.len(&file).named("look at", &file)?;
        if length != offset + table_bytes as u64 + TRAILER_BYTES as u64 {
            return Err(damaged(Damage::Short));
        }
        let bytes = read_up_to(files, &file, offset, table_bytes + TRAILER_BYTES)?;
        if bytes.len() != table_bytes + TRAILER_BYTES {
            return Err(damaged(Damage::Short));
        }
        let (table, trailer) = bytes.split_at(table_bytes);
        let (sealed, expected) = parse_trailer(trailer, self.first, length).map_err(damaged)?;
        let found = crc32c::crc32c(table);
        if expected != found {
            return Err(damaged(Damage::Checksum { expected, found }));
        }
        if sealed != *self {
            let (expected, found) = (self.count, sealed.count);
            return Err(damaged(Damage::Mismatch { what: "records", expected, found }));
        }
        Ok(table.chunks_exact(4).map(|number| u32_at(number, 0)).collect())
    }
}

/// The table and trailer of a segment with records at these offsets.
pub(crate) fn encode_table(first: u64, offsets: &[u32], records_end: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 * offsets.len() + 4 + TRAILER_BYTES);
    for offset in offsets.iter().chain([&records_end]) {
        bytes.extend_from_slice(&offset.to_le_bytes());
    }
    let table = crc32c::crc32c(&bytes);
    let begin = bytes.len();
    bytes.extend_from_slice(&table.to_le_bytes());
    bytes.extend_from_slice(&records_end.to_le_bytes());
    bytes.extend_from_slice(&first.to_le_bytes());
    bytes.extend_from_slice(&(offsets.len() as u64).to_le_bytes());
    bytes.extend_from_slice(TRAILER_MAGIC);
    let trailer = crc32c::crc32c(&bytes[begin..]);
    bytes.extend_from_slice(&trailer.to_le_bytes());
    bytes
}

/// Reads a trailer of a file of that length; with it comes the checksum of the table.
fn parse_trailer(bytes: &[u8], first: u64, length: u64) -> Result<(Sealed, u32), Damage> {
    if bytes.len() != TRAILER_BYTES {
        return Err(Damage::Short);
    }
    if &bytes[24..32] != TRAILER_MAGIC {
        return Err(Damage::Magic);
    }
    let (expected, found) = (u32_at(bytes, 32), crc32c::crc32c(&bytes[..32]));
    if expected != found {
        return Err(Damage::Checksum { expected, found });
    }
    let (records_end, found, count) = (u32_at(bytes, 4), u64_at(bytes, 8), u64_at(bytes, 16));
    if found != first {
        return Err(Damage::Ordinal { expected: first, found });
    }
    // A count that is too large for the file cannot be added up.
    let table = count.min(length).saturating_mul(4).saturating_add(4);
    let expected =
        u64::from(records_end).saturating_add(table).saturating_add(TRAILER_BYTES as u64);
    if expected != length || records_end < HEAD_END {
        return Err(Damage::Mismatch { what: "length", expected, found: length });
    }
    Ok((Sealed { first, count, records_end }, u32_at(bytes, 0)))
}

/// Bytes before the first record.
pub(crate) const HEAD_BYTES: usize = 56;
/// The same as an offset.
pub(crate) const HEAD_END: u32 = 56;
/// Bytes after the table.
pub(crate) const TRAILER_BYTES: usize = 36;

/// The highest ordinal of a name or a count: sums of it and of what a file can hold never overflow.
pub(crate) const ORDINAL_MAX: u64 = u64::MAX >> 2;

const FORMAT: u32 = 1;
const HEAD_MAGIC: &[u8; 8] = b"weir.seg";
const TRAILER_MAGIC: &[u8; 8] = b"weir.end";
const SEGMENT: &str = ".segment";
