//! The bytes of one record, which can be read without any other.
//!
//! Little-endian: ordinal `u64`, length of the body as stored `u32`, length of the body `u32`, kind `u32`
//! (0 zstd, 1 plain, 2 expunged), CRC32C `u32` of all the rest, ID 32 bytes, parent 32 bytes, body.

use std::cell::RefCell;

use crate::bytes::{array, u32_at, u64_at};
use crate::{Damage, LogError};

/// What the log holds at one ordinal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who it is.
    pub id: [u8; 32],
    /// The ID of an earlier record; of the first one, anything.
    pub parent: [u8; 32],
    /// Its content, at most [`BODY_BYTES_MAX`].
    pub body: Vec<u8>,
}

/// What a reader finds at an ordinal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The record.
    Record(Record),
    /// The record's body was taken away for good, by [`crate::Log::expunge`].
    Expunged {
        /// Who it was.
        id: [u8; 32],
        /// Its parent.
        parent: [u8; 32],
    },
}

impl Entry {
    /// The record's ID, which is kept when its body is not.
    #[must_use]
    pub const fn id(&self) -> &[u8; 32] {
        match self {
            Self::Record(Record { id, .. }) | Self::Expunged { id, .. } => id,
        }
    }

    /// The parent's ID, which is kept when the body is not.
    #[must_use]
    pub const fn parent(&self) -> &[u8; 32] {
        match self {
            Self::Record(Record { parent, .. }) | Self::Expunged { parent, .. } => parent,
        }
    }

    /// The record, unless it was expunged.
    #[must_use]
    pub fn record(self) -> Option<Record> {
        match self {
            Self::Record(record) => Some(record),
            Self::Expunged { .. } => None,
        }
    }
}

/// The header of a record as it stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) ordinal: u64,
    /// Bytes of the body in the file.
    pub(crate) stored: u32,
    /// Bytes of the body.
    pub(crate) length: u32,
    pub(crate) kind: u32,
    pub(crate) checksum: u32,
    pub(crate) id: [u8; 32],
    pub(crate) parent: [u8; 32],
}

impl Header {
    /// Reads a header, whose checksum is for [`check`] to look at.
    pub(crate) fn parse(bytes: &[u8; HEADER_BYTES]) -> Result<Self, Damage> {
        let header = Self {
            ordinal: u64_at(bytes, 0),
            stored: u32_at(bytes, 8),
            length: u32_at(bytes, 12),
            kind: u32_at(bytes, 16),
            checksum: u32_at(bytes, CHECKSUM_AT),
            id: array(bytes, CHECKSUM_AT + 4),
            parent: array(bytes, CHECKSUM_AT + 36),
        };
        let fits = match header.kind {
            ZSTD => header.stored < header.length,
            PLAIN => header.stored == header.length,
            EXPUNGED => header.stored == 0 && header.length == 0,
            _ => false,
        };
        let short = header.length as usize <= BODY_BYTES_MAX;
        if fits && short { Ok(header) } else { Err(Damage::Header) }
    }

    /// The bytes of the whole record in the file.
    pub(crate) const fn bytes(&self) -> usize {
        HEADER_BYTES + self.stored as usize
    }
}

/// Appends the bytes of a record.
pub(crate) fn encode(record: &Record, ordinal: u64, out: &mut Vec<u8>) -> Result<(), LogError> {
    let bytes = record.body.len();
    let too_large = LogError::TooLarge { ordinal, bytes, max: BODY_BYTES_MAX };
    let Some(length) = u32::try_from(bytes).ok().filter(|_| bytes <= BODY_BYTES_MAX) else {
        return Err(too_large);
    };
    let compressed = compress(&record.body).filter(|compressed| compressed.len() < bytes);
    let (kind, stored) = match &compressed {
        Some(compressed) => (ZSTD, compressed.as_slice()),
        None => (PLAIN, record.body.as_slice()),
    };
    put(Head { ordinal, length, kind, id: &record.id, parent: &record.parent }, stored, out);
    Ok(())
}

