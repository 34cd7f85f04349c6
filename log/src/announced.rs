//! How many records were announced, in a file of its own: two slots that are written in turn.
//!
//! A slot, little-endian: magic 8 bytes, number of the writing `u64`, first ordinal `u64`, end `u64`,
//! CRC32C `u32` of the rest. The slots are a page apart, so that no write touches both.

use crate::bytes::{u32_at, u64_at};
use crate::files::{Files, Named as _, is_unreadable, put, read_up_to};
use crate::segment::ORDINAL_MAX;
use crate::{Damage, LogError};

/// What was announced, and where that stands.
#[derive(Debug)]
pub(crate) struct Announced {
    pub(crate) first: u64,
    /// The ordinal after the last record.
    pub(crate) end: u64,
    /// The slot that holds this for sure; the other one is written next.
    slot: u64,
    /// The highest number ever tried.
    number: u64,
    /// Whether both slots could be read.
    pub(crate) whole: bool,
}

impl Announced {
    /// Makes the file of an empty log. Its name lasts after the next `sync_folder`.
    pub(crate) fn create(files: &dyn Files, first: u64, end: u64) -> Result<Self, LogError> {
        let mut bytes = encode(1, first, end);
        bytes.resize(SLOT_APART, 0);
        bytes.extend_from_slice(&encode(2, first, end));
        put(files, FILE, &bytes)?;
        Ok(Self { first, end, slot: 1, number: 2, whole: true })
    }

    /// Reads the newer of the slots that are whole.
    ///
    /// # Errors
    /// When the file cannot be read, or neither slot is whole.
    pub(crate) fn read(files: &dyn Files) -> Result<Self, LogError> {
        let slots = [0, 1].map(|slot| read_slot(files, slot));
        let [first, second] = slots;
        let slots = [first?, second?];
        let whole = slots.iter().all(Result::is_ok);
        let (newest, slot) = match slots {
            [Ok(first), Ok(second)] if first.number > second.number => (first, 0),
            [_, Ok(second)] => (second, 1),
            [Ok(first), Err(_)] => (first, 0),
            [Err(damage), Err(_)] => return Err(damaged(damage)),
        };
        let Slot { number, first, end } = newest;
        Ok(Self { first, end, slot, number, whole })
    }

    /// Writes another first ordinal and end, durably.
    ///
    /// # Errors
    /// When the file cannot be written: then either may hold, until a later call succeeds.
    pub(crate) fn write(
        &mut self,
        files: &dyn Files,
        first: u64,
        end: u64,
    ) -> Result<(), LogError> {
        let slot = 1 - self.slot;
        self.number = self.number.saturating_add(1);
        let bytes = encode(self.number, first, end);
        files.write_at(FILE, slot * SLOT_APART as u64, &bytes).named("write", FILE)?;
        files.sync_file(FILE).named("sync", FILE)?;
        (self.first, self.end, self.slot) = (first, end, slot);
        Ok(())
    }
}

/// The error for a file without which nobody knows how many records were announced.
pub(crate) fn damaged(damage: Damage) -> LogError {
    LogError::Damaged { file: FILE.to_owned(), offset: 0, ordinals: 0..u64::MAX, damage }
}

#[derive(Clone, Copy)]
pub(crate) struct Slot {
    number: u64,
    first: u64,
    end: u64,
}

/// Reads one of the two slots; the outer error is the file system's.
pub(crate) fn read_slot(files: &dyn Files, slot: u64) -> Result<Result<Slot, Damage>, LogError> {
    match read_up_to(files, FILE, slot * SLOT_APART as u64, SLOT_BYTES) {
        Err(e) if is_unreadable(&e) => Ok(Err(Damage::Unreadable)),
        read => Ok(parse(&read?)),
    }
}

fn parse(bytes: &[u8]) -> Result<Slot, Damage> {
    if bytes.len() != SLOT_BYTES {
        return Err(Damage::Short);
    }
    if !bytes.starts_with(MAGIC) {
        return Err(Damage::Magic);
    }
    let (expected, found) = (u32_at(bytes, 32), crc32c::crc32c(&bytes[..32]));
    if expected != found {
        return Err(Damage::Checksum { expected, found });
    }
    let (number, first, end) = (u64_at(bytes, 8), u64_at(bytes, 16), u64_at(bytes, 24));
    if first <= end && end <= ORDINAL_MAX {
        Ok(Slot { number, first, end })
    } else {
        Err(Damage::Header)
    }
}

fn encode(number: u64, first: u64, end: u64) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for value in [number, first, end] {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

/// The file's name.
pub(crate) const FILE: &str = "announced";

const MAGIC: &[u8; 8] = b"weir.ann";
const SLOT_BYTES: usize = 36;
/// From one slot to the other.
pub(crate) const SLOT_APART: usize = 4096;
