//! Reading the store as of one head.

use super::block::{Body, SealedRef, StoredBlock};
use super::error::ReadError;
use super::keys::{Key, short};
use super::pages;
use super::records::{EpochRecord, Head, below_root_from_rlp};
use super::writer::sealed_of_number;
use super::{Shared, beginning, checkpoint};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::watch;
use weir_protocol::codec::entity_id;
use weir_protocol::codec::rlp::Decoder;
use weir_protocol::model::{Identifier, VersionBeacon};

/// Most blocks that one call of [`Reader::blocks`] returns.
pub const BLOCKS_MAX: u64 = 1024;

/// An immutable view of the store: what is written later is not seen.
///
/// Cheap to clone. Methods block on the disk when an entry is not in memory. Their only errors
/// are damage and a failing database; what the store does not know is `None`.
#[derive(Debug, Clone)]
pub struct Reader {
    shared: Arc<Shared>,
    head: Arc<Head>,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let head = Arc::clone(&shared.head.borrow());
        Self { shared, head }
    }

    /// A view as of the newest head.
    #[must_use]
    pub fn latest(&self) -> Self {
        Self::new(Arc::clone(&self.shared))
    }

    /// The newest head, now and whenever it changes.
    #[must_use]
    pub fn watch_head(&self) -> watch::Receiver<Arc<Head>> {
        self.shared.head.subscribe()
    }

    /// The head of this view.
    #[must_use]
    pub fn head(&self) -> &Arc<Head> {
        &self.head
    }

    /// Ordinal of a block.
    ///
    /// # Errors
    /// None benign.
    pub fn ordinal_of(&self, id: &Identifier) -> Result<Option<u64>, ReadError> {
        let key = Key::BlockId(short(id));
        let Some(ordinal) = self.ordinal(key)? else { return Ok(None) };
        let found = self.block(ordinal)?.ok_or_else(|| ReadError::missing(key))?.id();
        if short(&found) != short(id) {
            return Err(ReadError::damaged(key, format!("it leads to block {found}")));
        }
        // Another ID may begin alike; nobody can make a block that has it.
        Ok(Some(ordinal).filter(|_| found == *id))
    }

    /// Ordinal of the last block whose payload includes an execution result whose ID begins as this.
    ///
    /// # Errors
    /// None benign.
    pub fn including_ordinal(&self, result_id: &Identifier) -> Result<Option<u64>, ReadError> {
        self.ordinal(Key::ResultId(short(result_id)))
    }

    /// The last version beacon that the block at an ordinal seals.
    ///
    /// # Errors
    /// None benign.
    pub fn version_beacon(&self, ordinal: u64) -> Result<Option<VersionBeacon>, ReadError> {
        if !self.knows(ordinal) {
            return Ok(None);
        }
        let key = Key::VersionBeacon(ordinal);
        let content = self.shared.entries.content(key)?;
        content.map(|content| decode_beacon(key, &content)).transpose()
    }

    /// The highest ordinal up to `last` of a block that seals a version beacon.
    ///
    /// # Errors
    /// None benign.
    pub fn sealing_version_beacon(&self, last: u64) -> Result<Option<u64>, ReadError> {
        let last = Key::VersionBeacon(last.min(self.head.blocks.saturating_sub(1)));
        let found = self.shared.entries.last_key(Key::VersionBeacon(0), last)?;
        Ok(match found {
            Some(Key::VersionBeacon(ordinal)) => Some(ordinal),
            _ => None,
        })
    }

    /// The block at an ordinal.
    ///
    /// # Errors
    /// None benign.
    pub fn block(&self, ordinal: u64) -> Result<Option<Arc<StoredBlock>>, ReadError> {
        if !self.knows(ordinal) {
            return Ok(None);
        }
        let cache = &self.shared.caches.blocks;
        if let Some(block) = cache.get(&ordinal) {
            return Ok(Some(block));
        }
        let block = Arc::new(self.read_block(ordinal)?);
        cache.insert(ordinal, Arc::clone(&block));
        Ok(Some(block))
    }

    /// The blocks at a range of ordinals, cut short at the view's end and at [`BLOCKS_MAX`].
    ///
    /// # Errors
    /// None benign.
    pub fn blocks(&self, ordinals: Range<u64>) -> Result<Vec<Arc<StoredBlock>>, ReadError> {
        let longest = ordinals.start.saturating_add(BLOCKS_MAX);
        let end = ordinals.end.min(longest).min(self.head.blocks);
        let blocks = (ordinals.start..end).map(|ordinal| self.block(ordinal));
        blocks.filter_map(Result::transpose).collect()
    }

    /// The block sealed last as of a block: its ID and height.
    ///
    /// # Errors
    /// None benign.
    pub fn last_sealed(&self, block: &StoredBlock) -> Result<(Identifier, u64), ReadError> {
        match block.last_sealed {
            SealedRef::Stored(ordinal) => {
                let missing = || ReadError::missing(Key::BlockPage(ordinal));
                let sealed = self.block(ordinal)?.ok_or_else(missing)?;
                Ok((sealed.id(), sealed.header.height))
            }
            SealedRef::BelowRoot(height) => {
                let mut blocks = self.below_root()?.into_iter();
                let found = blocks.find(|(found, _)| *found == height);
                let found = found.ok_or_else(|| ReadError::missing(Key::BelowRoot))?;
                Ok((found.1, found.0))
            }
        }
    }

    /// The payload of a block; `None` also when it was pruned.
    ///
    /// # Errors
    /// None benign.
    pub fn payload(&self, ordinal: u64) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.block(ordinal)?.and_then(|block| block.payload().map(<[u8]>::to_vec)))
    }

    /// Ordinal of the finalized block of a height.
    ///
    /// # Errors
    /// None benign.
    pub fn finalized_at(&self, height: u64) -> Result<Option<u64>, ReadError> {
        if height > self.head.finalized.height { Ok(None) } else { self.height_entry(height, 0) }
    }

    /// Ordinal of the finalized block that seals the finalized block of a height.
    ///
    /// # Errors
    /// None benign.
    pub fn sealing_ordinal(&self, height: u64) -> Result<Option<u64>, ReadError> {
        if height > self.head.sealed.height { Ok(None) } else { self.height_entry(height, 1) }
    }

    /// The lowest ordinal of a block's children.
    ///
    /// # Errors
    /// None benign.
    pub fn first_child(&self, ordinal: u64) -> Result<Option<u64>, ReadError> {
        if !self.knows(ordinal) {
            return Ok(None);
        }
        let [distance] = pages::CHILDREN.read(&self.shared.entries, ordinal)?;
        let child = ordinal.checked_add(distance).filter(|_| distance > 0);
        Ok(child.filter(|child| self.knows(*child)))
    }

    /// The RLP of a state, setup or commit, whose hash was checked.
    ///
    /// # Errors
    /// None benign.
    pub fn preimage(&self, id: &Identifier) -> Result<Option<Arc<[u8]>>, ReadError> {
        let cache = &self.shared.caches.preimages;
        if let Some(preimage) = cache.get(id) {
            return Ok(Some(preimage));
        }
        let key = Key::Preimage(*id);
        let Some(content) = self.shared.entries.content(key)? else {
            return Ok(None);
        };
        if entity_id(&content) != *id {
            return Err(ReadError::damaged(key, "its hash differs"));
        }
        let preimage: Arc<[u8]> = content.into();
        cache.insert(*id, Arc::clone(&preimage));
        Ok(Some(preimage))
    }

    /// What is known of an epoch as of the view's finalized block.
    ///
    /// # Errors
    /// None benign.
    pub fn epoch(&self, counter: u64) -> Result<Option<EpochRecord>, ReadError> {
        let key = Key::Epoch(counter);
        if counter > self.head.epoch_counter {
            return Ok(None);
        }
        let Some(rlp) = self.shared.entries.content(key)? else {
            return Ok(None);
        };
        let epoch = EpochRecord::from_rlp(&rlp);
        let mut epoch = epoch.map_err(|error| ReadError::damaged(key, error.to_string()))?;
        if let Some(hop) = epoch.hop_ordinal {
            let block = self.block(hop)?;
            let finalized = self.head.finalized.height;
            let seen = block.is_some_and(|block| block.header.height <= finalized);
            epoch.hop_ordinal = epoch.hop_ordinal.filter(|_| seen);
        }
        Ok(Some(epoch))
    }

    /// Ordinal of the first block of the index; blocks before it were in a log that was pruned since.
    ///
    /// # Errors
    /// None benign.
    pub fn first_ordinal(&self) -> Result<u64, ReadError> {
        Ok(self.finalized_at(self.head.first_height)?.unwrap_or_default())
    }

    /// The root snapshot, as the source gave it, or as it was made where the log was pruned.
    ///
    /// # Errors
    /// None benign.
    pub fn root_snapshot(&self) -> Result<Option<Vec<u8>>, ReadError> {
        beginning::root_snapshot(&*self.shared.log, self.head.first_height, self.first_ordinal()?)
    }

    /// The ordinal that the index has for an ID, whatever the log has there.
    pub(crate) fn indexed_at(&self, id: &[u8; 32]) -> Option<u64> {
        self.ordinal(Key::BlockId(short(&Identifier(*id)))).ok().flatten()
    }

    /// The height of which the block at an ordinal is the finalized one, as the index has it.
    pub(crate) fn height_of_finalized(&self, ordinal: u64) -> Option<u64> {
        // Every height has a block that comes before those of later heights of its fork.
        let highest = self.head.first_height.saturating_add(ordinal);
        let lowest = self.head.first_height;
        (lowest..=highest.min(self.head.finalized.height))
            .rev()
            .find(|height| self.finalized_at(*height).ok().flatten() == Some(ordinal))
    }

    /// What this view shares with the writer.
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// What an index has to know to go on behind this view's blocks.
    pub(super) fn checkpoint(
        &self,
        preimages: &BTreeSet<Identifier>,
    ) -> Result<checkpoint::Index, ReadError> {
        let head = Head::clone(&self.head);
        let mut blocks = Vec::new();
        for ordinal in head.resume_ordinal..head.blocks {
            let block = self.block(ordinal)?.ok_or(ReadError::Gone { ordinal })?;
            blocks.push((block.last_sealed, block.epoch_counter));
        }
        let mut epochs = Vec::new();
        for counter in head.first_epoch_counter..=head.epoch_counter {
            epochs.extend(self.epoch(counter)?.map(|epoch| (counter, epoch)));
        }
        let preimage = |id: &Identifier| {
            let preimage = self.preimage(id)?;
            Ok(preimage.ok_or_else(|| ReadError::missing(Key::Preimage(*id)))?.to_vec())
        };
        let preimages = preimages.iter().map(preimage).collect::<Result<_, ReadError>>()?;
        let below_root = self.below_root()?;
        Ok(checkpoint::Index { head, blocks, epochs, preimages, below_root })
    }

    fn below_root(&self) -> Result<Vec<(u64, Identifier)>, ReadError> {
        let key = Key::BelowRoot;
        let Some(content) = self.shared.entries.content(key)? else { return Ok(Vec::new()) };
        let blocks = below_root_from_rlp(&content);
        blocks.map_err(|error| ReadError::damaged(key, error.to_string()))
    }

    fn ordinal(&self, key: Key) -> Result<Option<u64>, ReadError> {
        let ordinal = self.shared.entries.ordinal(key)?;
        Ok(ordinal.filter(|ordinal| self.knows(*ordinal)))
    }

    fn knows(&self, ordinal: u64) -> bool {
        ordinal < self.head.blocks
    }

    fn read_block(&self, ordinal: u64) -> Result<StoredBlock, ReadError> {
        let record = self.shared.log.read(ordinal);
        let record = record.map_err(|error| ReadError::from_log(ordinal, error))?;
        let record = record.ok_or(ReadError::Gone { ordinal })?;
        let malformed = |error| ReadError::Malformed { ordinal, reason: format!("{error}") };
        let body = Body::decode(&record.body, &record.parent).map_err(malformed)?;
        let [sealed, epoch] = pages::BLOCKS.read(&self.shared.entries, ordinal)?;
        let sealed = sealed_of_number(sealed, ordinal, self.head.first_height);
        let key = Key::BlockPage(ordinal / pages::PLACES_PER_PAGE);
        let sealed = sealed.ok_or_else(|| ReadError::missing(key))?;
        let epoch = self.head.first_epoch_counter.saturating_add(epoch);
        Ok(StoredBlock::new(Identifier(record.id), body, sealed, epoch))
    }

    /// The ordinal in a column of a height's place; never beyond the view.
    fn height_entry(&self, height: u64, column: usize) -> Result<Option<u64>, ReadError> {
        let Some(place) = height.checked_sub(self.head.first_height) else {
            return Ok(None);
        };
        let numbers: [u64; 2] = pages::HEIGHTS.read(&self.shared.entries, place)?;
        let distance = numbers[column].checked_sub(1);
        let ordinal = distance.and_then(|distance| place.checked_add(distance));
        Ok(ordinal.filter(|ordinal| self.knows(*ordinal)))
    }
}

fn decode_beacon(key: Key, rlp: &[u8]) -> Result<VersionBeacon, ReadError> {
    let mut decoder = Decoder::own(rlp);
    let beacon = VersionBeacon::decode(&mut decoder).and_then(|beacon| {
        decoder.finish()?;
        Ok(beacon)
    });
    beacon.map_err(|error| ReadError::damaged(key, error.to_string()))
}
