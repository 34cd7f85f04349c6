//! Reading the store as of one head.

use super::error::ReadError;
use super::keys::Key;
use super::pages::{
    BLOCKS_PER_PAGE, BlockPage, ItemPage, NUMBERS_PER_PAGE, PAYLOADS_PER_PAGE, decode_block,
    decode_numbers, place,
};
use super::records::{EpochRecord, Head, StoredBlock};
use super::{Shared, value};
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
        self.ordinal(Key::BlockId(*id))
    }

    /// Ordinal of a block whose payload includes the execution result.
    ///
    /// # Errors
    /// None benign.
    pub fn including_ordinal(&self, result_id: &Identifier) -> Result<Option<u64>, ReadError> {
        self.ordinal(Key::ResultId(*result_id))
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
        let content = self.shared.value(key)?;
        content.map(|content| decode_beacon(key, &content)).transpose()
    }

    /// The highest ordinal up to `last` of a block that seals a version beacon.
    ///
    /// # Errors
    /// None benign.
    pub fn sealing_version_beacon(&self, last: u64) -> Result<Option<u64>, ReadError> {
        let last = Key::VersionBeacon(last.min(self.head.blocks.saturating_sub(1)));
        let found = value::last_key(&self.shared.database, Key::VersionBeacon(0), last)?;
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
        let (page, position) = place(ordinal, BLOCKS_PER_PAGE);
        if !self.page_is_full(page, BLOCKS_PER_PAGE) {
            let key = Key::BlockRow(ordinal);
            if let Some(rlp) = self.shared.value(key)? {
                return decode_block(key, &rlp).map(Some);
            }
            // The page has become full since this view was taken.
        }
        self.block_page(page)?.block(position).map(Some)
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

    /// The payload of a block; `None` also when it was pruned.
    ///
    /// # Errors
    /// None benign.
    pub fn payload(&self, ordinal: u64) -> Result<Option<Vec<u8>>, ReadError> {
        if !self.knows(ordinal) {
            return Ok(None);
        }
        let (page, position) = place(ordinal, PAYLOADS_PER_PAGE);
        if !self.page_is_full(page, PAYLOADS_PER_PAGE) {
            let key = Key::PayloadRow(ordinal);
            if let Some(rlp) = self.shared.value(key)? {
                return decode_payload(key, &rlp).map(Some);
            }
        }
        let Some(found) = self.payload_page(page)? else {
            return Ok(None);
        };
        decode_payload(Key::PayloadPage(page), found.item(position)?).map(Some)
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
        let (page, position) = place(ordinal, NUMBERS_PER_PAGE);
        self.number(Key::ChildPage(page), position)
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
        let Some(content) = self.shared.value(key)? else {
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
        let Some(rlp) = self.shared.value(key)? else {
            return Ok(None);
        };
        let epoch = EpochRecord::from_rlp(&rlp);
        let mut epoch = epoch.map_err(|error| ReadError::damaged(key, error.to_string()))?;
        if let Some(hop) = epoch.hop_ordinal {
            let block = self.block(hop)?;
            let finalized = self.head.finalized.height;
            let seen = block.is_some_and(|block| block.record.header.height <= finalized);
            epoch.hop_ordinal = epoch.hop_ordinal.filter(|_| seen);
        }
        Ok(Some(epoch))
    }

    /// The root snapshot, as the source gave it.
    ///
    /// # Errors
    /// None benign.
    pub fn root_snapshot(&self) -> Result<Option<Vec<u8>>, ReadError> {
        self.shared.value(Key::RootSnapshot)
    }

    /// What this view shares with the writer.
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    fn ordinal(&self, key: Key) -> Result<Option<u64>, ReadError> {
        let Some(content) = self.shared.value(key)? else {
            return Ok(None);
        };
        let ordinal = content.as_slice().try_into().map(u64::from_be_bytes);
        let ordinal = ordinal.map_err(|_| ReadError::damaged(key, "it is no ordinal"))?;
        Ok(Some(ordinal).filter(|ordinal| self.knows(*ordinal)))
    }

    fn knows(&self, ordinal: u64) -> bool {
        ordinal < self.head.blocks
    }

    fn page_is_full(&self, page: u64, per_page: u64) -> bool {
        page < self.head.blocks / per_page
    }

    fn block_page(&self, page: u64) -> Result<Arc<BlockPage>, ReadError> {
        let cache = &self.shared.caches.blocks;
        if let Some(found) = cache.get(&page) {
            return Ok(found);
        }
        let key = Key::BlockPage(page);
        let content = self.shared.value(key)?.ok_or_else(|| ReadError::missing(key))?;
        let found = Arc::new(BlockPage::decode(key, content)?);
        cache.insert(page, Arc::clone(&found));
        Ok(found)
    }

    fn payload_page(&self, page: u64) -> Result<Option<Arc<ItemPage>>, ReadError> {
        let cache = &self.shared.caches.payloads;
        if let Some(found) = cache.get(&page) {
            return Ok(Some(found));
        }
        let key = Key::PayloadPage(page);
        let Some(content) = self.shared.value(key)? else {
            return Ok(None);
        };
        let found = Arc::new(ItemPage::decode(key, content, PAYLOADS_PER_PAGE)?);
        cache.insert(page, Arc::clone(&found));
        Ok(Some(found))
    }

    fn height_entry(&self, height: u64, column: usize) -> Result<Option<u64>, ReadError> {
        let Some(index) = height.checked_sub(self.head.first_height) else {
            return Ok(None);
        };
        let (page, position) = place(index, NUMBERS_PER_PAGE);
        self.number(Key::HeightPage(page), 2 * position + column)
    }

    /// A number of a page, less the one that tells 0 from none; never beyond the view.
    fn number(&self, key: Key, position: usize) -> Result<Option<u64>, ReadError> {
        let Some(content) = self.shared.value(key)? else {
            return Ok(None);
        };
        let number = decode_numbers(key, &content)?.get(position).copied();
        let ordinal = number.and_then(|number| number.checked_sub(1));
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

fn decode_payload(key: Key, rlp: &[u8]) -> Result<Vec<u8>, ReadError> {
    let mut decoder = Decoder::own(rlp);
    let payload = decoder.bytes().map(<[u8]>::to_vec);
    payload.map_err(|error| ReadError::damaged(key, error.to_string()))
}
