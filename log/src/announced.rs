//! How many records were announced, in a file of its own: two slots that are written in turn.
//!
//! A slot, little-endian: magic 8 bytes, number of the writing `u64`, first ordinal `u64`, end `u64`,
//! CRC32C `u32` of the rest. It is there twice, in two sectors, so that a bad one does not make the older slot
//! count; the slots are a page apart, so that no write touches both.

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
    /// What is wrong with copies of the slots, at which offset.
    pub(crate) bad: Vec<(u64, Damage)>,
    /// Whether either slot could be read, so that this is the newer one for sure.
    pub(crate) is_certain: bool,
}

impl Announced {
    /// Makes the file of an empty log. Its name lasts after the next `sync_folder`.
    pub(crate) fn create(files: &dyn Files, first: u64, end: u64) -> Result<Self, LogError> {
        let mut bytes = encode(1, first, end);
        bytes.resize(SLOT_APART, 0);
        bytes.extend_from_slice(&encode(2, first, end));
        put(files, FILE, &bytes)?;
        Ok(Self { first, end, slot: 1, number: 2, bad: Vec::new(), is_certain: true })
    }

    /// Reads the newer of the slots of which a copy is whole.
    ///
    /// # Errors
    /// When the file cannot be read, or no copy is whole.
    pub(crate) fn read(files: &dyn Files) -> Result<Self, LogError> {
        let mut bad = Vec::new();
        let mut slots = [None; 2];
        for (slot, newest) in (0..).zip(&mut slots) {
            for copy in 0..2 {
                let offset = slot * SLOT_APART as u64 + copy * COPY_APART as u64;
                match read_copy(files, offset)? {
                    Ok(found) => *newest = (*newest).max(Some(found)),
                    Err(damage) => bad.push((offset, damage)),
                }
            }
        }
        let is_certain = slots.iter().all(Option::is_some);
        // In order of their numbers.
        let newest =
            slots.into_iter().zip(0..).filter_map(|(found, slot)| Some((found?, slot))).max();
        let Some((Slot { number, first, end }, slot)) = newest else {
            let damage = bad.into_iter().next().map_or(Damage::Short, |(_, damage)| damage);
            return Err(damaged(damage));
        };
        Ok(Self { first, end, slot, number, bad, is_certain })
    }

    /// Writes the same again, into both slots if a copy of either is bad.
    ///
    /// # Errors
    /// As [`Announced::write`].
    pub(crate) fn write_again(&mut self, files: &dyn Files, end: u64) -> Result<(), LogError> {
        if !self.bad.is_empty() {
            self.write(files, self.first, end)?;
            self.bad.clear();
        }
        self.write(files, self.first, end)
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

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    number: u64,
    first: u64,
    end: u64,
}

fn read_copy(files: &dyn Files, offset: u64) -> Result<Result<Slot, Damage>, LogError> {
    match read_up_to(files, FILE, offset, COPY_BYTES) {
        Err(e) if is_unreadable(&e) => Ok(Err(Damage::Unreadable)),
        read => Ok(parse(&read?)),
    }
}

fn parse(bytes: &[u8]) -> Result<Slot, Damage> {
    if bytes.len() != COPY_BYTES {
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

/// A slot with both its copies.
fn encode(number: u64, first: u64, end: u64) -> Vec<u8> {
    let mut copy = MAGIC.to_vec();
    for value in [number, first, end] {
        copy.extend_from_slice(&value.to_le_bytes());
    }
    copy.extend_from_slice(&crc32c::crc32c(&copy).to_le_bytes());
    let mut bytes = copy.clone();
    bytes.resize(COPY_APART, 0);
    bytes.extend_from_slice(&copy);
    bytes
}

/// The file's name.
pub(crate) const FILE: &str = "announced";

const MAGIC: &[u8; 8] = b"weir.ann";
const COPY_BYTES: usize = 36;
/// From one copy to the other.
const COPY_APART: usize = 2048;
/// From one slot to the other.
const SLOT_APART: usize = 4096;