/// Appends the bytes of a record without its body.
pub(crate) fn encode_expunged(id: &[u8; 32], parent: &[u8; 32], ordinal: u64, out: &mut Vec<u8>) {
    put(Head { ordinal, length: 0, kind: EXPUNGED, id, parent }, &[], out);
}

/// What an entry takes when it is written again.
pub(crate) fn encode_entry(entry: &Entry, ordinal: u64, out: &mut Vec<u8>) -> Result<(), LogError> {
    match entry {
        Entry::Record(record) => encode(record, ordinal, out),
        Entry::Expunged { id, parent } => {
            encode_expunged(id, parent, ordinal, out);
            Ok(())
        }
    }
}

struct Head<'a> {
    ordinal: u64,
    length: u32,
    kind: u32,
    id: &'a [u8; 32],
    parent: &'a [u8; 32],
}

fn put(head: Head<'_>, stored: &[u8], out: &mut Vec<u8>) {
    let begin = out.len();
    out.extend_from_slice(&head.ordinal.to_le_bytes());
    let stored_bytes = u32::try_from(stored.len()).expect("at most the body's length");
    for number in [stored_bytes, head.length, head.kind, 0] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(head.id);
    out.extend_from_slice(head.parent);
    out.extend_from_slice(stored);
    let checksum = checksum(&out[begin..]);
    out[begin + CHECKSUM_AT..begin + CHECKSUM_AT + 4].copy_from_slice(&checksum.to_le_bytes());
}

/// Checks the bytes of a whole record: its header, its ordinal and its checksum.
pub(crate) fn check(bytes: &[u8], ordinal: u64) -> Result<Header, Damage> {
    let head = bytes.first_chunk::<HEADER_BYTES>().ok_or(Damage::Short)?;
    let header = Header::parse(head)?;
    if header.ordinal != ordinal {
        return Err(Damage::Ordinal { expected: ordinal, found: header.ordinal });
    }
    if bytes.len() != header.bytes() {
        return Err(Damage::Short);
    }
    let found = checksum(bytes);
    if found != header.checksum {
        return Err(Damage::Checksum { expected: header.checksum, found });
    }
    Ok(header)
}

/// Reads the bytes of a whole record.
pub(crate) fn decode(bytes: &[u8], ordinal: u64) -> Result<Entry, Damage> {
    let Header { length, kind, id, parent, .. } = check(bytes, ordinal)?;
    let stored = &bytes[HEADER_BYTES..];
    let body = match kind {
        EXPUNGED => return Ok(Entry::Expunged { id, parent }),
        ZSTD => decompress(stored, length as usize).ok_or(Damage::Body)?,
        _ => stored.to_vec(),
    };
    Ok(Entry::Record(Record { id, parent, body }))
}

fn checksum(bytes: &[u8]) -> u32 {
    let before = crc32c::crc32c(&bytes[..CHECKSUM_AT]);
    crc32c::crc32c_append(before, &bytes[CHECKSUM_AT + 4..])
}

/// Compresses bytes, or says that it cannot.
pub(crate) fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|compressor| {
        if compressor.is_none() {
            *compressor = zstd::bulk::Compressor::new(LEVEL).ok();
        }
        compressor.as_mut()?.compress(bytes).ok()
    })
}

/// Decompresses to exactly so many bytes, or says that it cannot.
pub(crate) fn decompress(bytes: &[u8], length: usize) -> Option<Vec<u8>> {
    let body = DECOMPRESSOR.with_borrow_mut(|decompressor| {
        if decompressor.is_none() {
            *decompressor = zstd::bulk::Decompressor::new().ok();
        }
        decompressor.as_mut()?.decompress(bytes, length).ok()
    })?;
    (body.len() == length).then_some(body)
}

thread_local! {
    // Making one takes longer than compressing a small body.
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> =
        const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> =
        const { RefCell::new(None) };
}

/// Bytes before the body.
pub(crate) const HEADER_BYTES: usize = 88;
/// The longest body of a record, and the longest checkpoint.
pub const BODY_BYTES_MAX: usize = 64 << 20;

const CHECKSUM_AT: usize = 20;
const LEVEL: i32 = 3;
const ZSTD: u32 = 0;
const PLAIN: u32 = 1;
const EXPUNGED: u32 = 2;
