//! Reads the records of a segment one after another.

use crate::files::{Files, is_unreadable, read_up_to};
use crate::record::{self, HEADER_BYTES, Header};
use crate::{Damage, LogError};

/// A place in a segment from which records are read in order.
pub(crate) struct Scanner<'a> {
    files: &'a dyn Files,
    name: &'a str,
    /// The next record.
    ordinal: u64,
    offset: u64,
    /// Where the records end at the latest.
    limit: u64,
    /// Bytes of the file from `begin` of them on, at `offset`.
    buffer: Vec<u8>,
    begin: usize,
}

/// What stands at the scanner's place.
pub(crate) enum Step<'b> {
    /// A whole record, its checksum checked.
    Record { offset: u64, header: Header, bytes: &'b [u8] },
    /// The records end exactly at the limit.
    End,
    /// Something else, or a part of a record.
    Bad { offset: u64, damage: Damage },
}

/// Where a scan begins, and where the records end at the latest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct From {
    pub(crate) ordinal: u64,
    pub(crate) offset: u64,
    pub(crate) limit: u64,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(files: &'a dyn Files, name: &'a str, from: From) -> Self {
        let From { ordinal, offset, limit } = from;
        Self { files, name, ordinal, offset, limit, buffer: Vec::new(), begin: 0 }
    }

    /// Reads the next record and steps behind it; stays at what is bad.
    ///
    /// # Errors
    /// When the file system refuses; neither what the file holds nor what the disk cannot read is an error.
    pub(crate) fn next(&mut self) -> Result<Step<'_>, LogError> {
        let offset = self.offset;
        if offset >= self.limit {
            return Ok(Step::End);
        }
        let bad = |damage| Ok(Step::Bad { offset, damage });
        if !self.fill(HEADER_BYTES)? {
            return bad(Damage::Unreadable);
        }
        let header = match self.held().first_chunk::<HEADER_BYTES>().map(Header::parse) {
            None => return bad(Damage::Short),
            Some(Err(damage)) => return bad(damage),
            Some(Ok(header)) => header,
        };
        // Before any body is read, so that a wrong length costs nothing.
        if header.ordinal != self.ordinal {
            return bad(Damage::Ordinal { expected: self.ordinal, found: header.ordinal });
        }
        let length = header.bytes();
        if length as u64 > self.limit - offset {
            return bad(Damage::Short);
        }
        if !self.fill(length)? {
            return bad(Damage::Unreadable);
        }
        let begin = self.begin;
        let Some(bytes) = self.buffer.get(begin..begin + length) else {
            return bad(Damage::Short);
        };
        if let Err(damage) = record::check(bytes, self.ordinal) {
            return bad(damage);
        }
        self.begin += length;
        self.offset += length as u64;
        self.ordinal += 1;
        Ok(Step::Record { offset, header, bytes: &self.buffer[begin..begin + length] })
    }

    fn held(&self) -> &[u8] {
        &self.buffer[self.begin..]
    }

    /// Holds at least so many bytes, unless the file or the records end before; says whether the disk could
    /// read them.
    fn fill(&mut self, wanted: usize) -> Result<bool, LogError> {
        let held = self.held().len();
        if held >= wanted {
            return Ok(true);
        }
        let from = self.offset + held as u64;
        let left = usize::try_from(self.limit - from).unwrap_or(usize::MAX);
        let least = (wanted - held).min(left);
        let mut read = read_up_to(self.files, self.name, from, least.max(CHUNK_BYTES).min(left));
        if read.as_ref().is_err_and(is_unreadable) {
            // Further on, perhaps: not a byte more than is needed.
            read = read_up_to(self.files, self.name, from, least);
        }
        let bytes = match read {
            Err(e) if is_unreadable(&e) => return Ok(false),
            read => read?,
        };
        self.buffer.drain(..self.begin);
        self.begin = 0;
        self.buffer.extend_from_slice(&bytes);
        Ok(true)
    }
}

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 256 << 10;
